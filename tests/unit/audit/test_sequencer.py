"""The sequencer: every durable entry gets one place, whatever is killed, and checkpoints follow."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, func, select

from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.heads import read_record
from amanah.audit.models import checkpoint, entry, heartbeat, lease, queued, signed_head
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage, staged
from amanah.audit.verify import verify
from amanah.audit.writer import TrailWriter
from amanah.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine


def an_entry(tenant: str = "klinik-a") -> Entry:
    """Some entry of ``tenant``."""
    return Entry(id=new_event_id(), at=now_us(), tenant=tenant, access="x", kind="write")


def put(engine: Engine, count: int, tenant: str = "klinik-a") -> list[str]:
    """Stage ``count`` entries in a business transaction of ``engine``; their event ids."""
    entries = [an_entry(tenant) for _ in range(count)]
    with engine.begin() as connection:
        stage(connection, entries)
    return [one.id for one in entries]


def outside(folder: Path) -> FolderOutside:
    """The folder of checkpoints, made as setting up makes it."""
    folder.mkdir(exist_ok=True)
    return FolderOutside(folder)


def published(folder: Path, tenant: str) -> int:
    """The greatest size of the tenant's tree that the folder knows of."""
    records = FolderOutside(folder).read()
    return max((one.size for _, text in records for one in read_record(text)[1] if one.tenant == tenant), default=0)


def logged(engine: Engine) -> list[str]:
    """The event ids in the log, by position."""
    with engine.connect() as connection:
        return list(connection.scalars(select(entry.c.event_id).order_by(entry.c.tenant_id, entry.c.position)))


def waiting(core: Engine, trail: Engine) -> int:
    """How many rows are in either staging table."""
    total = 0
    for engine, table in ((core, staged), (trail, queued)):
        with engine.connect() as connection:
            total += connection.scalar(select(func.count()).select_from(table)) or 0
    return total


@pytest.fixture
def signer(tmp_path: Path) -> SignerKey:
    """A new signer key."""
    return SignerKey.create(tmp_path / "signer.key")


@pytest.fixture
def sequencer(own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path) -> Iterator[Sequencer]:
    """A sequencer with small batches."""
    sequencer = Sequencer(own_database, trail_database, signer, outside=outside(tmp_path / "checkpoints"), batch=7)
    yield sequencer
    sequencer.close()


def test_entries_of_both_staging_tables_get_their_places(
    sequencer: Sequencer, own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path
) -> None:
    """Writes staged with the business and reads queued by the writer end up in one verified log per tenant."""
    ids = put(own_database, 20) + put(own_database, 3, "toko-b")
    writer = TrailWriter(trail_database, signer.stream_key)
    for _ in range(10):
        one = an_entry()
        ids.append(one.id)
        writer.record(one)
    writer.close()
    assert sequencer.run_once() == 33
    assert sequencer.run_once() == 0
    assert sorted(logged(trail_database)) == sorted(ids)
    assert waiting(own_database, trail_database) == 0
    report = verify(own_database, trail_database, signer.verifier, outside=outside(tmp_path / "checkpoints"))
    assert report.whole
    assert [(one.tenant, one.entries, one.signed) for one in report.tenants] == [("klinik-a", 30, 30), ("toko-b", 3, 3)]


def test_a_change_that_was_rolled_back_leaves_nothing_in_staging(own_database: Engine, trail_database: Engine) -> None:
    """The staged entry lives and dies with the business transaction."""
    with own_database.connect() as connection:
        stage(connection, [an_entry()])
        connection.rollback()
    with own_database.begin() as connection:
        stage(connection, [])
    assert waiting(own_database, trail_database) == 0


def test_a_wrong_entry_is_not_staged(own_database: Engine) -> None:
    """An entry that cannot be encoded fails the business transaction instead of passing unrecorded."""
    with own_database.connect() as connection, pytest.raises(InvalidInput):
        stage(connection, [an_entry("No Tenant")])


def test_an_entry_that_is_staged_again_after_it_was_moved_is_not_there_twice(
    sequencer: Sequencer, own_database: Engine, trail_database: Engine
) -> None:
    """What a sequencer leaves that dies between its commit and the deletion: the next one only deletes."""
    entries = [an_entry() for _ in range(9)]
    for _ in range(2):
        with own_database.begin() as connection:
            stage(connection, entries)
        sequencer.run_once()
    assert logged(trail_database) == [one.id for one in entries]
    assert waiting(own_database, trail_database) == 0


