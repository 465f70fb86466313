"""The writer's contract: resolved is durable, failed is told, nothing hangs, nothing is dropped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, func, select, text

from amanah.audit.entries import Entry, decode, new_event_id, now_us
from amanah.audit.models import queued
from amanah.audit.writer import TrailWriter
from amanah.database import own_engine, trail, trail_url
from amanah.errors import (
    AmanahError,
    ConfigurationError,
    DatabaseNotMigrated,
    InvalidInput,
    TrailFull,
    TrailUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from sqlalchemy import Engine


KEY = bytes(range(32))


def an_entry(tenant: str = "klinik-a", event_id: str | None = None) -> Entry:
    """Some entry of ``tenant``."""
    return Entry(id=event_id or new_event_id(), at=now_us(), tenant=tenant, access="x", kind="access")


def found(engine: Engine) -> set[str]:
    """The event ids that are in the table, read on a connection of its own."""
    with engine.connect() as connection:
        return set(connection.scalars(select(queued.c.event_id)))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh trail database."""
    engine = own_engine(trail_url(database_url))
    trail.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[TrailWriter]:
    """A writer on that database."""
    writer = TrailWriter(engine, KEY)
    yield writer
    writer.close()


def test_a_resolved_entry_is_in_the_database(writer: TrailWriter, engine: Engine) -> None:
    """What was acknowledged can be read by others, byte for byte."""
    entry = an_entry()
    writer.submit(entry).result(30)
    with engine.connect() as connection:
        row = connection.execute(select(queued)).one()
    assert decode(row.body.encode()) == entry
    assert (row.event_id, row.tenant_id, row.at) == (entry.id, entry.tenant, entry.at)


def test_threads_and_tasks_share_one_writer(writer: TrailWriter, engine: Engine) -> None:
    """Entries of thread pools and of event loops all arrive."""
    entries = [an_entry() for _ in range(300)]

    def in_threads() -> None:
        for entry in entries[:100]:
            writer.record(entry)

    async def in_a_loop() -> None:
        await asyncio.gather(*(writer.arecord(entry) for entry in entries[200:]))

    thread = threading.Thread(target=in_threads)
    thread.start()
    futures = [writer.submit(entry) for entry in entries[100:200]]
    asyncio.run(in_a_loop())
    thread.join()
    for future in futures:
        future.result(30)
    assert found(engine) == {entry.id for entry in entries}


def test_the_same_event_twice_is_no_error(writer: TrailWriter, engine: Engine) -> None:
    """A retry of an entry that arrived is answered like the first time, in one batch or in two."""
    entry = an_entry()
    for future in [writer.submit(entry), writer.submit(entry)]:
        future.result(30)
    writer.record(entry)
    assert found(engine) == {entry.id}


def test_a_wrong_entry_is_refused_before_it_is_queued(writer: TrailWriter, engine: Engine) -> None:
    """An entry that cannot be encoded is its caller's error and nobody else's."""
    with pytest.raises(InvalidInput):
        writer.submit(an_entry("Not A Tenant"))
    writer.record(an_entry())
    assert len(found(engine)) == 1


