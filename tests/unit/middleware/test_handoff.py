"""The hand-over: what it carries, who may take it up, and what the trail says of it."""

from __future__ import annotations

import asyncio
import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from amanah.audit.entries import now_us
from amanah.audit.staging import Staging
from amanah.errors import (
    AccessClosed,
    ConfigurationError,
    Forbidden,
    HandoffExpired,
    HandoffForged,
    HandoffUsed,
    NotAMember,
    PurposeUnknown,
    RoleUnknown,
    TenantSuspended,
    TrailUnavailable,
    Unavailable,
)
from amanah.middleware.access import current
from amanah.middleware.handoff import LONGEST
from amanah.middleware.resuming import Resuming
from amanah.testing import trail_of

MICROSECONDS = 1_000_000


def hand_over(books: Any, actor: str = "boss", **options: Any) -> Any:
    """A text, and the access that it comes from, which has ended."""
    with books.access(actor=actor) as access:
        access.route, access.request = "POST /invoices", "r-17"
        return access.handoff(**{"seconds": 60, **options}), access


def resuming(books: Any, later: float) -> Resuming:
    """The guard's own, ``later`` seconds from now."""
    guard = books.guard
    return Resuming(
        engine=guard.engine,
        keyring=guard.keyring,
        admission=guard.admission,
        writer=guard.writer,
        staging=Staging(guard.trail_engine),
        clock=lambda: now_us() + int(later * MICROSECONDS),
    )


def recorded(books: Any, refused: Any, tenant: str = "a") -> Any:
    """The entry by which the refusal can be explained."""
    return next(one for one in trail_of(books.guard, tenant) if one.id == refused.value.decision_id)


def used(books: Any) -> int:
    """How many hand-overs are remembered as used."""
    return int(books.stored("SELECT count(*) FROM amanah_used_handoff")[0][0])


def test_work_goes_on_after_its_access_has_ended(books: Any) -> None:
    """Another thread takes it up: same tenant, actor, purpose, route and request; an access of its own."""
    text, parent = hand_over(books)

    def work() -> Any:
        with books.guard.resume(text) as access, Session(books.engine) as session:
            assert current() is access
            return access, session.scalars(select(books.m.Customer.name)).all()

    with ThreadPoolExecutor(1) as pool:
        access, names = pool.submit(work).result()
    assert sorted(names) == ["Budi Santoso", "Siti Aminah"]
    assert access.closed
    assert access.id != parent.id
    assert access.kind == "job"
    for name in ("tenant", "actor", "purpose", "route", "request"):
        assert getattr(access, name) == getattr(parent, name), name


def test_it_works_in_async_code(books: Any) -> None:
    """``async with`` admits in a thread and opens on the loop."""
    text, _ = hand_over(books)

    async def work() -> int:
        async with books.guard.resume(text):
            assert current() is not None
            return await asyncio.to_thread(read)

    def read() -> int:
        with Session(books.engine) as session:
            return len(session.scalars(select(books.m.Customer)).all())

    assert asyncio.run(work()) == 2


def test_the_text_is_short_url_safe_and_tells_nothing(books: Any) -> None:
    """Version and tenant in clear; neither the actor nor the purpose, not even decoded; no two are alike."""
    with books.guard.engine.begin() as connection:
        books.guard.directory.add_member(connection, "a", "ani.wijaya@example.com")
    with books.access(actor="ani.wijaya@example.com") as access:
        one, two = (access.handoff(seconds=60) for _ in range(2))
    assert one != two
    assert re.fullmatch(r"amh1\.a\.[A-Za-z0-9_-]+", one)
    assert len(one) < 600
    body = base64.urlsafe_b64decode(one.split(".")[2] + "==")
    for word in (b"ani", b"example", b"payment"):
        assert word not in body
        assert word not in one.encode()


