"""The worker: each job in its turn, told once what stops it, and ended with what it holds done."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from amanah import measures
from amanah.audit.worker import Job, Worker, pause_after
from amanah.errors import TrailDamaged, TrailFull, TrailRolledBack


def until(condition):
    """Wait for what another thread brings about."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_each_job_has_its_turn_once_and_the_first_error_is_raised():
    """What one meets does not keep the others from theirs, nor from ending."""
    done = []

    def fail():
        raise TrailFull

    jobs = [
        Job("a", 1, fail, lambda: done.append("a closed")),
        Job("b", 1, lambda: done.append("b"), lambda: done.append("b closed")),
    ]
    with pytest.raises(TrailFull):
        Worker(jobs).run_once()
    assert done == ["a closed", "b", "b closed"]


def test_a_job_runs_again_and_again_and_one_that_is_slow_stops_no_other():
    """Each has a thread of its own."""
    slow, runs, ended = threading.Event(), [], []
    worker = Worker([Job("slow", 0, slow.wait, lambda: ended.append("slow")), Job("quick", 0, lambda: runs.append(1))])
    worker.start()
    until(lambda: len(runs) > 20)
    worker.stop()
    assert ended == []
    slow.set()
    worker.wait()
    assert ended == ["slow"]
    assert measures.succeeded["slow"] > 0


def test_what_it_holds_is_done_before_it_stops():
    """And nothing is begun after that."""
    begun, go, finished = threading.Event(), threading.Event(), []

    def run():
        begun.set()
        go.wait()
        finished.append("run")

    worker = Worker([Job("held", 0, run, lambda: finished.append("closed"))])
    worker.start()
    begun.wait()
    worker.stop()
    go.set()
    worker.wait()
    assert finished == ["run", "closed"]


def test_what_a_job_meets_is_said_once_and_that_it_is_over_too(caplog, monkeypatch):
    """Not at each attempt; no text of an exception is among it."""
    monkeypatch.setattr("amanah.audit.worker._SHORTEST", 0.0)
    met = [RuntimeError("budi@example.com")] * 5 + [TrailFull()] * 5 + [None]
    runs = []

    def run():
        error = met[min(len(runs), 10)]
        runs.append(1)
        if error is not None:
            raise error

    worker = Worker([Job("told", 0, run)])
    with caplog.at_level(logging.INFO, "amanah.worker"):
        worker.start()
        until(lambda: len(runs) > 15)
        worker.stop()
        worker.wait()
    assert [(record.levelname, getattr(record, "facts", None)) for record in caplog.records] == [
        ("ERROR", {"job": "told", "code": "RuntimeError"}),
        ("ERROR", {"job": "told", "code": "trail-full"}),
        ("INFO", {"job": "told"}),
    ]
    assert "budi" not in caplog.text
    counted = {code: measures.runs["told", code].value() for code in ("RuntimeError", "trail-full")}
    assert counted == {"RuntimeError": 5, "trail-full": 5}


def test_a_job_that_does_not_end_well_ends_all_the_same(caplog):
    """A database that is away takes no lease back."""

    def fail():
        raise OSError

    worker = Worker([Job("a", 0, lambda: None, fail)])
    worker.start()
    worker.stop()
    worker.wait()
    assert caplog.records[-1].facts == {"job": "a", "code": "OSError"}


def test_pauses_grow_while_nothing_can_be_done():
    """Up to a minute, and not alike in two processes."""
    assert pause_after(0.5, "ok", 0) == 0.5
    longest = [max(pause_after(0.5, "OperationalError", missed) for _ in range(200)) for missed in (1, 2, 3, 10, 1000)]
    assert longest[0] < longest[1] < longest[2] < longest[3]
    assert 50 < longest[3] <= 60
    assert 50 < longest[4] <= 60
    assert len({pause_after(0.5, "OperationalError", 5) for _ in range(50)}) > 40
    assert min(pause_after(0.0, "OperationalError", 1) for _ in range(50)) > 0.05


@pytest.mark.parametrize("error", [TrailRolledBack, TrailDamaged])
def test_a_trail_that_is_damaged_does_not_slow_down_the_others(error):
    """The job did what it could; it is tried again after five seconds, however often."""
    runs = []

    def run():
        runs.append(1)
        raise error

    worker = Worker([Job("a", 0, run)])

    def wait(pause):
        runs.append(pause)
        if len(runs) > 20:
            worker.stop()

    worker._stop.wait = wait
    worker._repeat(worker.jobs[0])
    assert set(runs[1::2]) == {5.0}
