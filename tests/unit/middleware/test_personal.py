"""Reading personal columns: in every construct that can carry a value with its place."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Bundle, aliased, defer, undefer


def test_a_value_is_opened_in_every_construct(books: Any) -> None:
    """Entity, column, label, alias, subquery, CTE, outer join, bundle, deferred, refreshed, RETURNING, Core row."""
    c = books.m.Customer
    i = books.m.Invoice
    other = aliased(c)
    inner = select(c.tenant_id, c.id, c.phone.label("tel"), c.city).subquery()
    deeper = select(inner.c.tenant_id, inner.c.id, inner.c.tel).subquery()
    both = select(c.tenant_id, c.id, c.name, c.note).cte("both")
    statements = {
        "column": select(c.name).where(c.id == "budi"),
        "label": select(c.name.label("x")).where(c.id == "budi"),
        "alias": select(other.name).where(other.id == "budi"),
        "core": select(c.__table__.c.name).where(c.__table__.c.id == "budi"),
        "core alias": select((a := c.__table__.alias().alias()).c.name).where(a.c.id == "budi"),
        "cte": select(both.c.name).where(both.c.id == "budi"),
        "join": select(c.name).join(i).where(i.total == 5),
        "self-join": select(other.name).join(c, c.id != other.id).where(c.id == "siti"),
        "bundle": select(Bundle("b", c.name, c.phone)).where(c.id == "budi"),
        "returning": update(c).where(c.id == "budi").values(note="r").returning(c.name),
        "grouped by key": select(c.name).where(c.id == "budi").order_by(c.note),
    }
    with books.session() as session:
        for shape, statement in statements.items():
            found = session.execute(statement, execution_options={"synchronize_session": False}).scalars().one()
            assert found in ("Budi Santoso", ("Budi Santoso", "0812 3456 7890")), shape
        assert set(session.scalars(select(deeper.c.tel))) == {"0812 3456 7890", "0813 1111 2222"}
        lonely = session.execute(select(i.total, c.name).outerjoin(c, c.id == "nobody").where(i.total == 5)).one()
        assert tuple(lonely) == (5, None)
        session.expunge_all()
        late = session.scalars(select(c).options(defer(c.phone)).where(c.id == "budi")).one()
        assert late.phone == "0812 3456 7890"
        session.expire(late)
        assert late.name == "Budi Santoso"
        session.refresh(late, ["phone"])
        assert (
            session.scalars(select(c).options(undefer(c.phone)).where(c.id == "siti")).one().phone == "0813 1111 2222"
        )
        assert session.scalars(insert(c).values(name="New").returning(c.name)).one() == "New"


def test_columns_that_look_alike_do_not_share_a_compiled_form(books: Any) -> None:
    """customer.name and person.name are of the same type in words; each is bound to its own field."""
    m = books.m
    with books.session() as session:
        session.add(m.Person(name="P", mobile="0811"))
        session.flush()
        for _ in range(2):
            assert set(session.scalars(select(m.Customer.name))) == {"Budi Santoso", "Siti Aminah"}
            assert session.scalars(select(m.Person.name)).all() == ["P"]
            assert session.scalars(select(m.Customer.id).where(m.Customer.phone == "0811")).all() == []
            assert session.scalars(select(m.Person.id).where(m.Person.mobile == "0811")).all() == [1]


def test_a_governed_column_works_as_an_erp_needs_it(books: Any) -> None:
    """Who sees it in clear may sort, LIKE, group, join, aggregate and compute with it."""
    c = books.m.Customer
    with books.session() as session:
        assert session.scalars(select(c.id).where(c.city.like("S%")).order_by(c.city)).all() == ["budi"]
        assert session.execute(select(c.city, func.count()).group_by(c.city).order_by(c.city)).all() == [
            ("Malang", 1),
            ("Surabaya", 1),
        ]
        assert session.scalar(select(func.max(c.city))) == "Surabaya"
        assert session.scalar(select(func.lower(c.city)).where(c.id == "budi")) == "surabaya"
        assert session.scalar(select(c.city + "!").where(c.id == "budi")) == "Surabaya!"
        session.execute(update(c).values(note=c.city), execution_options={"synchronize_session": False})


def test_what_was_shown_is_noted_cell_by_cell(books: Any) -> None:
    """Table, row, column, subject; clear and masked apart; nothing of what was withheld."""
    m = books.m
    with books.access(actor="masker") as access:
        access.notes.drain()
        from sqlalchemy.orm import Session

        with Session(books.engine) as session:
            session.get_one(m.Customer, ("a", "budi"))
        (what,) = [w for w in access.notes.drain() if w.rows]
    assert (what.resource, what.rows, what.subjects) == ("customer", ("budi",), ("budi",))
    assert (what.columns, sorted(what.masked)) == ((), ["city", "phone"])


def test_a_stand_in_is_not_shared(books: Any) -> None:
    """What stands in a NOT NULL column is the same for every row, and None in one that may be NULL."""
    m = books.m
    with books.session(actor="masker") as session:
        assert set(session.scalars(select(m.Customer)).all()[0].__dict__) >= {"name", "phone"}
        assert {c.name for c in session.scalars(select(m.Customer))} == {"••••"}
        assert {c.email for c in session.scalars(select(m.Customer))} == {None}
