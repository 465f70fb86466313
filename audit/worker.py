"""Work that goes on beside the requests: jobs, each in a thread of its own, until somebody says stop.

1. A job runs, then pauses for as long as it wants. What it holds is done before it stops.
2. What a job meets is said once, and once more when it has passed: not at each attempt.
3. While a job cannot do anything its pauses grow, up to a minute, and are never the same in two processes. A trail that
   was damaged or rolled back is no such case: the others in it are served as ever.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .. import measures
from ..errors import AmanahError, TrailDamaged, TrailRolledBack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger("amanah.worker")

_LONGEST: Final = 60.0
_SHORTEST: Final = 0.1
_DONE: Final = frozenset({"ok", TrailRolledBack.code, TrailDamaged.code})
_PATIENT: Final = 5.0
"""Seconds between two runs of a job that some tenant's trail stops."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, and how many seconds to pause after each ``run``. ``close``: what to do last, after the last run."""

    name: str
    every: float
    run: Callable[[], object]
    close: Callable[[], object] = lambda: None


class Worker:
    """Runs jobs. `start` and `wait`, with `stop` from anywhere, a signal's handler included; or `run_once`."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.jobs = tuple(jobs)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        for job in self.jobs:
            measures.succeeded.setdefault(job.name, 0.0)

    def run_once(self) -> None:
        """Each job once, whatever the ones before it met; then the first error is raised."""
        met: list[Exception] = []
        for job in self.jobs:
            try:
                job.run()
            except Exception as error:  # noqa: BLE001 - the others still have their turn
                met.append(error)
            finally:
                job.close()
        if met:
            raise met[0]

    def start(self) -> None:
        """Begin, in the background."""
        for job in self.jobs:
            thread = threading.Thread(target=self._repeat, args=(job,), name=f"amanah-{job.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Begin no more runs."""
        self._stop.set()

    def wait(self) -> None:
        """Return when every job has ended, after `stop`."""
        for thread in self._threads:
            thread.join()

    def _repeat(self, job: Job) -> None:
        met, missed = "ok", 0
        while not self._stop.is_set():
            now = self._attempt(job)
            if now != met:
                self._tell(job, now)
                met = now
            measures.ran(job.name, now)
            missed = 0 if now in _DONE else missed + 1
            if now == "ok":
                measures.succeeded[job.name] = time.time()
            self._stop.wait(pause_after(job.every, now, missed))
        try:
            job.close()
        except Exception as error:  # noqa: BLE001 - it ends all the same
            log.warning("a job did not end as it should", extra={"facts": {"job": job.name, "code": _code(error)}})

    def _attempt(self, job: Job) -> str:
        """Run it; ``ok``, or the code of what it met."""
        try:
            job.run()
        except Exception as error:  # noqa: BLE001 - the thread must outlive a database that is away
            return _code(error)
        return "ok"

    def _tell(self, job: Job, code: str) -> None:
        if code == "ok":
            log.info("a job works again", extra={"facts": {"job": job.name}})
        else:
            log.error("a job cannot go on as it should", extra={"facts": {"job": job.name, "code": code}})


def pause_after(every: float, met: str, missed: int) -> float:
    """Seconds until the next run: ``every``, if the last one met ``ok``; ``missed``: how many in a row did nothing."""
    if missed:
        longest = min(_LONGEST, max(every, _SHORTEST) * 2.0 ** min(missed, 16))
        return random.uniform(0.5, 1.0) * longest  # noqa: S311 - no secret
    return every if met == "ok" else max(every, _PATIENT)


def _code(error: Exception) -> str:
    return error.code if isinstance(error, AmanahError) else type(error).__name__


__all__ = ["Job", "Worker"]