def test_its_entry_names_the_access_it_came_from(books: Any) -> None:
    """On record before it opens, in the same transaction that uses the hand-over up."""
    text, parent = hand_over(books)
    with books.guard.resume(text) as access:
        (entry,) = [one for one in trail_of(books.guard, "a") if one.access == access.id]
        assert used(books) == 1
    assert (entry.kind, entry.outcome, entry.actor) == ("job", "answered", "boss")
    assert entry.detail["parent"] == parent.id
    assert re.fullmatch("[0-9a-f]{32}", str(entry.detail["handoff"]))
    assert entry.request == "r-17"


def test_another_purpose_can_be_handed_over(books: Any) -> None:
    """By key or alias of the tenant's register, and no other."""
    text, _ = hand_over(books, purpose="reporting")
    with books.guard.resume(text) as access:
        assert access.purpose == "analytics.reporting"
    with pytest.raises(PurposeUnknown):
        hand_over(books, purpose="marketing")


def test_what_cannot_be_handed_over_is_said_at_once(books: Any) -> None:
    """A dead access, a sign-in, and a time that is none or too long."""
    _, access = hand_over(books)
    with pytest.raises(AccessClosed):
        access.handoff(seconds=60)
    with books.signing_in() as asking, pytest.raises(ConfigurationError):
        asking.handoff(seconds=60)
    with books.access() as access:
        for seconds in (0, -1, LONGEST + 1, True, float("nan")):
            with pytest.raises(ConfigurationError):
                access.handoff(seconds=seconds)  # type: ignore[arg-type]


def test_it_is_good_for_one_time(books: Any) -> None:
    """The second one is refused, with an entry in the tenant's trail."""
    text, parent = hand_over(books)
    with books.guard.resume(text):
        pass
    with pytest.raises(HandoffUsed) as refused, books.guard.resume(text):
        pass
    entry = recorded(books, refused)
    assert (entry.kind, entry.refusal, entry.actor) == ("refusal", "handoff-used", "boss")
    assert entry.detail["parent"] == parent.id
    assert current() is None


def test_it_ends_with_its_time(books: Any) -> None:
    """Refused from the second on that it named, and not used up by the attempt."""
    text, _ = hand_over(books, seconds=60)
    with pytest.raises(HandoffExpired) as refused:
        resuming(books, 60).take(text)
    assert recorded(books, refused).refusal == "handoff-expired"
    assert used(books) == 0
    assert resuming(books, 50).take(text).actor.id == "boss"


def test_standing_is_judged_when_it_is_taken_up(books: Any) -> None:
    """A role that was revoked meanwhile is not there; one that was given meanwhile is."""
    guard = books.guard
    text, _ = hand_over(books, actor="viewer")
    with guard.engine.begin() as connection:
        (grant,) = [one for one in guard.directory.grants(connection, "a") if one.member_id == "viewer"]
        guard.directory.revoke(connection, "a", grant.id)
        guard.directory.grant(connection, "a", "viewer", "masker", reason="test", granted_by="owner")
    with guard.resume(text) as access:
        assert access.roles == {"masker"}


def test_a_role_that_ran_out_is_not_there(books: Any) -> None:
    """A grant with an end, which came while the work waited."""
    guard = books.guard
    with guard.engine.begin() as connection:
        guard.directory.add_member(connection, "a", "temp")
        end = datetime.now(UTC) + timedelta(milliseconds=400)
        guard.directory.grant(connection, "a", "temp", "boss", reason="test", granted_by="owner", ends_at=end)
    text, _ = hand_over(books, actor="temp")
    while datetime.now(UTC) < end:
        pass
    with guard.resume(text), pytest.raises(Forbidden), Session(books.engine) as session:
        session.scalars(select(books.m.Customer)).all()


