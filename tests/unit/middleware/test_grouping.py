"""GROUP BY over a searchable sealed column: equal values fall together, by their tokens."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import aliased

from amanah.errors import FieldProbed, SealedUseRefused


def numbers(books: Any) -> list[Any]:
    """Customers of ``a``, with one more who shares Budi's number, and one without any."""
    m = books.m
    with books.session() as session:
        session.add_all([m.Customer(id="ani", name="Ani", phone="081234567890"), m.Customer(id="edo", name="Edo")])
        session.commit()
    return [m.Customer.phone, func.count()]


def test_equal_values_fall_together(books: Any) -> None:
    """One row for each number of this tenant, and one for those without: spelled as one of them is."""
    shown = numbers(books)
    phone = books.m.Customer.phone
    with books.session() as session:
        rows = session.execute(select(*shown).select_from(books.m.Customer).group_by(phone)).all()
    counts = {(row[0] or "").replace(" ", ""): row[1] for row in rows}
    assert counts == {"081234567890": 2, "081311112222": 1, "": 1}


def test_the_group_is_noted_with_the_row_that_was_shown(books: Any) -> None:
    """A value that was opened belongs to a row, and the trail says which."""
    numbers(books)
    customer = books.m.Customer
    with books.access() as access, books.engine.connect() as connection:
        connection.execute(select(customer.phone).where(customer.id == "siti").group_by(customer.phone)).all()
        noted = [what for what in access.notes.drain() if what.columns]
    assert [(what.rows, what.columns) for what in noted] == [(("siti",), ("phone",))]


def test_it_groups_with_other_columns_and_joins(books: Any) -> None:
    """As a report does: by the number and the name's row, over its invoices; aliases keep apart."""
    numbers(books)
    m = books.m
    other = aliased(m.Customer, name="other")
    with books.session() as session:
        rows = session.execute(
            select(m.Customer.id, m.Customer.phone, func.sum(m.Invoice.total))
            .join(m.Invoice, m.Invoice.customer_id == m.Customer.id)
            .group_by(m.Customer.id, m.Customer.phone)
            .order_by(m.Customer.id)
        ).all()
        assert [tuple(row) for row in rows] == [("budi", "0812 3456 7890", 5), ("siti", "0813 1111 2222", 7)]
        pairs = session.execute(
            select(m.Customer.phone, other.phone, func.count())
            .join(other, other.phone == m.Customer.phone)
            .group_by(m.Customer.phone, other.phone)
        ).all()
        assert sorted(row[2] for row in pairs) == [1, 4]


def test_only_who_sees_the_column_may_group_by_it(books: Any) -> None:
    """Which values are alike is a search."""
    numbers(books)
    phone = books.m.Customer.phone
    with books.session(actor="masker") as session:
        for shown in ([func.count()], [phone, func.count()]):
            books.refuses(
                FieldProbed, str(shown), session.execute, select(*shown).select_from(books.m.Customer).group_by(phone)
            )


def test_what_cannot_be_grouped_rightly_is_refused(books: Any) -> None:
    """Without tokens, inside another statement, over an expression, or with the number in an aggregate."""
    m = books.m
    phone = m.Customer.phone
    inner = select(phone, m.Customer.id, func.count().label("n")).group_by(phone, m.Customer.id)
    for name, statement in {
        "not searchable": select(func.count()).select_from(m.Customer).group_by(m.Customer.name),
        "subquery": select(inner.subquery().c.n),
        "cte": select(inner.cte("grouped").c.n),
        "expression": select(func.count()).select_from(m.Customer).group_by(func.lower(phone)),
        "aggregate": select(func.max(phone)).group_by(phone),
        "having": select(func.count()).select_from(m.Customer).group_by(phone).having(phone > "0"),
        "order": select(phone).group_by(phone).order_by(phone),
        "union": select(phone).group_by(phone).union(select(phone)),
        "scalar": select(m.Customer.id).where(
            m.Customer.id == select(func.count()).select_from(m.Customer).group_by(phone).scalar_subquery()
        ),
    }.items():
        with books.session() as session:
            books.refuses(SealedUseRefused, name, session.execute, statement)


@pytest.mark.postgresql
def test_a_number_beside_other_groups_is_the_databases_own_error(books: Any) -> None:
    """It is not in the GROUP BY, so PostgreSQL says what it says of any such column."""
    if books.engine.dialect.name != "postgresql":
        pytest.skip("SQLite takes any row of the group")
    with books.session() as session:
        statement = select(books.m.Customer.phone).group_by(books.m.Customer.city)
        books.refuses(DBAPIError, "bare", session.execute, statement)
