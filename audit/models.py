"""The trail's own tables, in the ``trail`` metadata (on SQLite a file of its own beside the application's).

``amanah_entry`` is the log itself; everything else waits for it, proves something about it, or can be rebuilt from it.
``body`` holds the canonical encoding over which the leaf hash is taken, as `packing` stores it. ``terms`` say what it
can be found by; verification compares them with the body. On PostgreSQL the log has a partition for each month.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeDecorator

from ..database import TENANT_ID, trail
from ..errors import DatabaseNotMigrated, TrailUnavailable
from .terms import Terms

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine
    from sqlalchemy.types import TypeEngine


class EventId(TypeDecorator[str]):
    """32 hexadecimal digits; 16 bytes on PostgreSQL."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """``UUID`` or text."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID(as_uuid=False))
        return dialect.type_descriptor(String(32))

    def process_result_value(self, value: Any, _dialect: Dialect) -> str | None:
        """The digits without dashes."""
        return None if value is None else str(value).replace("-", "")


EVENT_ID: Final = String(32)
HASH: Final = LargeBinary(32)

queued = Table(
    "amanah_queued",
    trail,
    Column("stream", EVENT_ID, primary_key=True, comment="of the writer's connection"),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="its place in the stream, from 1"),
    Column("mac", LargeBinary(16), primary_key=True, comment="proves that the writer gave it this number"),
    Column("event_id", EVENT_ID, nullable=False),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    comment="Entries that are durable and wait for their place in the log.",
)

parked = Table(
    "amanah_parked",
    trail,
    Column("event_id", EVENT_ID, primary_key=True),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    comment="Entries of tenants whose logs are not appended to now; their streams were found whole.",
)

stream = Table(
    "amanah_stream",
    trail,
    Column("stream", EVENT_ID, primary_key=True),
    Column("number", BigInteger, nullable=False, comment="of the last entry that was taken from it"),
    Column("mac", LargeBinary(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    comment="How far each writer's stream was taken into the log.",
)

entry = Table(
    "amanah_entry",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False, comment="0 is the first"),
    Column("month", Integer, primary_key=True, autoincrement=False, comment="year * 12 + month - 1 of its sequencing"),
    Column("at", BigInteger, nullable=False, comment="microseconds since the epoch, UTC"),
    Column("link", BigInteger, nullable=False, comment="the first 8 bytes of the chain up to here"),
    Column("event_id", EventId, nullable=False),
    Column("leaf_hash", HASH, nullable=False, comment="RFC 6962 leaf hash of the body"),
    Column("body", LargeBinary, nullable=False, comment="the canonical encoding, packed"),
    Column("terms", Terms, nullable=False, comment="what it is found by"),
    Index("ix_amanah_entry_event_id", "event_id"),
    Index("ix_amanah_entry_at", "at", postgresql_using="brin"),
    Index(
        "ix_amanah_entry_terms",
        "terms",
        postgresql_using="gin",
        # Searches read the list of what is not yet in the index: it is kept short.
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "256"},
        info={"dialect": "postgresql"},
    ).ddl_if(dialect="postgresql"),
    postgresql_partition_by="RANGE (month)",
    comment="The log: append-only, one tree per tenant.",
)

term = Table(
    "amanah_term",
    trail,
    Column("tenant", Integer, primary_key=True, autoincrement=False, comment="amanah_head.number"),
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    info={"dialect": "sqlite"},
    comment="The index of the log's terms where the database has none for lists.",
)

tally = Table(
    "amanah_tally",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("facet", String(16), primary_key=True),
    Column("value", String(200), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False, comment="days since the epoch, UTC"),
    Column("entries", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False, comment="the lowest position among them"),
    Column("last", BigInteger, nullable=False, comment="the highest"),
    comment="How many entries of a day have a fact in common, and where they lie.",
)

head = Table(
    "amanah_head",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("number", Integer, nullable=False, comment="of the tenant within this trail, for amanah_term"),
    Column("size", BigInteger, nullable=False),
    Column("root", HASH, nullable=False),
    Column("frontier", LargeBinary, nullable=False, comment="roots of the complete subtrees, the largest first"),
    Column("chain", HASH, nullable=False, comment="SHA-256 of the chain before the last entry and its leaf hash"),
    Column("month", Integer, nullable=False, comment="of the last entry"),
    comment="How far each tenant's tree has grown.",
)

subtree = Table(
    "amanah_subtree",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False, comment="its subtrees have 256^level leaves"),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="0 is the first of its level"),
    Column("hash", HASH, nullable=False),
    comment="Roots of complete subtrees, so that a proof reads few rows. Can be computed from the entries.",
)

checkpoint = Table(
    "amanah_checkpoint",
    trail,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="1 is the first"),
    Column("at", BigInteger, nullable=False),
    Column("note", Text, nullable=False, comment="C2SP signed note over the tree of the tenants' heads"),
    comment="Signed statements about all tenants' trees.",
)

signed_head = Table(
    "amanah_signed_head",
    trail,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", HASH, nullable=False),
    Column("number", BigInteger, nullable=False, comment="of the checkpoint that covers it"),
    Column("place", BigInteger, nullable=False, comment="position in the tree of heads"),
    Column("proof", LargeBinary, nullable=False, comment="inclusion in the tree of heads, hash after hash"),
    Index("ix_amanah_signed_head_number", "number"),
    comment="Heads that a checkpoint covers, each from when it changed.",
)

recovery = Table(
    "amanah_recovery",
    trail,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="of the checkpoint that says it"),
    Column("note", Text, nullable=False, comment="C2SP signed note: what was lost when the database went back"),
    comment="Signed statements that a trail goes on from less than was published.",
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
