"""Attack, or mishap: leave a tenant without anybody who owns it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from amanah.database import time_of
from amanah.errors import InvalidInput
from amanah.tenants.clock import from_us
from amanah.tenants.emergencies import Emergency

WHY = {"reason": "test", "granted_by": "platform"}


def owners(books: Any) -> list[str]:
    """The grants of ownership in ``a`` that nobody revoked."""
    with books.guard.engine.connect() as connection:
        grants = books.guard.directory.grants(connection, "a")
    return [one.id for one in grants if one.role == "owner" and one.revoked_at is None]


def test_the_last_owner_stays_whichever_way_is_tried(books: Any) -> None:
    """Removed, suspended, revoked, or replaced by somebody who owns it for an hour or is no member."""
    directory = books.guard.directory
    (only,) = owners(books)
    with books.guard.engine.begin() as connection:
        hour = from_us(time_of(connection)) + timedelta(hours=1)
        directory.grant(connection, "a", "viewer", "owner", ends_at=hour, **WHY)
        directory.grant(connection, "a", "masker", "owner", **WHY)
        directory.suspend_member(connection, "a", "masker")
        directory.operators.grant(connection, "a", "ops", "owner", reason="x", granted_by="owner", ends_at=hour)
    for leave in (
        lambda c: directory.remove_member(c, "a", "owner"),
        lambda c: directory.suspend_member(c, "a", "owner"),
        lambda c: directory.revoke(c, "a", only),
    ):
        with pytest.raises(InvalidInput, match="last owner"), books.guard.engine.begin() as connection:
            leave(connection)
    assert only in owners(books)


def test_ownership_is_not_taken_in_an_emergency(books: Any) -> None:
    """Neither by name nor in a role that inherits it."""
    guard = books.guard
    with guard.engine.begin() as connection:
        guard.policies.add_role(connection, "a", "chief", parents=["owner"])
    for role in ("owner", "chief"):
        with pytest.raises(InvalidInput, match="owner"), guard.engine.begin() as connection:
            guard.directory.emergencies.allow(connection, "a", Emergency(role, "*", 10))