@pytest.mark.parametrize("end", ["suspend_member", "remove_member"])
def test_who_is_no_member_any_more_does_nothing(books: Any, end: str) -> None:
    """Refused, recorded with the access it came from, and good again when the member is back."""
    guard = books.guard
    text, parent = hand_over(books, actor="viewer")
    with guard.engine.begin() as connection:
        getattr(guard.directory, end)(connection, "a", "viewer")
    with pytest.raises(NotAMember) as refused, guard.resume(text):
        pass
    entry = recorded(books, refused)
    assert (entry.refusal, entry.actor, entry.detail["parent"]) == ("not-a-member", "viewer", parent.id)
    with guard.engine.begin() as connection:
        guard.directory.add_member(connection, "a", "viewer")
    with guard.resume(text) as access:
        assert access.actor.id == "viewer"


def test_a_suspended_tenant_works_no_queue(books: Any) -> None:
    """Whatever was handed over before waits until the tenant is resumed."""
    guard = books.guard
    text, _ = hand_over(books)
    with guard.engine.begin() as connection:
        guard.directory.suspend(connection, "a")
    with pytest.raises(TenantSuspended) as refused, guard.resume(text):
        pass
    assert recorded(books, refused).refusal == "tenant-suspended"
    with guard.engine.begin() as connection:
        guard.directory.resume(connection, "a")
    with guard.resume(text):
        pass


def test_a_purpose_that_left_the_register_is_refused(books: Any) -> None:
    """The register is asked now, too."""
    text, _ = hand_over(books, purpose="reporting")
    with books.guard.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM amanah_purpose WHERE tenant_id = 'a' AND alias = 'reporting'")
        connection.exec_driver_sql("UPDATE amanah_version SET version = version + 1")
    with pytest.raises(PurposeUnknown), books.guard.resume(text):
        pass


def test_roles_of_the_applications_own_are_asked_now(books: Any) -> None:
    """For the tenant and actor that were handed over; no account any more is a refusal, and so is an unknown role."""
    asked = []

    def roles(tenant: str, actor: str) -> set[str]:
        asked.append((tenant, actor, current().kind))  # type: ignore[union-attr]
        return {"masker"}

    with books.guard.resume(hand_over(books)[0], roles=roles) as access:
        assert access.roles == {"masker"}
    assert asked == [("a", "boss", "sign_in")]
    text, _ = hand_over(books)
    with pytest.raises(NotAMember), books.guard.resume(text, roles=lambda *_: None):
        pass
    with pytest.raises(RoleUnknown), books.guard.resume(text, roles=lambda *_: {"captain"}):
        pass
    with books.guard.resume(text, roles=lambda *_: set()) as access:
        assert access.roles == frozenset()


def test_nothing_opens_while_the_trail_is_away(books: Any) -> None:
    """Neither opened nor used up."""
    text, _ = hand_over(books)
    with books.guard.trail_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE amanah_queued RENAME TO amanah_gone")
    with pytest.raises((TrailUnavailable, Unavailable, ConfigurationError)), books.guard.resume(text):
        pass
    assert used(books) == 0
    with books.guard.trail_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE amanah_gone RENAME TO amanah_queued")
    with books.guard.resume(text):
        pass


def test_used_ones_are_forgotten_a_day_after_their_time(books: Any) -> None:
    """By whoever takes one up then; not earlier, or a late clock would let it in twice."""
    with books.guard.resume(hand_over(books, seconds=60)[0]):
        pass
    resuming(books, 86_000).take(hand_over(books, seconds=LONGEST)[0])
    assert used(books) == 2
    resuming(books, 86_500).take(hand_over(books, seconds=LONGEST)[0])
    assert used(books) == 2  # the first one went, the two that still have time are there


def test_what_is_no_hand_over_at_all_is_on_the_platforms_record(books: Any) -> None:
    """Nothing is believed of it, and nothing of it is repeated."""
    for text in ("", "amh1", "amh1.a", "amh2.a.AAAA", "amh1.A.AAAA", "amh1.nobody.AAAA", None, b"x", "amh1.-.AAAA"):
        with pytest.raises(HandoffForged) as refused, books.guard.resume(text):
            pass
        entry = recorded(books, refused, "platform")
        assert (entry.refusal, entry.actor, dict(entry.detail)) == ("handoff-forged", "anonymous", {})
