"""The trail's database goes away under load, or its disk is full: what was acknowledged is provable, once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, select

from amanah import database, migrations
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.models import entry
from amanah.audit.sequencer import Sequencer
from amanah.audit.verify import verify
from amanah.audit.writer import TrailWriter
from amanah.errors import AmanahError
from tests import ready

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[3]


def an_entry() -> Entry:
    """Some entry."""
    return Entry(id=new_event_id(), at=now_us(), tenant="klinik-a", access="x", kind="access")


def prove(core: Engine, trail: Engine, signer: SignerKey, acknowledged: set[str]) -> None:
    """Each is in the log, none twice, and nothing is said to have been deleted."""
    sequencer = Sequencer(core, trail, signer)
    sequencer.run_once()
    sequencer.close()
    with trail.connect() as connection:
        logged = connection.scalars(select(entry.c.event_id)).all()
    assert acknowledged
    assert acknowledged <= set(logged)
    assert len(logged) == len(set(logged))
    report = verify(core, trail, signer.verifier)
    assert report.whole
    assert sum(one.told for one in report.tenants) == 0


def test_a_restart_of_postgresql_under_load_loses_nothing_that_was_acknowledged(
    all_models: None, tmp_path: Path
) -> None:
    """Crashed in the middle of commits of which nobody knows whether they were made; then everything goes on."""
    sys.path.insert(0, str(ROOT / "tools"))
    import postgres

    signer = SignerKey.create(tmp_path / "signer.key")
    with postgres.Server() as server:
        migrations.upgrade(server.url)
        engine = database.own_engine(server.url)
        writer = TrailWriter(engine, signer.stream_key)
        acknowledged: set[str] = set()
        failures: list[str] = []
        stop = threading.Event()

        def record() -> None:
            while not stop.is_set():
                one = an_entry()
                try:
                    writer.record(one)
                except AmanahError as error:
                    failures.append(error.code)
                    time.sleep(0.02)
                else:
                    acknowledged.add(one.id)

        threads = [threading.Thread(target=record) for _ in range(8)]
        for thread in threads:
            thread.start()
        _until(lambda: len(acknowledged) > 50)
        for _ in range(2):
            server._process.send_signal(signal.SIGQUIT)
            server._process.wait(30)
            _until(lambda: bool(failures))
            _start_again(server)
            before = len(acknowledged)
            _until(lambda before=before: len(acknowledged) > before + 50)  # type: ignore[misc]
            failures.clear()
        stop.set()
        for thread in threads:
            thread.join()
        writer.close()
        engine.dispose()
        engine = database.own_engine(server.url)
        prove(engine, engine, signer, acknowledged)
        engine.dispose()


def _start_again(server: Any) -> None:
    import postgres

    port = int(server.url.rpartition(":")[2].partition("/")[0])
    options = {"cwd": server._folder, "env": postgres._ENVIRONMENT, "stdin": subprocess.DEVNULL}
    with (server._folder / "log").open("ab") as out:
        server._process = subprocess.Popen(
            server._process.args, **options, stdout=out, stderr=out, start_new_session=True, **server._user
        )
    assert server._answers(port)


def _until(done: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


FULL = """
import pathlib, resource, sys
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.writer import TrailWriter
from amanah.database import own_engine
from amanah.errors import TrailUnavailable

signer = SignerKey.load(pathlib.Path(sys.argv[2]))
writer = TrailWriter(own_engine(sys.argv[1]), signer.stream_key)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
refused = 0
while refused < 5:
    one = Entry(id=new_event_id(), at=now_us(), tenant="klinik-a", access="x" * 500, kind="access")
    try:
        writer.record(one)
    except TrailUnavailable:
        refused += 1
    else:
        print(one.id)
print("full")
"""


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path, all_models: None) -> None:
    """SQLite's file may not grow any more: each further entry is refused, those before are there."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrations.upgrade(url)
    signer = SignerKey.create(tmp_path / "signer.key")
    command = [sys.executable, "-c", FULL, database.trail_url(url), str(tmp_path / "signer.key")]
    told = ready.run([str(word) for word in command], timeout=120).stdout.split()
    assert told[-1] == "full"
    core, trail = database.own_engine(url), database.own_engine(database.trail_url(url))
    prove(core, trail, signer, set(told[:-1]))
    core.dispose()
    trail.dispose()


def test_a_clock_that_goes_back_moves_no_month_back(
    own_database: Engine, trail_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries bear the time that was told; their places, and the months of the log, only go on."""
    from amanah.audit import append, sequencer

    signer = SignerKey.create(tmp_path / "signer.key")
    writer = TrailWriter(trail_database, signer.stream_key)
    ids = set()
    for clock in (now_us(), now_us() - 70 * 86_400_000_000, now_us() + 40 * 86_400_000_000, 5):
        for module in (append, sequencer):
            monkeypatch.setattr(module, "now_us", lambda clock=clock: clock)
        one = Entry(id=new_event_id(), at=clock, tenant="klinik-a", access="x", kind="access")
        writer.record(one)
        ids.add(one.id)
        places = Sequencer(own_database, trail_database, signer)
        places._take_lease = lambda: True  # type: ignore[method-assign] - a lease of the future ends by itself
        places.run_once()
    writer.close()
    monkeypatch.undo()
    with trail_database.connect() as connection:
        months = connection.scalars(select(entry.c.month).order_by(entry.c.position)).all()
    assert len(months) == 4
    assert list(months) == sorted(months)
    report = verify(own_database, trail_database, signer.verifier)
    assert report.whole