def test_an_entry_that_the_database_refuses_fails_alone(writer: TrailWriter, engine: Engine) -> None:
    """One refused row of a batch does not take the others with it."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON amanah_queued WHEN new.tenant_id = 'refused' "
                    "BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
            )
        else:
            connection.execute(text("ALTER TABLE amanah_queued ADD CHECK (tenant_id <> 'refused')"))
    good = [an_entry() for _ in range(20)]
    bad = an_entry("refused")
    futures = [writer.submit(entry) for entry in [*good[:10], bad, *good[10:]]]
    with pytest.raises(TrailUnavailable):
        futures.pop(10).result(30)
    for future in futures:
        future.result(30)
    assert found(engine) == {entry.id for entry in good}


def test_without_its_tables_the_trail_says_so(database_url: str) -> None:
    """A trail database that was not migrated is named as such, and the writer recovers once it is."""
    engine = own_engine(trail_url(database_url))
    writer = TrailWriter(engine, KEY)
    with pytest.raises(DatabaseNotMigrated):
        writer.record(an_entry())
    trail.create_all(engine)
    writer.record(an_entry())
    assert len(found(engine)) == 1
    writer.close()
    engine.dispose()


def test_a_failing_database_fails_every_waiter_and_the_writer_recovers(tmp_path: Path) -> None:
    """When the database goes away all who wait are told; when it is back, entries are taken again."""
    folder = tmp_path / "gone"
    engine = own_engine(f"sqlite:///{folder}/trail.db")
    writer = TrailWriter(engine, KEY)
    futures = [writer.submit(an_entry()) for _ in range(50)]
    for future in futures:
        with pytest.raises(TrailUnavailable):
            future.result(30)
    with pytest.raises(TrailUnavailable):
        asyncio.run(writer.arecord(an_entry()))
    folder.mkdir()
    trail.create_all(engine)
    writer.record(an_entry())
    assert len(found(engine)) == 1
    writer.close()


def test_who_comes_back_after_the_failure_is_tried_afresh(database_url: str) -> None:
    """An entry handed in by somebody who was just told of the failure does not share that failure."""
    engine = own_engine(trail_url(database_url))
    writer = TrailWriter(engine, KEY)
    again: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()

    def mended_and_back(_: object) -> None:  # in the writer's own thread, while it tells the others
        trail.create_all(engine)
        again.put(writer.submit(an_entry()))

    refused = writer.submit(an_entry())
    refused.add_done_callback(mended_and_back)
    with pytest.raises(DatabaseNotMigrated):
        refused.result(30)
    again.get(timeout=30).result(30)
    assert len(found(engine)) == 1
    writer.close()
    engine.dispose()


def test_a_broken_connection_is_replaced(writer: TrailWriter, engine: Engine) -> None:
    """An idle connection that the server ended costs nobody an error."""
    if engine.dialect.name != "postgresql":
        pytest.skip("a SQLite file has no server that ends connections")
    writer.record(an_entry())
    with engine.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    writer.record(an_entry())
    assert len(found(engine)) == 2


def test_a_full_queue_is_told_at_once(tmp_path: Path) -> None:
    """While the database is busy the queue fills up to its bound and then refuses; what it took is written."""
    path = tmp_path / "trail.db"
    engine = own_engine(f"sqlite:///{path}")
    trail.create_all(engine)
    writer = TrailWriter(engine, KEY, capacity=3, batch=1)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    futures = []
    with pytest.raises(TrailFull):  # at most one is in the writer's hands and three wait
        futures.extend(writer.submit(an_entry()) for _ in range(5))
    blocker.execute("ROLLBACK")
    blocker.close()
    writer.close()
    assert 3 <= len(found(engine)) <= 4


def test_a_cancelled_caller_does_not_drop_its_entry(writer: TrailWriter, engine: Engine) -> None:
    """A client that disconnects stops the waiting, not the recording."""
    entry = an_entry()

    async def cancelled() -> None:
        task = asyncio.create_task(writer.arecord(entry))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    writer.close()
    assert found(engine) == {entry.id}


def test_a_future_cannot_be_cancelled(writer: TrailWriter, engine: Engine) -> None:
    """Once taken, an entry is written whatever the caller does with its future."""
    future = writer.submit(an_entry())
    assert not future.cancel()
    future.result(30)
    assert len(found(engine)) == 1


def test_a_loop_that_was_closed_does_not_stop_the_writer(tmp_path: Path) -> None:
    """Callers may vanish with their whole event loop; the next one is served."""
    path = tmp_path / "trail.db"
    engine = own_engine(f"sqlite:///{path}")
    trail.create_all(engine)
    writer = TrailWriter(engine, KEY)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    async def leave() -> None:
        task = asyncio.create_task(writer.arecord(an_entry()))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    blocker.execute("ROLLBACK")
    blocker.close()
    writer.record(an_entry())
    assert len(found(engine)) == 2
    writer.close()


def test_closing_writes_what_was_taken_and_refuses_the_rest(writer: TrailWriter, engine: Engine) -> None:
    """`close` drains; afterwards the trail is unavailable."""
    futures = [writer.submit(an_entry()) for _ in range(700)]
    writer.close()
    assert all(future.done() for future in futures)
    assert len(found(engine)) == 700
    with pytest.raises(TrailUnavailable):
        writer.submit(an_entry())


def test_a_forked_child_writes_with_a_thread_of_its_own(writer: TrailWriter, engine: Engine) -> None:
    """Servers fork: the child's entries become durable, and the parent's connection keeps working."""
    before, in_child, after = an_entry(), an_entry(), an_entry()
    writer.record(before)
    child = os.fork()
    if child == 0:
        try:
            writer.record(in_child)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    writer.record(after)
    assert found(engine) == {before.id, in_child.id, after.id}


def test_an_unknown_kind_of_database_is_refused_when_building() -> None:
    """Wrong settings are told in the constructor."""
    engine = create_engine("sqlite://")
    engine.dialect.name = "oracle"
    with pytest.raises(ConfigurationError):
        TrailWriter(engine, KEY)
    with pytest.raises(ValueError, match="at least 1"):
        TrailWriter(create_engine("sqlite://"), KEY, capacity=0)


_SUBMITTER = """
import asyncio, sys
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.writer import TrailWriter
from amanah.database import own_engine
writer = TrailWriter(own_engine(sys.argv[1]), bytes(32))

