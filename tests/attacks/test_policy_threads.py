"""Thirty-two threads decide while the policy changes under them."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from amanah.access_policies.instants import instant
from amanah.access_policies.policies import Policies
from amanah.database import bump, version_of
from amanah.tenants.versions import VersionReader

BILLING = "essential.service.payment_processing"
SUPPORT = "essential.service.operations.support"
FIELDS = {f"customer.f{number}": "user.contact.email" for number in range(8)}


@pytest.fixture
def restless():
    """Threads change as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_thirty_two_threads_never_get_a_wrong_answer_while_the_policy_changes(own_database, restless):
    """Odd versions allow the contact fields, even ones do not; every answer agrees with the version that it names.

    Beside the rule that comes and goes there are one that always holds and one that always denies: 0 false allows,
    0 false denies, and no answer from before the thread asked.
    """
    policies = Policies(own_database, FIELDS)
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        policies.add_purpose(connection, "toko", SUPPORT, legal_basis="contract")
        for role in ("cashier", "clerk", "guest"):
            policies.add_role(connection, "toko", role)
        policies.add_rule(connection, "toko", role="clerk", object="store", action="read", purpose="*")
        policies.add_rule(connection, "toko", role="guest", object="*", action="read", purpose="*")
        policies.add_rule(
            connection, "toko", role="guest", object="category:user", action="read", purpose="*", effect="deny"
        )
    base = policies.snapshot("toko", 1).version
    reader = VersionReader(own_database)
    committed, done, wrong = [base], threading.Event(), []

    def change():
        rule = None
        for _ in range(30):
            with own_database.begin() as connection:
                if rule is None:
                    rule = policies.add_rule(
                        connection, "toko", role="cashier", object="category:user.contact", action="read", purpose="*"
                    )
                else:
                    policies.remove_rule(connection, "toko", rule)
                    rule = None
            committed[0] += 1
        done.set()

    def decide(seed):
        field, purpose = f"customer.f{seed % 8}", (BILLING, SUPPORT)[seed % 2]
        while not done.is_set():
            least = committed[0]
            snapshot = policies.snapshot("toko", reader.current_now("toko").version)
            answers = [
                snapshot.decide(frozenset(roles), obj, "read", purpose)
                for roles, obj in (
                    ({"cashier"}, field),
                    ({"cashier", "clerk"}, field),
                    ({"clerk"}, "store"),
                    ({"guest"}, field),
                    ({"guest"}, "store"),
                    ({"clerk"}, field),
                )
            ]
            open_now = (snapshot.version - base) % 2 == 1
            if [answer.allow for answer in answers] != [open_now, open_now, True, False, True, False]:
                wrong.append((snapshot.version, answers))
            if snapshot.version < least or {answer.version for answer in answers} != {snapshot.version}:
                wrong.append((snapshot.version, least))

    with ThreadPoolExecutor(33) as pool:
        work = [pool.submit(decide, seed) for seed in range(32)]
        work.append(pool.submit(change))
        for item in work:
            item.result(120)
    reader.close()
    assert wrong == []


def test_one_new_snapshot_asked_by_thirty_two_threads_at_once_answers_each_rightly(own_database, restless):
    """No remembered answer yet, one enforcer, all threads: what Casbin's own enforcers get wrong without a lock."""
    policies = Policies(own_database, FIELDS)
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        policies.add_role(connection, "toko", "cashier")
        for number in range(0, 8, 2):
            policies.add_rule(
                connection, "toko", role="cashier", object=f"customer.f{number}", action="read", purpose="*"
            )
    for _ in range(5):
        policies.fields = dict(FIELDS)  # forgets the snapshot and all of its decisions
        snapshot = policies.snapshot("toko", 7)
        start = threading.Barrier(32)

        def ask(seed, snapshot=snapshot, start=start):
            start.wait(30)
            return [
                snapshot.decide(frozenset({"cashier"}), f"customer.f{(seed + step) % 8}", "read", BILLING).allow
                is ((seed + step) % 2 == 0)
                for step in range(8)
            ]

        with ThreadPoolExecutor(32) as pool:
            assert all(all(answers) for answers in pool.map(ask, range(32)))


def test_thirty_two_threads_at_both_sides_of_a_rules_end_each_get_their_moments_answer(own_database, restless):
    """One snapshot in memory, requests of two moments at once: no yes after the end, no no before it."""
    policies = Policies(own_database, FIELDS)
    begin, end = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC)
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        policies.add_role(connection, "toko", "cashier")
        for obj, effect in (("category:user.contact", "allow"), ("customer.f0", "deny")):
            policies.add_rule(
                connection, "toko", role="cashier", object=obj, action="read", purpose="*", effect=effect,
                starts_at=begin, ends_at=end,
            )  # fmt: skip
        policies.add_rule(connection, "toko", role="cashier", object="store", action="read", purpose="*")
        version = version_of(connection, "toko")
    moments = [(instant(begin) - 1, False), (instant(begin), True), (instant(end) - 1, True), (instant(end), False)]
    start = threading.Barrier(32)

    def ask(seed):
        start.wait(30)
        wrong = 0
        for step in range(24):
            now, open_now = moments[(seed + step) % 4]
            found = policies.snapshot("toko", version, now)
            asked = [
                found.decide(frozenset({"cashier"}), obj, "read", BILLING)
                for obj in ("customer.f1", "customer.f0", "store")
            ]
            wrong += [answer.allow for answer in asked] != [open_now, False, True]
        return wrong

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(ask, range(32))) == 0
