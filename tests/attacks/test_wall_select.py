"""Attack: read another tenant's rows with every shape of SELECT."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import bindparam, delete, exists, func, lateral, literal, select, true, union_all, update
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

from amanah.errors import RawSqlRefused

SHAPES = {
    "entity": lambda m: select(m.Customer.id),
    "core table": lambda m: select(m.Customer.__table__.c.id),
    "alias": lambda m: select(aliased(m.Customer).id),
    "alias of an alias": lambda m: select(m.Customer.__table__.alias("x").alias("y").c.id),
    "self-join": lambda m: select((other := aliased(m.Customer)).id).join(
        m.Customer, other.tenant_id != m.Customer.tenant_id, isouter=True
    ),
    "cross join": lambda m: select(aliased(m.Customer).id).join(m.Invoice, true()),
    "subquery": lambda m: select(select(m.Customer.id).subquery().c.id),
    "cte": lambda m: select(select(m.Customer.id).cte("everybody").c.id),
    "recursive cte": lambda m: select(
        (base := select(m.Customer.id).cte("r", recursive=True))
        .union_all(select(base.c.id).where(literal(1) == 2))
        .c.id
    ),
    "union": lambda m: union_all(select(m.Customer.id), select(m.Customer.id)),
    "scalar subquery": lambda m: select(select(func.max(m.Customer.id)).scalar_subquery()),
    "exists": lambda m: select(literal("tono")).where(exists().where(m.Customer.id == "tono")),
    "exists of a select": lambda m: select(literal("tono")).where(
        select(m.Customer).where(m.Customer.id == "tono").exists()
    ),
    "in a subquery": lambda m: select(literal("tono")).where(literal("tono").in_(select(m.Customer.id))),
    "for update": lambda m: select(m.Customer.id).with_for_update(),
    "outer join": lambda m: select(m.Customer.id).select_from(m.Invoice).outerjoin(m.Customer, true()),
    "aggregate": lambda m: select(func.max(m.Customer.note)),
    "from a function": lambda m: select(func.lower(m.Customer.id)),
}


def test_no_shape_of_select_reaches_another_tenant(books: Any) -> None:
    """Whatever the statement looks like, rows of tenant b do not come back under an access of tenant a."""
    with books.session() as session:
        for shape, make in SHAPES.items():
            if shape == "for update" and "sqlite" in books.url:
                continue
            for run in (session.execute, session.connection().execute):
                found = {str(row[0]) for row in run(make(books.m))}
                assert found <= {"budi", "siti", "second", "first", "None"}, shape


def test_a_lateral_subquery_stays_inside(books: Any) -> None:
    """LATERAL (PostgreSQL) meets the wall on both of its sides."""
    if "sqlite" in books.url:
        pytest.skip("SQLite has no LATERAL")
    m = books.m
    inner = lateral(select(m.Invoice.total.label("total")).where(m.Invoice.customer_id == m.Customer.id))
    with books.session() as session:
        assert sorted(session.scalars(select(inner.c.total).select_from(m.Customer).join(inner, true()))) == [5, 7]


def test_the_orm_loads_inside_the_wall(books: Any) -> None:
    """get, refresh, merge, from_statement, lazy, joined, selectin and subquery loads keep to the tenant."""
    m = books.m
    with books.session() as session:
        assert session.get(m.Customer, ("b", "tono")) is None
        merged = session.merge(m.Customer(tenant_id="a", id="budi", note="merged"))
        assert merged.name == "Budi Santoso"
        assert {c.id for c in session.scalars(select(m.Customer).from_statement(select(m.Customer)))} == {
            "budi",
            "siti",
        }
        session.refresh(merged)
        assert [i.total for i in merged.invoices] == [5]
    for load in (joinedload, selectinload, subqueryload):
        with books.session() as session:
            found = session.scalars(select(m.Customer).options(load(m.Customer.invoices))).unique().all()
            assert sorted(i.total for c in found for i in c.invoices) == [5, 7]


def test_no_parameter_takes_the_walls_place(books: Any) -> None:
    """A statement's own parameter with the name of the wall's does not choose the tenant."""
    m = books.m
    statement = select(m.Customer.__table__.c.id).order_by(m.Customer.id)
    named = statement.where(m.Customer.__table__.c.tenant_id == bindparam("amanah_tenant_customer", "b"))
    with books.session() as session:
        for run in (session.scalars, session.connection().scalars):
            assert run(statement, {"amanah_tenant_customer": "b"}).all() == ["budi", "siti"]
            with pytest.raises(RawSqlRefused):
                run(named).all()
        for change in (update(m.Customer.__table__).values(note="x"), delete(m.Invoice.__table__)):
            session.connection().execute(change, {f"amanah_tenant_{change.table.name}": "b"})
        session.commit()
    assert books.stored("SELECT note FROM customer WHERE id = 'tono'") == [("theirs",)]
    assert books.stored("SELECT count(*) FROM invoice WHERE tenant_id = 'b'") == [(1,)]


def test_a_stream_stays_inside(books: Any) -> None:
    """yield_per and stream_results are walled like the rest."""
    with books.session() as session:
        found = session.scalars(select(books.m.Customer).execution_options(yield_per=1))
        assert {c.id for c in found} == {"budi", "siti"}


def test_one_compiled_form_serves_each_tenant_its_own(books: Any) -> None:
    """The form is cached once; the tenant is bound at each execution."""
    statement = select(books.m.Customer.id).order_by(books.m.Customer.id)
    for tenant, expected in (("a", ["budi", "siti"]), ("b", ["tono"]), ("a", ["budi", "siti"])):
        with books.access(tenant), Session(books.engine) as session:
            assert session.scalars(statement).all() == expected
