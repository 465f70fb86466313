"""Attack: change, move, take over or remove another tenant's rows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    delete,
    func,
    insert,
    lambda_stmt,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import aliased
from sqlalchemy.orm.exc import StaleDataError

from amanah.errors import SealedWriteRefused, TenantCrossed


def _theirs(books: Any) -> Any:
    return books.stored("SELECT tenant_id, id, note FROM customer WHERE id = 'tono'"), books.stored(
        "SELECT total FROM invoice WHERE id = 'their-invoice'"
    )


def test_updates_and_deletes_reach_the_own_tenant_only(books: Any) -> None:
    """By criteria, by key, from another table, using another table: rows of tenant b stay as they are."""
    m, before = books.m, _theirs(books)
    with books.session() as session:
        for statement in (
            update(m.Customer).values(note="hacked"),
            update(m.Customer.__table__).values(note="hacked"),
            update(m.Customer).where(m.Customer.id == "tono").values(note="hacked"),
            update(m.Invoice).where(m.Invoice.customer_id == m.Customer.id).values(total=0),
            update(m.Invoice).values(total=select(func.count(m.Customer.id)).scalar_subquery()),
        ):
            session.execute(statement, execution_options={"synchronize_session": False})
        for how in ("fetch", "evaluate", "auto"):
            session.execute(
                update(m.Customer).where(m.Customer.note != "x").values(note="hacked"),
                execution_options={"synchronize_session": how},
            )
        session.connection().execute(
            update(m.Customer.__table__).where(m.Customer.id == bindparam("which")).values(note="hacked"),
            [{"which": "tono"}, {"which": "tono"}],
        )
        session.execute(
            delete(m.Invoice).where(m.Invoice.total > 100), execution_options={"synchronize_session": "fetch"}
        )
        session.connection().execute(delete(m.Invoice.__table__).where(m.Invoice.customer_id == "tono"))
        if "postgresql" in books.url:
            session.execute(
                delete(m.Invoice).where(m.Invoice.customer_id == m.Customer.id, m.Customer.note == "theirs")
            )
        session.commit()
    assert _theirs(books) == before


def test_a_bulk_update_by_key_does_not_reach_another_tenant(books: Any) -> None:
    """The ORM's bulk update by primary key names the tenant in its key, and meets the wall all the same."""
    m, before = books.m, _theirs(books)
    with books.session() as session:
        with pytest.raises(StaleDataError):
            session.execute(update(m.Customer), [{"tenant_id": "b", "id": "tono", "note": "hacked"}])
        session.commit()
    assert _theirs(books) == before


def test_no_row_is_written_for_another_tenant(books: Any) -> None:
    """INSERT by ORM, Core, many rows, expression, default, compiled form, lambda or light table: refused each time."""
    m = books.m
    customers, invoices = m.Customer.__table__, m.Invoice.__table__
    light = table("invoice", column("tenant_id"), column("id"), column("customer_id"), column("total"))
    row = {"tenant_id": "b", "id": "new", "customer_id": "tono", "total": 1}
    attacks = {
        "core": lambda s: s.execute(insert(invoices).values(**row)),
        "parameters": lambda s: s.execute(insert(invoices), row),
        "many": lambda s: s.execute(insert(invoices), [row, {**row, "id": "new2"}]),
        "many values": lambda s: s.execute(insert(invoices).values([row, {**row, "id": "new2"}])),
        "expression": lambda s: s.execute(insert(invoices).values(**{**row, "tenant_id": literal("b")})),
        "concatenation": lambda s: s.execute(insert(invoices).values(**{**row, "tenant_id": literal("") + "b"})),
        "subquery": lambda s: s.execute(
            insert(invoices).values(**{**row, "tenant_id": select(literal("b")).scalar_subquery()})
        ),
        "attribute": lambda s: s.execute(insert(m.Staff).values(org="b", title="x")),
        "attribute expression": lambda s: s.execute(insert(m.Staff).values(org=literal("") + "b", title="x")),
        "light table": lambda s: s.execute(insert(light).values(**row)),
        "reflected": lambda s: s.execute(
            insert(Table("invoice", MetaData(), Column("tenant_id", String), Column("id", String))).values(
                tenant_id="b", id="new"
            )
        ),
        "lambda": lambda s: s.connection().execute(
            lambda_stmt(lambda: insert(invoices).values(tenant_id="b", id="new"))
        ),
        "insert from select": lambda s: s.execute(
            insert(invoices).from_select(["tenant_id", "id"], select(literal("b"), literal("new")))
        ),
        "cte": lambda s: s.execute(select(insert(invoices).values(**row).returning(invoices.c.id).cte("x").c.id)),
        "orm": lambda s: (s.add(m.Customer(tenant_id="b", name="x")), s.flush()),
        "bulk": lambda s: s.bulk_insert_mappings(m.Invoice, [row]),
        "upsert on the other's key": lambda s: s.execute(
            _insert(books)(customers)
            .values(id="tono", name="x")
            .on_conflict_do_update(index_elements=["id"], set_={"note": "hacked"})
        ),
    }
    before = _theirs(books)
    for name, attack in attacks.items():
        with books.session() as session:
            books.refuses((TenantCrossed, SealedWriteRefused), name, attack, session)
            session.rollback()
    assert _theirs(books) == before
    assert books.stored("SELECT count(*) FROM invoice WHERE tenant_id = 'b'") == [(1,)]


