"""Somebody deletes rows of the policy by plain SQL, while a worker runs.

The policy is what its version says. A deletion past it raises no version: a worker goes on by what it has read, which
the policy allows; whoever reads the rows anew decides by what is left, and never more than the rows say. No plan, no
trail and no worker notices, and the doctor does.
"""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from amanah.access_policies import models
from amanah.access_policies.policies import Policies
from amanah.access_policies.versions import altered
from amanah.database import bump, version_of
from amanah.errors import PolicyUnavailable

BILLING = "essential.service.payment_processing"
GUEST = frozenset({"guest"})


@pytest.fixture
def engine(own_database):
    """Guests may read invoices and everything (r1, r2) but salaries (a denial, r3); r4 is of no matter."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_role(connection, "toko", "guest")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        for obj, effect in (("invoice", "allow"), ("*", "allow"), ("salary", "deny"), ("report", "allow")):
            policies.add_rule(connection, "toko", role="guest", object=obj, action="read", purpose="*", effect=effect)
    return own_database


def answers(policies, engine):
    """What guests may read, by the policy of this moment."""
    with engine.connect() as connection:
        version = version_of(connection, "toko")
    found = policies.snapshot("toko", version)
    return [found.decide(GUEST, obj, "read", BILLING).allow for obj in ("invoice", "order", "salary")]


def remove(engine, number):
    """The attack."""
    with engine.begin() as connection:
        table = models.rule
        assert connection.execute(delete(table).where(table.c.number == number)).rowcount == 1


def test_a_running_worker_goes_on_by_its_version(engine):
    """No false allow (the denial that is gone still denies) and no false deny: it decides by its whole version."""
    worker = Policies(engine, {})
    assert answers(worker, engine) == [True, True, False]
    remove(engine, 3)
    remove(engine, 1)
    assert answers(worker, engine) == [True, True, False]


def test_the_next_version_is_read_as_the_rows_are(engine):
    """Any change of the tenant brings every worker to the same rows; what no row allows is denied."""
    worker = Policies(engine, {})
    assert answers(worker, engine) == [True, True, False]
    remove(engine, 2)
    with engine.begin() as connection:
        bump(connection, "toko")
    assert answers(worker, engine) == answers(Policies(engine, {}), engine) == [True, False, False]


def test_a_gap_is_found_although_nobody_kept_the_version(engine):
    """Rules that end keep their rows, so a number that is missing below the highest was deleted."""
    with engine.connect() as connection:
        assert altered(connection) == {}
    remove(engine, 3)
    with engine.connect() as connection:
        assert altered(connection) == {"toko": ("r3",)}
        assert sorted(connection.execute(select(models.rule.c.number)).scalars()) == [1, 2, 4]


def test_a_role_that_is_gone_from_its_rows_takes_its_rules_with_it(engine):
    """The database keeps rules and roles together; with the constraint out of the way nobody gets more."""
    worker = Policies(engine, {})
    with engine.begin() as connection:
        connection.execute(delete(models.rule))
        connection.execute(delete(models.role))
        bump(connection, "toko")
    assert answers(worker, engine) == [False, False, False]


def test_a_version_that_was_turned_back_by_sql_is_no_answer(engine):
    """A worker that asks for a version which the rows do not have gets an error and never an old policy."""
    with engine.begin() as connection:
        version = version_of(connection, "toko")
    with pytest.raises(PolicyUnavailable):
        Policies(engine, {}).snapshot("toko", version + 1)
