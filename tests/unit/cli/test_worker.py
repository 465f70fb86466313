"""``amanah worker``: entries get their place and checkpoints are signed, whatever is killed, away or stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from sqlalchemy import func, select

from amanah import database, migrations
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.models import entry as entry_table
from amanah.audit.models import heartbeat, lease, queued
from amanah.audit.staging import stage, staged
from amanah.guard import create_keys
from amanah.logs import WITHHELD
from amanah.settings import Settings
from tests import ready

ROOT = Path(__file__).parents[3]


class Place:
    """An installation without an application, and workers of it."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.settings = Settings.in_folder(folder / "state")
        create_keys(self.settings)
        self.signer = SignerKey.load(self.settings.signer_file)
        self.core = database.own_engine(url)
        self.trail = database.own_engine(database.trail_url(url))
        self.started = []

    def put(self, count):
        entries = [
            Entry(id=new_event_id(), at=now_us(), tenant=f"klinik-{n % 3}", access="x", kind="write")
            for n in range(count)
        ]
        with self.core.begin() as connection:
            stage(connection, entries)
        return {one.id for one in entries}

    def logged(self):
        with self.trail.connect() as connection:
            return list(connection.scalars(select(entry_table.c.event_id)))

    def waiting(self):
        with self.core.connect() as one, self.trail.connect() as two:
            return sum(c.scalar(select(func.count()).select_from(t)) for c, t in ((one, staged), (two, queued)))

    def free_lease(self):
        with self.trail.begin() as connection:
            connection.execute(lease.update().values(until=0))  # instead of waiting until it ends

    def lease_until(self):
        with self.trail.connect() as connection:
            return connection.scalar(select(lease.c.until))

    def start(self, *arguments):
        name = self.folder / f"worker-{len(self.started)}"
        env = {**os.environ, "AMANAH_STATE": str(self.folder / "state"), "AMANAH_DATABASE_URL": self.url}
        command = [sys.executable, "-m", "amanah.cli", "--lang", "en", "worker", *arguments]
        with name.open("w") as out:
            process = ready.start(command, env=env, stdout=out)
        process.said = lambda: name.read_text("utf-8")
        process.lines = lambda: [json.loads(line) for line in process.said().splitlines() if line.endswith("}")]
        self.started.append(process)
        return process

    def close(self):
        for process in self.started:
            process.kill()
            process.wait(30)
        self.core.dispose()
        self.trail.dispose()


@pytest.fixture
def place(filled_migrated, all_models, database_url, tmp_path):
    made = Place(tmp_path, database_url)
    yield made
    made.close()


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_once_moves_what_waits_and_ends(place):
    """For cron: exit code 0, a heartbeat signed, and nothing waits."""
    ids = place.put(5)
    process = place.start("--once")
    assert (process.wait(30), process.said()) == (0, "")
    assert sorted(place.logged()) == sorted(ids)
    assert place.waiting() == 0
    with place.trail.connect() as connection:
        assert connection.scalar(select(heartbeat.c.note)) is not None


def test_sigterm_in_the_middle_lets_it_finish_and_give_the_lease_back(place):
    """Exit code 0; whoever comes next need not wait, and each entry has one place."""
    ids = place.put(2000)
    process = place.start()
    until(lambda: process.lines() and place.logged())
    process.terminate()
    assert process.wait(30) == 0
    assert place.lease_until() == 0
    assert [line["event"] for line in process.lines()] == ["the worker has begun", "the worker has ended"]
    assert len(place.logged()) + place.waiting() == 2000
    assert place.start("--once").wait(30) == 0
    assert sorted(place.logged()) == sorted(ids)


def test_two_workers_share_the_work_and_one_goes_on_when_the_other_is_killed(place):
    """``kill -9`` of each in turn, again and again: every entry is in the log once."""
    ids = set()
    running = [place.start(), place.start()]
    for done in range(0, 160, 40):
        ids |= place.put(40)
        until(lambda done=done: len(place.logged()) > done)
        running.pop(0).kill()
        place.free_lease()
        running.append(place.start())
    until(lambda: not place.waiting())
    for process in running:
        until(process.lines)
        process.terminate()
        assert process.wait(30) == 0
    assert sorted(place.logged()) == sorted(ids)


