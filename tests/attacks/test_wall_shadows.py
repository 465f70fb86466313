"""Attack: put another table before a protected one, or let an INSERT take away what is in its way."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, text

from amanah.errors import RawSqlRefused, TableShadowed

if TYPE_CHECKING:
    from pathlib import Path


def test_no_temporary_table_stands_before_a_protected_one(books: Any) -> None:
    """Neither as a model's table nor as text; the application's other temporary tables are its own."""
    shadow = Table("customer", MetaData(), Column("id", Integer), prefixes=["TEMPORARY"])
    other = Table("scratch", MetaData(), Column("id", Integer), prefixes=["TEMPORARY"])
    with books.access(), books.engine.connect() as connection:
        with pytest.raises(TableShadowed):
            shadow.create(connection)
        for statement in ("CREATE TEMP TABLE customer (id INTEGER)", "create temporary table CUSTOMER as select 1"):
            with pytest.raises(RawSqlRefused):
                connection.execute(text(statement))
        other.create(connection)


def test_no_protected_table_is_made_whose_conflicts_delete_rows(
    worlds: None, sqlite_database: str, tmp_path: Path
) -> None:
    """SQLite, which alone has it, would take another tenant's row away for a plain INSERT."""
    books = sys.modules["sql_world"].build(sqlite_database, tmp_path)
    books.stored("ALTER TABLE ticket RENAME TO old_ticket")
    replacing = Column("title", String(80), unique=True, sqlite_on_conflict_unique="REPLACE")
    ticket = Table("ticket", MetaData(), Column("id", Integer, primary_key=True), replacing)
    with books.engine.connect() as connection, pytest.raises(RawSqlRefused):
        ticket.create(connection)
    books.close()
