"""A migration takes its tables while an application works with them, and nobody's transaction is ended for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, text

import amanah.operations
from amanah.adoption import alembic_locks
from amanah.errors import TablesHeld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

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


def lock(engine: Engine) -> None:
    """What a migration of ours begins with, and what it does then."""
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.lock_tables(["customer", "invoice"])  # type: ignore[attr-defined]
        for name in ("customer", "invoice"):
            connection.execute(text(f"ALTER TABLE {name} ADD COLUMN beside BYTEA"))


@pytest.mark.postgresql
def test_a_request_that_goes_the_other_way_is_not_ended(engine: Engine) -> None:
    """It holds the second table and wants the first: the migration lets go of that and comes after it."""
    migration = threading.Thread(target=lock, args=(engine,))
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
def test_who_holds_a_table_for_too_long_is_told_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration ends by itself, and nothing of it is left."""
    monkeypatch.setattr(alembic_locks, "_PATIENCE", 0.3)
    with engine.connect() as report:
        report.execute(text("SELECT * FROM invoice"))
        with pytest.raises(TablesHeld):
            lock(engine)
        assert "beside" not in report.execute(text("SELECT * FROM customer")).keys()  # noqa: SIM118 - a result's


def test_sqlite_has_one_writer_anyhow(sqlite_database: str) -> None:
    """Nothing is to be taken."""
    engine = create_engine(sqlite_database)
    with engine.begin() as connection:
        op = Operations(MigrationContext.configure(connection))
        op.lock_tables(["customer"])  # type: ignore[attr-defined]
    engine.dispose()
