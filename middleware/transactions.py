"""What the SQL gate asks of a connection's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session

from ..database import sqlstate
from ..errors import AmanahError, AutocommitRefused, DatabaseNotMigrated, TrailUnavailable
from .shape import refuse

if TYPE_CHECKING:
    from sqlalchemy import Connection


_UNDEFINED_TABLE = "42P01"
"""SQLSTATE, PostgreSQL's appendix A."""


def cannot_stage(error: BaseException) -> AmanahError | None:
    """What to call it where the staging table is missing or closed to us; None for what a repetition may mend."""
    if not isinstance(error, DBAPIError):
        return None
    if sqlstate(error) == _UNDEFINED_TABLE or "no such table" in str(error.orig):
        return DatabaseNotMigrated()
    return TrailUnavailable() if isinstance(error, ProgrammingError) else None


def autocommits(connection: Connection) -> bool:
    """Whether a change would be durable by itself: by SQLAlchemy's isolation level, or by the driver's own setting."""
    level = connection.get_execution_options().get("isolation_level")
    if level is None:
        default = connection.dialect._on_connect_isolation_level  # noqa: SLF001
        level = connection.engine.get_execution_options().get("isolation_level", default)
    if str(level or "").upper() == "AUTOCOMMIT":
        return True
    raw: Any = connection.connection.dbapi_connection
    if getattr(raw, "autocommit", None) is True:
        return True
    return connection.dialect.name == "sqlite" and raw.isolation_level is None and not in_transaction(raw)


def connection_of(place: Session | Connection) -> Connection:
    """The Connection of the application's Session, with all that it had to write; or the Connection itself."""
    if isinstance(place, Session):
        place.flush()
        return place.connection()
    return place


def transaction_of(place: Session | Connection) -> Connection:
    """`connection_of`, on which a change is not durable by itself. Raises `AutocommitRefused`."""
    connection = connection_of(place)
    if autocommits(connection):
        refuse(AutocommitRefused())
    return connection


def in_transaction(raw: Any) -> bool:
    """Whether a SQLite connection has an open transaction; aiosqlite keeps the connection inside."""
    for _ in range(3):
        known = getattr(raw, "in_transaction", None)
        if known is not None:
            return bool(known)
        raw = getattr(raw, "_connection", None) or getattr(raw, "_conn", None)
    return False
