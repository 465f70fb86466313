"""The months by which the log is divided: on PostgreSQL each has a partition of its own, so that one can go as a whole.

A month is a number, year * 12 + month - 1, of the moment at which an entry got its place; within one tenant's log it
never goes back.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_YEAR: Final = 12
_known: WeakKeyDictionary[Engine, set[int]] = WeakKeyDictionary()


def month_of(at: int) -> int:
    """The month of a time in µs since the epoch, UTC."""
    when = datetime.fromtimestamp(at / 1_000_000, UTC)
    return when.year * _YEAR + when.month - 1


def name_of(month: int) -> str:
    """As ``2026_12``."""
    return f"{month // _YEAR:04d}_{month % _YEAR + 1:02d}"


def ensure(engine: Engine, month: int) -> None:
    """Make sure that PostgreSQL has a partition for ``month``, in a transaction of its own.

    Where it cannot be made (no right to, or rows of that month lie in the default partition) rows go into the default
    partition, which always takes them.
    """
    if engine.dialect.name != "postgresql" or month in _known.setdefault(engine, set()):
        return
    with suppress(DBAPIError), engine.begin() as connection:
        create(connection, month)
    _known[engine].add(month)


def create(connection: Connection, month: int) -> None:
    """Make the partition for ``month`` where it is missing. It locks the log for that moment."""
    table = f"amanah_entry_{name_of(month)}"
    if not connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}):
        bounds = f"FOR VALUES FROM ({month}) TO ({month + 1})"
        connection.execute(text(f"CREATE TABLE {table} PARTITION OF amanah_entry {bounds}"))
