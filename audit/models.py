"""The trail's own tables, in the ``trail`` metadata (on SQLite a file of its own beside the application's).

``amanah_entry`` is the log itself; everything else can be rebuilt from it or proves something about it. ``body`` is the
canonical encoding (ASCII) over which the leaf hash is taken. The columns beside it repeat what is in the body, so
that the database can search; verification compares them with the body.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text, inspect
from sqlalchemy.exc import SQLAlchemyError

from ..database import TENANT_ID, trail
from ..errors import DatabaseNotMigrated, TrailUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine

EVENT_ID: Final = String(32)
HASH: Final = LargeBinary(32)

queued = Table(
    "amanah_queued",
    trail,
    Column("event_id", EVENT_ID, primary_key=True),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    comment="Entries that are durable and wait for their place in the log.",
)

entry = Table(
    "amanah_entry",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="0 is the first"),
    Column("event_id", EVENT_ID, nullable=False),
    Column("at", BigInteger, nullable=False, comment="microseconds since the epoch, UTC"),
    Column("kind", String(16), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("actor", Text),
    Column("access", Text, nullable=False),
    Column("purpose", Text),
    Column("body", Text, nullable=False),
    Column("leaf_hash", HASH, nullable=False, comment="RFC 6962 leaf hash of the body"),
    Column("chain", HASH, nullable=False, comment="SHA-256 of the previous entry's chain and this leaf hash"),
    Index("uq_amanah_entry_event", "tenant_id", "event_id", "leaf_hash", unique=True),
    Index("ix_amanah_entry_event_id", "event_id"),
    Index("ix_amanah_entry_actor", "tenant_id", "actor", "position"),
    comment="The log: append-only, one tree per tenant.",
)

head = Table(
    "amanah_head",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", HASH, nullable=False),
    Column("frontier", LargeBinary, nullable=False, comment="roots of the complete subtrees, the largest first"),
    Column("chain", HASH, nullable=False, comment="the last entry's chain"),
    comment="How far each tenant's tree has grown.",
)

checkpoint = Table(
    "amanah_checkpoint",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("note", Text, nullable=False, comment="C2SP signed note"),
    comment="Signed statements about the size and root of each tenant's tree.",
)

heartbeat = Table(
    "amanah_heartbeat",
    trail,
    Column("name", String(16), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("note", Text, nullable=False, comment="C2SP signed note over the tenants' heads"),
    comment="The newest signed statement that the sequencer lives, and over which heads.",
)

lease = Table(
    "amanah_lease",
    trail,
    Column("name", String(16), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", BigInteger, nullable=False),
    comment="Which sequencer works now.",
)

_turns: dict[str, threading.Lock] = {}


def turn(engine: Engine) -> AbstractContextManager[object]:
    """Hold the one writer's place of a SQLite file within this process; nothing to hold on PostgreSQL.

    SQLite itself makes a second writer poll with growing pauses; a lock wakes it at once, which keeps the sequencer
    from slowing down the requests.
    """
    if engine.dialect.name != "sqlite":
        return nullcontext()
    return _turns.setdefault(str(engine.url.database), threading.Lock())


def unavailable(engine: Engine) -> DatabaseNotMigrated | TrailUnavailable:
    """The error that says best why the trail database failed: its tables are missing, or it is away."""
    try:
        ready = inspect(engine).has_table(queued.name)
    except SQLAlchemyError:
        return TrailUnavailable()
    return TrailUnavailable() if ready else DatabaseNotMigrated()
