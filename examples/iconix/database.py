"""The database: one engine for a process, one session for a request."""

import sqlite3
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}

SessionFactory = async_sessionmaker[AsyncSession]


def async_url(url: str | URL) -> URL:
    """Return the URL with a driver that works with asyncio; a driver that was named explicitly stays."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite+pysqlite":
        return parsed.set(drivername=DRIVERS["sqlite"])
    return parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))


def create_engine(url: str | URL, **options: Any) -> AsyncEngine:
    """Create the engine; SQLite gets the settings that a server of many requests needs."""
    parsed = async_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database not in (None, "", ":memory:"):
        options.setdefault("pool_size", 10)
        options.setdefault("max_overflow", 10)
    engine = create_async_engine(parsed, **options)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def create_sessions(engine: AsyncEngine) -> SessionFactory:
    """Return the factory of sessions; rows stay readable after the commit, so that pages can be rendered from them."""
    return async_sessionmaker(engine, expire_on_commit=False)


def _prepare_sqlite(connection: DBAPIConnection | sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """Readers beside one writer, commits that survive a power cut, waiting instead of failing, real foreign keys."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