def test_no_row_is_moved_to_another_tenant(books: Any) -> None:
    """Whatever names the tenant's column in an UPDATE: its name, an attribute, a hybrid, an alias, an ordered list."""
    m = books.m
    with books.session() as session:
        session.add(m.Staff(number="s1", title="x"))
        session.commit()
    other = aliased(m.Invoice)
    attacks = {
        "core": update(m.Invoice.__table__).values(tenant_id="b"),
        "orm": update(m.Invoice).values(tenant_id="b"),
        "ordered": update(m.Invoice.__table__).ordered_values(("total", 1), ("tenant_id", "b")),
        "ordered attribute": update(m.Staff).ordered_values((m.Staff.org, "b")),
        "expression": update(m.Invoice.__table__).values(tenant_id=literal("b")),
        "parameter": update(m.Invoice.__table__).values(tenant_id=bindparam("t")),
        "attribute": update(m.Staff).values(org="b"),
        "attribute key": update(m.Staff).values({m.Staff.org: "b"}),
        "hybrid": update(m.Staff).values(company="b"),
        "hybrid key": update(m.Staff).values({m.Staff.company: "b"}),
        "alias": update(m.Invoice.__table__.alias("i")).values(tenant_id="b"),
        "orm alias": update(other).values(tenant_id="b"),
        "light table": update(table("invoice", column("tenant_id"))).values(tenant_id="b"),
        "cte": select(update(m.Invoice.__table__).values(tenant_id="b").returning(m.Invoice.id).cte("x").c.id),
    }
    for name, statement in attacks.items():
        with books.session() as session:
            books.refuses(
                (TenantCrossed, SealedWriteRefused),
                name,
                session.execute,
                statement,
                {"t": "b"} if name == "parameter" else None,
            )
            session.rollback()
    for parameters in ({"org": "b"}, {"tenant_id": "b"}):
        with books.session() as session:
            with pytest.raises((TenantCrossed, SQLAlchemyError)):
                session.execute(update(m.Staff), parameters)
            session.rollback()
    with books.session() as session:
        staff = session.get(m.Staff, ("a", "s1"))
        staff.org = "b"
        with pytest.raises(TenantCrossed):
            session.flush()
        session.rollback()
    assert books.stored("SELECT count(*) FROM invoice WHERE tenant_id = 'b'") == [(1,)]
    assert books.stored("SELECT count(*) FROM staff WHERE tenant_id = 'b'") == [(0,)]


def test_a_write_inside_another_statement_is_refused(books: Any) -> None:
    """DELETE and UPDATE in a WITH would be carried out without a look at what they write, and without their entry."""
    m = books.m
    for inner in (delete(m.Invoice.__table__), update(m.Invoice.__table__).values(total=0)):
        with books.session() as session, pytest.raises(SealedWriteRefused):
            session.execute(select(inner.returning(m.Invoice.__table__.c.id).cte("x").c.id))


def test_an_upsert_stays_inside_and_needs_the_right_to_update(books: Any) -> None:
    """ON CONFLICT by the tenant's own key works; it is an update as well as a creation, and is recorded as both."""
    m = books.m
    with books.session() as session:
        statement = _insert(books)(m.Invoice.__table__).values(id="their-invoice", customer_id="budi", total=3)
        target = {"index_elements": ["tenant_id", "id"]}
        for _ in range(2):
            session.execute(statement.on_conflict_do_update(**target, set_={"total": statement.excluded.total}))
        with pytest.raises(SealedWriteRefused):
            session.execute(statement.on_conflict_do_update(**target, set_={"tenant_id": "b"}))
        session.commit()
    assert books.stored("SELECT tenant_id, total FROM invoice WHERE id = 'their-invoice' ORDER BY 1") == [
        ("a", 3),
        ("b", 900),
    ]
    assert {(w["resource"], w["action"]) for w in books.staged("a")[-1]["what"]} == {
        ("invoice", "create"),
        ("invoice", "update"),
    }


def _insert(books: Any) -> Any:
    return sqlite.insert if "sqlite" in books.url else postgresql.insert
