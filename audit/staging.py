"""Where a write's entry waits: in the business transaction, so that the change and its record are one.

The row becomes durable with the application's own commit, and vanishes with its roll-back. It carries no number; the
sequencer gives it one afterwards. The application's database role may INSERT here and nothing else.

Before a change is committed `Staging` makes sure that the trail takes entries at all. What the request reads back
afterwards must be recorded, too, before its answer may leave; a change whose answer is then stopped would be half done.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Table, Text, bindparam, func, literal, select
from sqlalchemy.exc import SQLAlchemyError

from ..database import TENANT_ID, core
from ..errors import TrailUnavailable
from .entries import receipt
from .models import EVENT_ID, queued, unavailable
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from .entries import Entry

staged = Table(
    "amanah_staged",
    core,
    Column("event_id", EVENT_ID, primary_key=True),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    comment="Entries of committed changes that wait for their place in the log.",
)

_insert = staged.insert()

_insert_checked = staged.insert().from_select(
    [column.name for column in staged.columns],
    select(*(bindparam(column.name, type_=column.type) for column in staged.columns)).where(
        # Fails where the table is missing; is false where this role may not insert into it.
        func.has_table_privilege(literal(queued.name, Text), literal("INSERT", Text))
    ),
)
"""For PostgreSQL, where the trail is in the same database: one statement, no round trip more."""

_look = select(queued.c.event_id).limit(1)


class Staging:
    """Puts entries into a business transaction, after a look whether the trail takes what must follow."""

    def __init__(self, trail_engine: Engine) -> None:
        """``trail_engine``: where the trail's own queue is; a file of its own on SQLite."""
        self._trail = trail_engine

    def stage(self, connection: Connection, entries: Sequence[Entry], options: Mapping[str, Any]) -> list[str]:
        """Insert ``entries`` on the business ``connection`` with the execution ``options``; their receipts.

        Raises `TrailUnavailable` and `DatabaseNotMigrated` where the trail takes no entries, `InvalidInput` for an
        entry that cannot be encoded, and SQLAlchemy's errors as they are. The transaction must then be rolled back.
        """
        rows = [row(entry) for entry in entries]
        if connection.dialect.name == "sqlite":
            self._look_at_file()
            connection.execute(_insert, rows, execution_options=options)
            return [_receipt(one) for one in rows]
        options = {**options, "preserve_rowcount": True}
        for one in rows:  # mostly there is one
            if connection.execute(_insert_checked, one, execution_options=options).rowcount != 1:
                raise TrailUnavailable
        return [_receipt(one) for one in rows]

    def _look_at_file(self) -> None:
        """A read, which waits for nobody: whether the file takes a write is known when one is made."""
        database = self._trail.url.database
        try:
            with self._trail.connect() as connection:
                connection.execute(_look)
        except SQLAlchemyError as error:
            raise unavailable(self._trail) from error
        if not database or not os.access(database, os.W_OK):
            raise TrailUnavailable


def _receipt(one: dict[str, object]) -> str:
    return receipt(str(one["event_id"]), leaf_hash(str(one["body"]).encode()))


def stage(connection: Connection, entries: Sequence[Entry]) -> None:
    """Insert ``entries`` on the business ``connection``, inside its open transaction.

    Raises `InvalidInput` for an entry that cannot be encoded, and SQLAlchemy's errors as they are: the caller's
    transaction must then fail, or the change would be unrecorded.
    """
    if entries:
        connection.execute(_insert, [row(entry) for entry in entries])


def row(entry: Entry) -> dict[str, object]:
    """The entry as a row of either staging table."""
    return {
        "event_id": entry.id,
        "tenant_id": entry.tenant,
        "at": entry.at,
        "body": entry.encode().decode("ascii"),
    }
