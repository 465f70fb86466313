"""Grants that nobody uses: which they are, and how they lapse."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from amanah.adoption.unused_grants import end_unused, unused_grants
from amanah.audit.entries import Entry, What, new_event_id
from amanah.errors import TrailTooShort
from amanah.tenants.clock import now_us
from amanah.tenants.duties import Duty
from amanah.tenants.emergencies import Emergency
from amanah.tenants.models import grant

BILLING = "essential.service.payment_processing"
DAY = 86_400_000_000


@pytest.fixture
def old_books(books: Any) -> Any:
    """`books` as if all grants of ``a`` were given 200 days ago, with a trail that reaches back 300."""
    with books.guard.engine.begin() as connection:
        connection.execute(grant.update().values(granted_at=now_us() - 200 * DAY))
    at = now_us() - 300 * DAY
    books.guard.writer.record(Entry(new_event_id(), at, "a", new_event_id(), "admin", actor="operator"))
    books.guard.sequencer.run_once()
    return books


def names(found: Any) -> list[tuple[str, str]]:
    """Holder and role of each."""
    return sorted((one.grant.member_id, one.grant.role) for one in found)


def give(books: Any, member: str, role: str, **values: Any) -> None:
    """One more grant, as old as the others unless ``values`` say otherwise."""
    with books.guard.engine.begin() as connection:
        made = books.guard.directory.grant(connection, "a", member, role, reason="test", granted_by="owner")
        values = {"granted_at": now_us() - 200 * DAY, **values}
        connection.execute(grant.update().where(grant.c.id == made).values(**values))


def look(books: Any, actor: str) -> None:
    """Read a customer, which leaves an entry in the trail's queue."""
    with books.access(actor=actor), Session(books.engine) as session:
        session.execute(select(books.m.Customer.note)).all()


def test_a_grant_is_used_by_what_its_role_alone_would_have_allowed(old_books: Any) -> None:
    """Also before its entry has its place in the log; roles that the access held and did not need are not used."""
    with old_books.guard.engine.begin() as connection:
        old_books.guard.policies.add_role(connection, "a", "idle")
    give(old_books, "viewer", "idle")
    assert ("viewer", "viewer") in names(unused_grants(old_books.guard, "a", 90))
    look(old_books, "viewer")
    for _ in ("in the queue", "in the log"):
        found = names(unused_grants(old_books.guard, "a", 90))
        assert found == [("masker", "masker"), ("owner", "owner"), ("viewer", "idle")]
        old_books.guard.sequencer.run_once()


def test_what_somebody_of_the_same_id_does_elsewhere_is_no_use(old_books: Any) -> None:
    """An operator or a tenant with the same name in it is somebody else."""
    with old_books.access("b", "viewer"), Session(old_books.engine) as session:
        session.execute(select(old_books.m.Customer.note)).all()
    mine = {"actor": "viewer", "roles": ("viewer",), "purpose": BILLING, "what": (What("customer", "read"),)}
    for kind, unused in (("operator", True), ("member", False)):
        entry = Entry(new_event_id(), now_us(), "a", new_event_id(), "access", actor_kind=kind, **mine)
        old_books.guard.writer.record(entry)
        assert (("viewer", "viewer") in names(unused_grants(old_books.guard, "a", 90))) is unused


def test_what_is_young_waits_or_denies_is_not_listed(old_books: Any) -> None:
    """A grant that was in force for fewer days, an emergency, and a role that works by being there."""
    guard = old_books.guard
    with guard.engine.begin() as connection:
        for role in ("young", "begins", "barred", "waits", "taken"):
            guard.policies.add_role(connection, "a", role)
        denied = {"object": "invoice", "action": "read", "purpose": "*", "effect": "deny"}
        guard.policies.add_rule(connection, "a", role="barred", **denied)
        guard.directory.add_duty(connection, "a", Duty("waits", "two_people"))
        guard.directory.emergencies.allow(connection, "a", Emergency("taken", "*", 60))
        taken = guard.directory.emergencies.take(connection, "a", "masker", "taken", reason="x", by="masker")
        connection.execute(grant.update().where(grant.c.id == taken.grant).values(granted_at=now_us() - 200 * DAY))
    give(old_books, "masker", "young", granted_at=now_us() - 89 * DAY)
    give(old_books, "masker", "begins", starts_at=now_us() - 10 * DAY)
    give(old_books, "masker", "barred")
    give(old_books, "masker", "waits")
    assert {role for _, role in names(unused_grants(guard, "a", 90))} == {"owner", "viewer", "masker"}


def test_where_the_trail_says_nothing_nothing_is_said(old_books: Any) -> None:
    """A trail that begins later is no proof that a role was not used, and nothing lapses by it."""
    with old_books.guard.engine.begin() as connection:
        connection.execute(grant.update().values(granted_at=now_us() - 400 * DAY))
    for ask in (
        lambda: unused_grants(old_books.guard, "a", 350),
        lambda: end_unused(old_books.guard, "a", 350, "operator:cron"),
    ):
        with pytest.raises(TrailTooShort):
            ask()


def test_unused_grants_lapse_except_the_last_owner_s(old_books: Any) -> None:
    """Each with its entry; what a duty requires goes together with what required it; the next time there is no more."""
    guard = old_books.guard
    with guard.engine.begin() as connection:
        for role in ("base", "upper"):
            guard.policies.add_role(connection, "a", role)
    give(old_books, "masker", "base")
    give(old_books, "masker", "upper")
    with guard.engine.begin() as connection:
        guard.directory.add_duty(connection, "a", Duty("upper", "requires", "base"))
    look(old_books, "viewer")
    ended, kept = end_unused(guard, "a", 90, "operator:cron")
    assert names(ended) == [("masker", "base"), ("masker", "masker"), ("masker", "upper")]
    assert [(one.grant.role, "last owner" in str(why)) for one, why in kept] == [("owner", True)]
    acts = old_books.stored("SELECT body FROM amanah_staged WHERE body LIKE '%grant.lapse%'")
    assert len(acts) == 3
    with guard.engine.connect() as connection:
        left = {one.role for one in guard.directory.grants(connection, "a") if one.revoked_at is None}
    assert left == {"owner", "viewer", "boss"}
    assert names(end_unused(guard, "a", 90, "operator:cron")[0]) == []
