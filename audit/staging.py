"""Where a write's entry waits: in the business transaction, so that the change and its record are one.

The row becomes durable with the application's own commit, and vanishes with its roll-back. It carries no number; the
sequencer gives it one afterwards. The application's database role may INSERT here and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Table, Text

from ..database import TENANT_ID, core
from .models import EVENT_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

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
