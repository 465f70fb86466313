"""Amanah's own tables: two sets of metadata, the engines that reach them, and the version counter of each tenant.

``core`` lives in the application's database (staged entries must share the business transaction). ``trail`` lives in
the same PostgreSQL database, or, on SQLite, in a file of its own beside the application's, because SQLite has one
writer at a time and recording a read must never wait for somebody's open business transaction.

Amanah talks to its own tables through synchronous drivers only, whatever the application uses.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    make_url,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.exc import DBAPIError

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

core = MetaData(naming_convention=_NAMES)
trail = MetaData(naming_convention=_NAMES)

TENANT_ID = String(64)
"""A tenant's identifier: lower-case letters, digits and dashes, at most 64."""

PLATFORM = "platform"
"""The reserved tenant whose trail takes what happens before a tenant is known."""

TENANT_SETTING = "amanah.tenant"
SIGN_IN_SETTING = "amanah.sign_in"
"""What the policies of row-level security read: whose the transaction is, and whether somebody is signing in."""

POSTGRESQL_NOW = "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000 AS BIGINT)"
"""`database_now` as PostgreSQL reads it."""

_own: WeakSet[Engine] = WeakSet()

version = Table(
    "amanah_version",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("version", BigInteger, nullable=False),
)
"""One row per tenant, bumped in the transaction of every change of its members, grants, roles, purposes or rules."""


class database_now(FunctionElement[int]):  # noqa: N801 - it reads as a function of SQL
    """The instant at which the statement began, by the database's clock, in µs since the epoch; on SQLite whole ms.

    Of the statement and not of its transaction: what ends in the middle of a long one has ended. The same for every row
    of a statement, so that an index can be used.
    """

    name = "amanah_now"
    type = BigInteger()
    inherit_cache = True


@compiles(database_now)
def _postgresql_now(_element: database_now, _compiler: Any, **_kw: Any) -> str:
    return POSTGRESQL_NOW


@compiles(database_now, "sqlite")
def _sqlite_now(_element: database_now, _compiler: Any, **_kw: Any) -> str:
    whole = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
    return f"({whole} + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000)"


def bump(connection: Connection, tenant_id: str) -> int:
    """Raise the tenant's version by one in the caller's transaction and return it.

    The first call for a tenant creates the row with version 1.
    """
    changed = connection.execute(
        version.update().where(version.c.tenant_id == tenant_id).values(version=version.c.version + 1)
    )
    if not changed.rowcount:
        connection.execute(version.insert().values(tenant_id=tenant_id, version=1))
    return int(connection.execute(select(version.c.version).where(version.c.tenant_id == tenant_id)).scalar_one())


def time_of(connection: Connection) -> int:
    """This moment by the clock of the database that ``connection`` reaches, in µs since the epoch.

    Also in the middle of a transaction that began earlier. SQLite lives in the process: its clock is the machine's.
    """
    if connection.dialect.name == "sqlite":
        return time.time_ns() // 1000
    return int(connection.execute(select(database_now())).scalar_one())


def version_of(connection: Connection, tenant_id: str) -> int:
    """The tenant's version, 0 if nothing has happened yet."""
    found = connection.execute(select(version.c.version).where(version.c.tenant_id == tenant_id)).scalar()
    return int(found or 0)


def own_url(url: str | URL) -> URL:
    """The URL by which Amanah itself reaches the database that the application reaches by ``url``.

    Same place, synchronous driver: aiosqlite becomes the standard library's sqlite3; asyncpg and others psycopg.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def trail_url(url: str | URL) -> URL:
    """Where the trail of the application at ``url`` lives: the same PostgreSQL database, or a SQLite file beside it."""
    own = own_url(url)
    if own.get_backend_name() != "sqlite" or not own.database:
        return own
    path = Path(own.database)
    return own.set(database=str(path.with_name(f"{path.stem}-trail{path.suffix}")))


def own_engine(url: str | URL, **options: Any) -> Engine:
    """An engine for Amanah's own tables. SQLite is opened in WAL mode with ``synchronous=FULL`` and foreign keys on."""
    own = own_url(url)
    options.setdefault("hide_parameters", True)
    if own.get_backend_name() != "sqlite":
        return _remembered(create_engine(own, pool_pre_ping=True, **options))
    database = own.database or ":memory:"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(database, timeout=30.0, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what was erased is not left in a free page
        return connection

    return _remembered(create_engine(own, creator=connect, poolclass=QueuePool, **options))


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's code of what went wrong, by whatever driver; None where there is none.

    To be preferred to SQLAlchemy's classes of errors: what is an OperationalError by psycopg is a plain DBAPIError
    by asyncpg.
    """
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


def is_own(engine: Engine) -> bool:
    """Whether Amanah made ``engine`` for its own tables."""
    return engine in _own


def _remembered(engine: Engine) -> Engine:
    _own.add(engine)
    return engine