def test_metrics_are_served_where_asked_and_nowhere_else(place):
    """With the jobs, the lag and no tenant."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    place.put(3)
    process = place.start("--metrics", f"127.0.0.1:{port}")
    until(lambda: not place.waiting())

    def text():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    until(lambda: 'amanah_job_runs_total{job="sequencer",met="ok"}' in text())
    assert "amanah_trail_lag_seconds 0.0" in text()
    assert "klinik" not in text()
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    "arguments",
    [("--metrics", "9464"), ("--metrics", "127.0.0.1:0"), ("--metrics", "a b:1"), ("--log-format", "xml")],
)
def test_what_cannot_be_meant_is_wrong_use(office, arguments):
    """Exit code 2, and nothing has begun."""
    assert office.run("worker", *arguments).exit_code == 2


def test_an_address_that_is_taken_is_told(small_office):
    """Exit code 2 with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = small_office.run("worker", "--metrics", f"127.0.0.1:{taken.getsockname()[1]}")
    assert (result.exit_code, "in use" in result.stderr) == (2, True)


def test_without_a_signer_there_is_no_worker(sqlite_database, tmp_path):
    """Told at once, with the remedy; not tried again and again."""
    process = ready.run(
        [sys.executable, "-m", "amanah.cli", "--lang", "en", "--database", sqlite_database, "worker"],
        env={**os.environ, "AMANAH_STATE": str(tmp_path)},
        timeout=30,
    )
    assert process.returncode == 2
    assert "signer.key" in process.stderr


def test_a_worker_waits_for_a_database_that_is_not_there_yet_and_says_so_once(tmp_path):
    """In lines of text, where these are asked for; and it works once it is there."""
    made = Place(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
    process = made.start("--log-format", "text")
    until(lambda: "code=database-missing" in process.said())
    migrations.upgrade(made.url)
    ids = made.put(3)
    until(lambda: "a job works again job=sequencer" in process.said(), 60)
    until(lambda: sorted(made.logged()) == sorted(ids))
    assert process.said().count("code=database-missing") == 1
    made.close()


def test_a_second_signal_ends_it_at_once(filled_migrated, all_models, sqlite_database, tmp_path):
    """While it waits for a lock, say. Nothing is lost by it."""
    made = Place(tmp_path, sqlite_database)
    ids = made.put(3)
    with made.trail.connect() as holding:
        holding.exec_driver_sql("BEGIN IMMEDIATE")
        process = made.start()
        until(process.lines)
        time.sleep(0.3)
        process.terminate()
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 128 + signal.SIGINT
        holding.rollback()
    assert made.waiting() == 3
    assert made.start("--once").wait(30) == 0
    assert sorted(made.logged()) == sorted(ids)
    made.close()


@pytest.mark.postgresql
def test_a_worker_survives_a_restart_of_postgresql(all_models, tmp_path):
    """It says so once, waits, and goes on with what was written since."""
    sys.path.insert(0, str(ROOT / "tools"))
    import postgres

    with postgres.Server() as server:
        migrations.upgrade(server.url)
        made = Place(tmp_path, server.url)
        first = made.put(5)
        process = made.start()
        until(lambda: sorted(made.logged()) == sorted(first))
        server._process.send_signal(signal.SIGINT)
        server._process.wait(30)
        until(lambda: any(line["level"] == "error" for line in process.lines()))
        time.sleep(1.5)
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        options = {"cwd": server._folder, "env": postgres._ENVIRONMENT, "stdin": subprocess.DEVNULL}
        with (server._folder / "log").open("ab") as out:
            server._process = subprocess.Popen(
                server._process.args, **options, stdout=out, stderr=out, start_new_session=True, **server._user
            )
        assert server._answers(port)
        made.core.dispose()
        second = made.put(5)
        until(lambda: sorted(made.logged()) == sorted(first | second), 60)
        process.terminate()
        assert process.wait(30) == 0
        # A connection that was in use when the server went may be told of by the pool of connections, too.
        told = [(line["event"], line.get("job")) for line in process.lines() if line["event"] != WITHHELD]
        assert told == [
            ("the worker has begun", None),
            ("a job cannot go on as it should", "sequencer"),
            ("a job works again", "sequencer"),
            ("the worker has ended", None),
        ]
        made.close()
