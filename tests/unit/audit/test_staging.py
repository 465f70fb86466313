"""The business transaction's part of the trail: a change is kept only where the trail takes what follows it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, text

from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.staging import Staging, staged
from amanah.errors import DatabaseNotMigrated, TrailUnavailable


def an_entry():
    """Any entry."""
    return Entry(id=new_event_id(), at=now_us(), tenant="toko-a", access=new_event_id(), kind="write")


def count(engine):
    """How many entries wait."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(staged))


def test_entries_join_the_transaction(own_database, trail_database):
    """They come and go with it."""
    staging = Staging(trail_database)
    with own_database.connect() as connection:
        staging.stage(connection, [an_entry(), an_entry()], {})
        connection.rollback()
    assert count(own_database) == 0
    with own_database.begin() as connection:
        staging.stage(connection, [an_entry(), an_entry()], {})
    assert count(own_database) == 2


def test_no_entry_is_staged_while_the_trail_has_no_queue(own_database, trail_database):
    """The change fails before it is committed, and the reason says what to do."""
    with trail_database.begin() as connection:
        connection.execute(text("ALTER TABLE amanah_queued RENAME TO away"))
    with own_database.connect() as connection, pytest.raises(Exception) as raised:  # noqa: PT011 - either is told apart
        Staging(trail_database).stage(connection, [an_entry()], {})
    error = raised.value
    assert isinstance(error, DatabaseNotMigrated) or getattr(error.orig, "sqlstate", "") == "42P01"
    assert count(own_database) == 0


@pytest.mark.postgresql
def test_no_entry_is_staged_by_a_role_that_may_not_write_the_queue(postgres_database, trail_on_postgres):
    """A privilege that was taken away is as good as a table that is gone."""
    engine = trail_on_postgres
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE clerk_of_trail"))
        connection.execute(text("GRANT INSERT, SELECT ON amanah_staged TO clerk_of_trail"))
    try:
        with engine.connect() as connection:
            connection.execute(text("SET ROLE clerk_of_trail"))
            with pytest.raises(TrailUnavailable):
                Staging(engine).stage(connection, [an_entry()], {})
            connection.rollback()
            connection.execute(text("RESET ROLE"))
            connection.execute(text("GRANT INSERT ON amanah_queued TO clerk_of_trail"))
            connection.execute(text("SET ROLE clerk_of_trail"))
            Staging(engine).stage(connection, [an_entry()], {})
            connection.rollback()
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP OWNED BY clerk_of_trail"))
            connection.execute(text("DROP ROLE clerk_of_trail"))


@pytest.fixture
def trail_on_postgres(postgres_database, all_models):
    """Both sets of tables in a PostgreSQL database."""
    from amanah.database import core, own_engine, trail

    engine = own_engine(postgres_database)
    core.create_all(engine)
    trail.create_all(engine)
    yield engine
    engine.dispose()


def test_no_entry_is_staged_beside_a_file_that_cannot_be_written(own_database, trail_database, monkeypatch):
    """SQLite's trail is a file of its own."""
    if own_database.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps both in one database")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with own_database.connect() as connection, pytest.raises(TrailUnavailable):
        Staging(trail_database).stage(connection, [an_entry()], {})
