"""What would be refused is gathered, bounded, and written by others."""

from __future__ import annotations

import concurrent.futures
import logging
import os
import threading

import pytest

from amanah.errors import AccessRequired, RawSqlRefused, RouteUndeclared, TrailFull
from amanah.middleware.access import Access
from amanah.middleware.sightings import DISTINCT, Notebook
from amanah.middleware.source import calling_place


class Taker:
    """Takes entries and keeps them."""

    def __init__(self, error=None):
        self.entries = []
        self.error = error

    def submit(self, entry):
        """Take ``entry``, or fail as told."""
        if self.error is not None:
            raise self.error
        self.entries.append(entry)
        future = concurrent.futures.Future()
        future.set_result(None)
        return future


@pytest.fixture
def taker():
    """A trail without a database."""
    return Taker()


def test_equal_sightings_are_counted(taker):
    """One entry for all of the same kind, another for each other one."""
    notebook = Notebook(taker, seconds=3600)
    for _ in range(3):
        notebook.note(AccessRequired(resource="orders", action="read"), None, "statement")
    notebook.note(AccessRequired(resource="orders", action="update"), None, "statement")
    notebook.flush()
    assert [(one.detail["action"], one.detail["count"]) for one in taker.entries] == [("read", 3), ("update", 1)]
    notebook.flush()
    assert len(taker.entries) == 2


def test_a_flood_is_bounded_and_told(taker, caplog):
    """A scanner that tries ten thousand paths fills neither memory nor trail; the log says how many are missing."""
    notebook = Notebook(taker, seconds=3600)
    for number in range(10_000):
        notebook.note(RouteUndeclared(route=f"GET /{number}"), None, "request")
    notebook.flush()
    assert len(taker.entries) == DISTINCT
    assert str(10_000 - DISTINCT) in caplog.text


def test_a_trail_that_takes_nothing_is_logged_and_stops_nobody(caplog):
    """The application that is only observed does not notice."""
    notebook = Notebook(Taker(TrailFull()), seconds=3600)
    notebook.note(AccessRequired(resource="orders"), None, "statement")
    with caplog.at_level(logging.WARNING):
        notebook.flush()
    assert "is lost while observing" in caplog.text


def test_a_word_that_is_no_name_is_not_kept(taker):
    """What stands in raw SQL may be anybody's; only what can be the name of a relation is written down."""
    notebook = Notebook(taker, seconds=3600)
    notebook.note(RawSqlRefused(name="budi@example.com"), None, "statement", {"resource": "orders"})
    notebook.flush()
    assert taker.entries[0].detail["name"] == "…"
    assert "budi" not in taker.entries[0].encode().decode()


def test_a_sighting_is_of_the_access_under_which_it_was_seen(taker):
    """Tenant, purpose, roles and route come from the ticket; the actor does not come along."""
    notebook = Notebook(taker, seconds=3600)
    access = Access(kind="request", tenant="toko", roles=frozenset({"cashier"}), purpose="billing", route="GET /x")
    notebook.note(AccessRequired(resource="orders"), access, "statement")
    notebook.flush()
    entry = taker.entries[0]
    assert (entry.tenant, entry.purpose, entry.roles, entry.route) == ("toko", "billing", ("cashier",), "GET /x")
    assert (entry.actor, entry.outcome, entry.kind) == (None, "would_refuse", "refusal")


def test_a_child_writes_what_it_has_seen_and_the_parent_the_rest(taker):
    """After a fork nothing is written twice, and nothing waits for a thread that the child does not have."""
    notebook = Notebook(taker, seconds=3600)
    notebook.note(AccessRequired(resource="orders"), None, "statement")
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        notebook.flush()
        before = len(taker.entries)
        notebook.note(AccessRequired(resource="patient"), None, "statement")
        notebook.flush()
        os.write(writing, f"{before} {len(taker.entries)} {taker.entries[-1].detail['resource']}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"0 1 patient"
    notebook.flush()
    assert [one.detail["resource"] for one in taker.entries] == ["orders"]


def test_many_threads_lose_nothing(taker):
    """Each of what eight threads have seen is counted."""
    notebook = Notebook(taker, seconds=3600)

    def look():
        for _ in range(200):
            notebook.note(AccessRequired(resource="orders"), None, "statement")
            notebook.flush()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    notebook.flush()
    assert sum(one.detail["count"] for one in taker.entries) == 1600


def test_a_place_is_the_applications_own_line():
    """Not Amanah's, not a library's: the first line above that its author wrote."""
    assert calling_place().startswith("middleware/test_sightings.py:")
