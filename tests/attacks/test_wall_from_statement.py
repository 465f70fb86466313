"""Attack: hand the ORM a statement of one's own to load its objects from."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import column, select, text, union_all, update
from sqlalchemy.orm import aliased

from amanah.errors import RawSqlRefused, SealedUseRefused, SealedWriteRefused

OURS = {5, 7}


def test_from_statement_stays_inside(books: Any) -> None:
    """A SELECT of the entity, of its table, of an alias, a union; an UPDATE … RETURNING is refused."""
    m = books.m
    table = m.Invoice.__table__
    statements = {
        "entity": select(m.Invoice),
        "table": select(table),
        "alias": select(table.alias("other")),
        "entity alias": select(aliased(m.Invoice)),
        "union": union_all(select(table), select(table)),
        "another tenant by name": select(table).where(table.c.tenant_id == "b"),
    }
    with books.session() as session:
        for name, statement in statements.items():
            found = {one.total for one in session.scalars(select(m.Invoice).from_statement(statement))}
            assert found <= OURS, name
            session.expunge_all()
        assert {one.id for one in session.scalars(select(m.Customer).from_statement(select(m.Customer)))} == {
            "budi",
            "siti",
        }
        changed = update(m.Invoice).values(total=0).returning(m.Invoice)
        with pytest.raises(SealedWriteRefused):  # what is written has to be the statement itself
            session.execute(select(m.Invoice).from_statement(changed))


def test_from_statement_takes_no_raw_sql_about_what_is_protected(books: Any) -> None:
    """As text(), with columns or without, alone or in another statement."""
    m = books.m
    raw = text("SELECT * FROM customer")
    with books.session() as session:
        for statement in (
            select(m.Customer).from_statement(raw),
            select(m.Invoice).from_statement(text("SELECT * FROM invoice").columns(m.Invoice.tenant_id, m.Invoice.id)),
            select(m.Customer).from_statement(text("SELECT * FROM customer_view")),
            select(raw.columns(column("id")).subquery().c.id),
        ):
            books.refuses((RawSqlRefused, SealedUseRefused), str(statement), session.execute, statement)


def test_from_statement_writes_nothing_unseen(books: Any) -> None:
    """A write inside another statement would be carried out without a look and without an entry."""
    table = books.m.Invoice.__table__
    inner = update(table).values(total=0).returning(table.c.id).cte("written")
    with books.session() as session, pytest.raises(SealedWriteRefused):
        session.execute(select(books.m.Invoice).from_statement(select(inner.c.id)))
