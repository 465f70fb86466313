"""Counting what a process does: exact from any number of threads, and cheap."""

from __future__ import annotations

import os
import threading
import timeit

from amanah import measures
from amanah.measures import Spread, Sum, Tally


def test_nothing_is_lost_between_threads():
    """Also while somebody reads."""
    tally, total, spread = Tally(), Sum(), Spread(1.0)

    def work():
        for _ in range(5000):
            tally.add()
            total.add(2)
            spread.add(0.5)
            tally.value()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.value(), tally.value(), total.value()) == (20_000, 20_000, 40_000)
    assert spread.value() == ([20_000, 20_000], 10_000.0)


def test_times_are_counted_up_to_each_limit():
    """A limit is the greatest that it counts; the last count is of all."""
    spread = Spread(0.1, 1.0)
    for seconds in (0.05, 0.1, 0.5, 7.0):
        spread.add(seconds)
    counts, seconds = spread.value()
    assert counts == [2, 3, 4]
    assert round(seconds, 6) == 7.65


def test_counting_takes_less_than_a_microsecond():
    """It stands in the way of every decision and every sealed value."""
    for add in (Tally().add, measures.remembered, measures.opened):
        assert min(timeit.repeat(add, number=10_000, repeat=5)) / 10_000 < 1e-6


def test_a_child_process_can_count_although_the_parent_was_counting():
    """A lock that another thread of the parent's held at the fork would stay held for ever."""
    total = Sum()
    total._lock.acquire()
    child = os.fork()
    if child == 0:
        total.add(1)
        os._exit(7 if total.value() == 1 else 1)
    total._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
