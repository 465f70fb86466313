"""A migration takes its tables while an application works with them, and nobody's transaction is ended for it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import amanah.operations
from amanah.adoption import alembic_locks
from amanah.errors import TablesHeld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine

assert amanah.operations.LockedTables


@pytest.fixture
def engine(postgres_database: str) -> Iterator[Engine]:
    """Two tables."""
    made = create_engine(postgres_database)
    with made.begin() as connection:
        for name in ("customer", "invoice"):
            connection.execute(text(f"CREATE TABLE {name} (id INTEGER)"))
    yield made
    made.dispose()


def migrate(connection: Connection) -> None:
    """What a migration of ours begins with, and what it does then."""
    op = Operations(MigrationContext.configure(connection))
    op.lock_tables(["customer", "invoice"])  # type: ignore[attr-defined]
    for name in ("customer", "invoice"):
        connection.execute(text(f"ALTER TABLE {name} ADD COLUMN beside BYTEA"))


def by_psycopg(url: URL) -> None:
    """The migration of a synchronous application."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        migrate(connection)


def by_asyncpg(url: URL) -> None:
    """The migration of an asynchronous one, whose driver has other errors."""

    async def main() -> None:
        engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.run_sync(migrate)

    asyncio.run(main())


every_driver = pytest.mark.parametrize("lock", [by_psycopg, by_asyncpg])
"""What a lock that is not to be had is called differs between them."""


@pytest.mark.postgresql
@every_driver
def test_a_request_that_goes_the_other_way_is_not_ended(engine: Engine, lock: Callable[[URL], None]) -> None:
    """It holds the second table and wants the first: the migration lets go of that and comes after it."""
    migration = threading.Thread(target=lock, args=(engine.url,))
    with engine.connect() as request:
        request.execute(text("SELECT * FROM invoice"))
        migration.start()
        migration.join(1.5)  # longer than PostgreSQL waits before it looks for a deadlock
        assert migration.is_alive()
        request.execute(text("SELECT * FROM customer"))
        request.commit()
    migration.join(30)
    assert not migration.is_alive()
    with engine.connect() as connection:
        assert "beside" in connection.execute(text("SELECT * FROM invoice")).keys()  # noqa: SIM118 - a result's
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"


@pytest.mark.postgresql
@every_driver
def test_who_holds_a_table_for_too_long_is_told_of(
    engine: Engine, lock: Callable[[URL], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The migration ends by itself, and nothing of it is left."""
    monkeypatch.setattr(alembic_locks, "_PATIENCE", 0.3)
    with engine.connect() as report:
        report.execute(text("SELECT * FROM invoice"))
        with pytest.raises(TablesHeld):
            lock(engine.url)
        assert "beside" not in report.execute(text("SELECT * FROM customer")).keys()  # noqa: SIM118 - a result's


@pytest.mark.postgresql
@every_driver
def test_what_is_no_held_table_is_said_at_once(engine: Engine, lock: Callable[[URL], None]) -> None:
    """A table that is not there is not waited for."""
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE invoice"))
    with pytest.raises(DBAPIError, match="does not exist"):
        lock(engine.url)


def test_sqlite_has_one_writer_anyhow(sqlite_database: str) -> None:
    """Nothing is to be taken."""
    engine = create_engine(sqlite_database)
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.lock_tables(["customer"])  # type: ignore[attr-defined]
    engine.dispose()
