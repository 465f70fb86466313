"""Attack: with a piece of raw SQL inside an UPDATE or DELETE, step out of what the wall is put behind."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import column, delete, literal_column, or_, select, text, update

from amanah.errors import RawSqlUnclosed

EITHER = {
    "or": lambda t: text("1 = 1 or 1 = 1"),
    "or behind a literal": lambda t: literal_column("1 = 1 or 1 = 1"),
    "or in an operator": lambda t: t.c.id.op("= 'x' or 1 =")(1),
    "or in a boolean operator": lambda t: t.c.id.bool_op("is not null or 1 =")(1),
    "or, said by SQLAlchemy": lambda t: or_(text("1 = 1"), text("1 = 1 or 1 = 1")),
    "two criteria": lambda t: text("1 = 1 or 1 = 1"),
}
OPEN = (
    "{bound} --",
    "{bound} -- \n and 1 = 1 --",
    "{bound} /*",
    "1 = 1) or (1 = 1",
    "'x' = 'x",
    "1 = 1; select 1",
    "1 = 1 or (1 = 1",
)


@pytest.mark.parametrize("shape", EITHER)
def test_an_or_in_raw_sql_reaches_the_own_tenant_only(books: Any, shape: str) -> None:
    """It binds looser than the AND before the wall: it stands in parentheses."""
    table = books.m.Invoice.__table__
    with books.session() as session:
        for statement in (update(table).values(total=0), delete(table)):
            if shape == "two criteria":
                statement = statement.where(table.c.id != "x")  # noqa: PLW2901
            session.connection().execute(statement.where(EITHER[shape](table)))
            session.execute(update(books.m.Invoice).values(total=0).where(EITHER[shape](table)))
        session.commit()
    assert books.stored("SELECT total FROM invoice WHERE id = 'their-invoice'") == [(900,)]
    assert books.stored("SELECT count(*) FROM invoice") == [(1,)]


@pytest.mark.parametrize("piece", OPEN)
def test_a_piece_that_leaves_something_open_is_refused(books: Any, piece: str) -> None:
    """A comment would take the wall with it, and a parenthesis end what holds the criteria."""
    table = books.m.Invoice.__table__
    bound = "$1::text is not null" if "postgresql" in books.url else "? is not null"
    attack = piece.format(bound=bound)
    with books.session() as session:
        for name, statement in {
            "where": delete(table).where(text(attack)),
            "values": update(table).values(total=text(f"0 + ({attack})" if "(" in attack else attack)),
            "in": delete(table).where(table.c.id.in_(text(f"select '' where {attack}").columns(column("id")))),
            "select": select(table.c.id).where(text(attack)),
            "order": select(table.c.id).order_by(text(attack)),
        }.items():
            if name == "values" and attack.startswith("1 = 1)"):
                continue  # closed by then
            books.refuses(RawSqlUnclosed, name, session.execute, statement)


def test_an_operator_does_not_begin_a_comment(books: Any) -> None:
    """Its star is no star of a SELECT, and still one of a comment."""
    table = books.m.Invoice.__table__
    with books.session() as session:
        for sign in ("= 'x' or /*", "= 'x' --", "-- "):
            books.refuses(RawSqlUnclosed, sign, session.execute, delete(table).where(table.c.id.op(sign)("x")))


def test_pieces_that_close_what_they_open_are_served(books: Any) -> None:
    """Comments, quotes and parentheses of their own."""
    table = books.m.Invoice.__table__
    with books.session() as session:
        for piece in ("(1 = 1)", "'a)' != '--;'", "1 = 1 /* x */", "1 = 1 -- x\n", "'it''s' != '/*'"):
            assert len(session.scalars(select(table.c.id).where(text(piece))).all()) == 2, piece