async def one():
    while True:
        entry = Entry(id=new_event_id(), at=now_us(), tenant="t", access="x", kind="access")
        await writer.arecord(entry)
        sys.stdout.write(entry.id + chr(10))
        sys.stdout.flush()

async def main():
    await asyncio.gather(*(one() for _ in range(16)))

asyncio.run(main())
"""


def test_a_killed_process_loses_nothing_that_it_acknowledged(engine: Engine) -> None:
    """After ``kill -9`` in the middle of submitting, every acknowledged entry is found."""
    url = engine.url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", _SUBMITTER, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        lines.extend(process.stdout)
    acknowledged = {line.strip() for line in lines if line.endswith("\n")}
    assert len(acknowledged) >= 200
    assert acknowledged <= found(engine)
    with engine.connect() as connection:
        # at most the sixteen in flight were durable without having been acknowledged
        assert connection.scalar(select(func.count()).select_from(queued)) <= len(acknowledged) + 16


@pytest.mark.parametrize("way", ["thread", "loop"])
def test_after_a_write_of_which_nobody_knows_a_new_stream_begins(engine: Engine, way: str) -> None:
    """The numbers of a batch that failed may be used or not: none is used again, and none seems to be missing."""
    writer = TrailWriter(engine, KEY)

    async def on_loop(entries: list[Entry]) -> None:
        for one in entries:
            with contextlib.suppress(AmanahError):
                await writer.arecord(one)
            swap()

    tables = iter((("amanah_queued", "amanah_gone"), ("amanah_gone", "amanah_queued"), None))

    def swap() -> None:
        names = next(tables)
        if names is not None:
            with engine.begin() as connection:
                connection.execute(text(f"ALTER TABLE {names[0]} RENAME TO {names[1]}"))

    entries = [an_entry() for _ in range(3)]
    if way == "loop":
        asyncio.run(on_loop(entries))
    else:
        for one in entries:
            with contextlib.suppress(AmanahError):
                writer.record(one)
            swap()
    writer.close()
    with engine.connect() as connection:
        rows = {row.event_id: row for row in connection.execute(select(queued))}
    assert set(rows) == {entries[0].id, entries[2].id}
    first, last = rows[entries[0].id], rows[entries[2].id]
    assert first.stream != last.stream
    assert (first.number, last.number) == (1, 1)