@pytest.mark.parametrize("statement", range(1, 36))
def test_a_sequencer_that_dies_at_any_statement_loses_and_doubles_nothing(
    own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path, statement: int
) -> None:
    """Stop it before its n-th statement, let another one go on: each entry is in the log exactly once."""
    ids = put(own_database, 4)
    writer = TrailWriter(trail_database, signer.stream_key)
    for one in (an_entry(), an_entry()):
        writer.record(one)
        ids.append(one.id)
    writer.close()
    left = statement

    def die(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt

    for engine in {own_database, trail_database}:
        event.listen(engine, "before_cursor_execute", die)
    first = Sequencer(own_database, trail_database, signer, outside=outside(tmp_path / "checkpoints"))
    with contextlib.suppress(KeyboardInterrupt):
        first.run_once()
    for engine in {own_database, trail_database}:
        event.remove(engine, "before_cursor_execute", die)
    first.close()
    second = Sequencer(own_database, trail_database, signer, outside=outside(tmp_path / "checkpoints"))
    second.run_once()
    second.close()
    assert sorted(logged(trail_database)) == sorted(ids)
    assert waiting(own_database, trail_database) == 0
    assert verify(own_database, trail_database, signer.verifier, outside=outside(tmp_path / "checkpoints")).whole


_SEQUENCER = """
import pathlib, sys
from amanah.audit.checkpoints import SignerKey
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.database import own_engine
core, trail, folder = sys.argv[1:]
signer = SignerKey.load(pathlib.Path(folder) / "signer.key")
outside = FolderOutside(pathlib.Path(folder) / "checkpoints")
sequencer = Sequencer(own_engine(core), own_engine(trail), signer, outside=outside, batch=1, beat=0.0)
print("ready", flush=True)
while True:
    sequencer.run_once()
"""


def test_a_killed_sequencer_loses_and_doubles_nothing(
    own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path
) -> None:
    """``kill -9`` while it works: after the next one has gone on, every entry is in the log once, and verified."""
    urls = [engine.url.render_as_string(hide_password=False) for engine in (own_database, trail_database)]
    ids: list[str] = []
    for _ in range(3):
        ids += put(own_database, 30)
        arguments = [sys.executable, "-c", _SEQUENCER, *urls, str(tmp_path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            before = len(logged(trail_database))
            until = time.monotonic() + 30
            while len(logged(trail_database)) < before + 3 and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        with trail_database.begin() as connection:
            connection.execute(lease.update().values(until=0))  # instead of waiting until it ends
    last = Sequencer(own_database, trail_database, signer, outside=outside(tmp_path / "checkpoints"))
    last.run_once()
    last.close()
    assert sorted(logged(trail_database)) == sorted(ids)
    assert waiting(own_database, trail_database) == 0
    assert verify(own_database, trail_database, signer.verifier, outside=outside(tmp_path / "checkpoints")).whole


def test_two_sequencers_share_the_work_by_lease(
    sequencer: Sequencer, own_database: Engine, trail_database: Engine, signer: SignerKey
) -> None:
    """While one holds the lease the other leaves the work to it; given back, it is taken over."""
    put(own_database, 2)
    assert sequencer.run_once() == 2
    other = Sequencer(own_database, trail_database, signer)
    put(own_database, 2)
    assert other.run_once() == 0
    sequencer.close()
    assert other.run_once() == 2
    other.close()


def test_two_sequencers_without_a_lease_still_append_each_entry_once(
    own_database: Engine, trail_database: Engine, signer: SignerKey
) -> None:
    """The lease spares work only: when clocks are wrong and both work at once, nothing is lost or doubled."""
    ids = put(own_database, 120)
    both = [Sequencer(own_database, trail_database, signer, batch=5) for _ in range(2)]
    for one in both:
        one._take_lease = lambda: True  # type: ignore[method-assign]

    def work(one: Sequencer) -> None:
        for _ in range(200):
            one.run_once()
            if not waiting(own_database, trail_database):
                return

    threads = [threading.Thread(target=work, args=(one,)) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(logged(trail_database)) == sorted(ids)
    assert verify(own_database, trail_database, signer.verifier).whole


def test_the_background_thread_moves_and_publishes(
    own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path
) -> None:
    """Started, it does all of this by itself, and a heartbeat is there although nothing happened."""
    sequencer = Sequencer(own_database, trail_database, signer, outside=outside(tmp_path / "checkpoints"), beat=0.1)
    sequencer.start()
    sequencer.start()
    until = time.monotonic() + 30
    while verify(None, trail_database, signer.verifier).heartbeat_at is None and time.monotonic() < until:
        time.sleep(0.05)
    ids = put(own_database, 3)
    while verify(None, trail_database, signer.verifier, "klinik-a").tenants[0].signed < 3 and time.monotonic() < until:
        time.sleep(0.05)
    sequencer.close()
    assert sorted(logged(trail_database)) == sorted(ids)
    assert published(tmp_path / "checkpoints", "klinik-a") == 3
    report = verify(own_database, trail_database, signer.verifier, outside=outside(tmp_path / "checkpoints"))
    assert report.whole
    assert report.heartbeat_at is not None


def test_a_sequencer_that_is_closed_leaves_nothing_waiting_and_no_lease(
    own_database: Engine, trail_database: Engine, signer: SignerKey
) -> None:
    """What was written up to the end has its place, and whoever comes next works at once instead of after the lease."""
    sequencer = Sequencer(own_database, trail_database, signer)
    sequencer.start()
    put(own_database, 3)
    sequencer.close()
    assert waiting(own_database, trail_database) == 0
    put(own_database, 2)
    once = Sequencer(own_database, trail_database, signer)
    once.run_once()
    once.close()
    put(own_database, 1)
    assert Sequencer(own_database, trail_database, signer).run_once() == 1


def test_a_checkpoint_that_did_not_reach_the_folder_is_brought_there_later(
    own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path
) -> None:
    """A crash between database and folder is made up for by the next process, an I/O error by the same one."""
    put(own_database, 2)
    inside = Sequencer(own_database, trail_database, signer)
    inside.run_once()
    inside.close()
    folder = tmp_path / "checkpoints"
    both = Sequencer(own_database, trail_database, signer, outside=outside(folder), beat=0.0)
    both.run_once()
    assert published(folder, "klinik-a") == 2
    (folder / "lock").unlink()
    folder.rename(tmp_path / "unmounted")
    put(own_database, 2, "toko-b")
    both.run_once()  # signed in the database; what reaches the folder waits
    (tmp_path / "unmounted").rename(folder)
    assert published(folder, "toko-b") == 0
    both.run_once()
    both.close()
    assert published(folder, "toko-b") == 2


def test_verification_sees_one_moment_while_the_log_grows(
    sequencer: Sequencer, own_database: Engine, trail_database: Engine, signer: SignerKey, tmp_path: Path
) -> None:
    """An officer may verify at any time: growth is no damage."""
    put(own_database, 5)
    sequencer.run_once()
    stop = threading.Event()

    def grow() -> None:
        while not stop.is_set():
            put(own_database, 3)
            sequencer.run_once()
            sequencer.publish()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(10):
            report = verify(own_database, trail_database, signer.verifier, outside=outside(tmp_path / "checkpoints"))
            assert report.whole, report.findings
    finally:
        stop.set()
        thread.join()


def test_checkpoints_and_heartbeat_are_in_the_database_too(
    sequencer: Sequencer, own_database: Engine, trail_database: Engine, tmp_path: Path
) -> None:
    """One checkpoint per changed head; none for a head that did not change; one heartbeat that is replaced."""
    put(own_database, 2)
    sequencer.run_once()
    sequencer.publish()
    put(own_database, 2)
    sequencer.run_once()
    sequencer.publish()
    with trail_database.connect() as connection:
        assert connection.scalars(select(checkpoint.c.number).order_by(checkpoint.c.number)).all() == [1, 2]
        assert connection.scalars(select(signed_head.c.size).order_by(signed_head.c.size)).all() == [2, 4]
        assert connection.scalar(select(func.count()).select_from(heartbeat)) == 1
    assert (tmp_path / "checkpoints" / "heartbeat.note").exists()
