"""Attack: come by a role alone: grant it to oneself, approve what one gave or gets, or wait for what a duty forbids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amanah.errors import DutyBroken, Forbidden, InvalidInput
from amanah.tenants.duties import Duty

BILLING = "essential.service.payment_processing"


def grant(books: Any, member: str, role: str, by: str, **times: Any) -> str:
    """A grant, as whoever administers gives it."""
    with books.guard.engine.begin() as connection:
        return str(books.guard.directory.grant(connection, "a", member, role, reason="test", granted_by=by, **times))


def may_write(books: Any) -> bool:
    """Whether viewer may write customers now: a new access, as the next request is."""
    with books.access(actor="viewer") as access:
        try:
            access.demand("customer", "create")
        except Forbidden:
            return False
    return True


def test_nobody_makes_themselves_a_boss(books: Any) -> None:
    """Neither directly nor by approving what waits for a second person."""
    directory = books.guard.directory
    with pytest.raises(InvalidInput):
        grant(books, "viewer", "boss", "viewer")
    with books.guard.engine.begin() as connection:
        directory.add_duty(connection, "a", Duty("boss", "two_people"))
    waiting = grant(books, "viewer", "boss", "owner")
    for alone in ("viewer", "owner"):
        with pytest.raises(InvalidInput), books.guard.engine.begin() as connection:
            directory.approve(connection, "a", waiting, approved_by=alone)
        assert not may_write(books)
    with books.guard.engine.begin() as connection:
        directory.approve(connection, "a", waiting, approved_by="masker")
    assert may_write(books)


def test_waiting_is_no_way_past_a_duty(books: Any) -> None:
    """A grant that begins when nobody looks any more is held against the duty today."""
    directory = books.guard.directory
    with books.guard.engine.begin() as connection:
        directory.add_duty(connection, "a", Duty("boss", "excludes", "viewer"))
    for times in ({}, {"starts_at": datetime.now(UTC) + timedelta(days=300)}):
        with pytest.raises(DutyBroken):
            grant(books, "viewer", "boss", "owner", **times)
    assert not may_write(books)


def test_a_grant_of_another_tenant_is_not_approved_here(books: Any) -> None:
    """Ids of grants are no secret; the tenant is asked with them."""
    directory = books.guard.directory
    with books.guard.engine.begin() as connection:
        directory.add_duty(connection, "a", Duty("boss", "two_people"))
    waiting = grant(books, "viewer", "boss", "owner")
    with pytest.raises(InvalidInput), books.guard.engine.begin() as connection:
        directory.approve(connection, "b", waiting, approved_by="masker")
    assert not may_write(books)
