"""What this process has done so far, counted in its memory: below a microsecond each, and nothing is asked of anybody.

Each count is of the whole process. Nothing here knows a tenant, an actor or a value; `amanah.audit.metrics` tells it to
Prometheus.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from itertools import count
from typing import Final, TypeVar

_Key = TypeVar("_Key")


class Tally:
    """A number that goes up by one, without a lock: `add` is one step of the interpreter, in any thread."""

    __slots__ = ("_lock", "_reads", "add")

    def __init__(self) -> None:
        self.add: Final = count().__next__
        self._reads = 0
        self._lock = threading.Lock()
        _locked.append(self)

    def value(self) -> int:
        """How often `add` was called."""
        with self._lock:
            reads, self._reads = self._reads, self._reads + 1
            return self.add() - reads


class Sum:
    """A number that goes up by any."""

    __slots__ = ("_lock", "_value")

    def __init__(self) -> None:
        self._value = 0
        self._lock = threading.Lock()
        _locked.append(self)

    def add(self, number: int) -> None:
        """Add ``number``."""
        with self._lock:
            self._value += number

    def value(self) -> int:
        """The sum."""
        return self._value


class Spread:
    """How long something took, by ``limits`` in seconds, ascending."""

    __slots__ = ("_counts", "_lock", "_seconds", "limits")

    def __init__(self, *limits: float) -> None:
        self.limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._seconds = 0.0
        self._lock = threading.Lock()
        _locked.append(self)

    def add(self, seconds: float) -> None:
        """It took so long once."""
        index = bisect_left(self.limits, seconds)
        with self._lock:
            self._counts[index] += 1
            self._seconds += seconds

    def value(self) -> tuple[list[int], float]:
        """How often it took at most each limit, and at all; and the seconds together."""
        with self._lock:
            counts, seconds = self._counts[:], self._seconds
        return [sum(counts[: index + 1]) for index in range(len(counts))], seconds


_locked: list[Tally | Sum | Spread] = []

commit_seconds: Final = Spread(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
committed_entries: Final = Sum()
sequenced_entries: Final = Sum()
decisions_remembered: Final = Tally()
decisions_asked: Final = Tally()
values_opened: Final = Tally()
refusals: Final[dict[str, Tally]] = {}
"""By the error's code."""
checkpoints_written: Final[dict[str, float]] = {}
"""When a record or heartbeat was last written to the place with this label, in seconds since the epoch; 0: not yet."""
runs: Final[dict[tuple[str, str], Tally]] = {}
"""By a job's name and ``ok`` or the code of what it met."""
succeeded: Final[dict[str, float]] = {}
"""When the job of that name last ran to its end, in seconds since the epoch; 0: not yet."""


def committed(entries: int, seconds: float) -> None:
    """The trail's writer made so many entries durable in one commit."""
    commit_seconds.add(seconds)
    committed_entries.add(entries)


def sequenced(entries: int) -> None:
    """So many entries got their place in the log."""
    sequenced_entries.add(entries)


def refused(code: str) -> None:
    """A request was answered with the error of that code."""
    _of(refusals, code).add()


def ran(job: str, met: str) -> None:
    """A job ran; ``met``: ``ok`` or the code of what stopped it."""
    _of(runs, (job, met)).add()


remembered: Final = decisions_remembered.add
"""A question was answered by a decision that was asked before."""
asked: Final = decisions_asked.add
"""A question was put to Casbin."""
opened: Final = values_opened.add
"""A sealed value was opened."""


def _of(tallies: dict[_Key, Tally], key: _Key) -> Tally:
    return tallies.get(key) or tallies.setdefault(key, Tally())


def _after_fork_in_child() -> None:
    for one in _locked:  # a thread of the parent's may have held it, and does not exist here
        one._lock = threading.Lock()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_after_fork_in_child)
