"""A rule that ended just now: who was let in by it a moment ago is not let in again, whatever a process's clock says.

Time is the database's. No process decides by its own clock, which may be wrong or turned back.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from amanah.access_policies import casbin_files, content
from amanah.access_policies.instants import instant
from amanah.access_policies.policies import Policies
from amanah.database import bump, time_of, version_of

BILLING = "essential.service.payment_processing"
DAY = 86_400_000_000


@pytest.fixture
def policies(own_database):
    """A tenant with interns and a purpose; `let_until` lets them read invoices."""
    made = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        made.add_role(connection, "toko", "intern")
        made.add_purpose(connection, "toko", BILLING, legal_basis="contract")
    return made


def let_until(policies, engine, end):
    """Add the rule; gives the tenant's version."""
    with engine.begin() as connection:
        policies.add_rule(
            connection, "toko", role="intern", object="invoice", action="read", purpose=BILLING, ends_at=end
        )
        return version_of(connection, "toko")


def may(snapshot):
    """Whether an intern may read invoices."""
    return snapshot.decide(frozenset({"intern"}), "invoice", "read", BILLING).allow


def database_now(engine):
    """The database's time."""
    with engine.connect() as connection:
        return datetime.fromtimestamp(time_of(connection) / 1e6, UTC)


def test_a_remembered_yes_does_not_outlive_its_rule(policies, own_database):
    """Asked a thousand times before the end, and at the end: no. In memory, read anew, and by another worker."""
    end = database_now(own_database) + timedelta(days=1)
    version = let_until(policies, own_database, end)
    for _ in range(1000):
        assert may(policies.snapshot("toko", version, instant(end) - 1))
    for worker in (policies, Policies(own_database, {})):
        assert not may(worker.snapshot("toko", version, instant(end)))
        assert not may(worker.cached("toko", version, instant(end)))


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_process_whose_clock_is_wrong_judges_by_the_databases(policies, postgres_database_engine, monkeypatch, wrong):
    """A worker's clock that is a day late brings no ended rule back, and one that is early begins none."""
    engine = postgres_database_engine
    now = database_now(engine)
    ended = let_until(policies, engine, now - timedelta(hours=1))
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + wrong * 1000)
    assert not may(policies.snapshot("toko", ended))
    assert not may(Policies(engine, {}).snapshot("toko", ended))
    lasting = let_until(policies, engine, now + timedelta(hours=1))
    assert may(policies.snapshot("toko", lasting))


@pytest.fixture
def postgres_database_engine(own_database):
    """The tests' own engine, where its clock is another machine's: on SQLite the process is the database."""
    if own_database.dialect.name == "sqlite":
        pytest.skip("SQLite lives in the process: its clock is the machine's")
    return own_database


def test_a_time_that_goes_back_opens_what_was_open_then_and_nothing_else(policies, own_database):
    """A fail-over to a server whose clock is behind: each moment is judged by itself, in whatever order they come."""
    end = database_now(own_database) + timedelta(days=1)
    version = let_until(policies, own_database, end)
    for late in (0, -1, 1, -1, 0):
        assert may(policies.snapshot("toko", version, instant(end) + late)) is (late < 0)


def test_an_ended_rule_does_not_come_back_by_an_import(policies, own_database, tmp_path):
    """Casbin's files have no place for an end: what is exported before it and imported after it is still ended."""
    end = database_now(own_database) - timedelta(hours=1)
    version = let_until(policies, own_database, end)
    with own_database.connect() as connection:
        present = content.read(connection, "toko")
    casbin_files.write(tmp_path / "c", present, {}, instant(end) - 1)
    assert casbin_files.read(tmp_path / "c", present, {}) == present
    assert not may(policies.snapshot("toko", version))
