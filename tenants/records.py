"""Tenants, members and grants as administrators see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. ``lapse_days``: after so many days without use its grants lapse; None: never."""

    id: str
    name: str
    status: str
    template: str
    created_at: datetime
    lapse_days: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member."""

    id: str
    display: str
    status: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant; ``None`` for ``starts_at`` is at once, for ``ends_at`` until revoked.

    While it ``waits`` for a second person it is not in force. ``member_id``: who holds it, by their id; ``operator``
    says that this is no member of the tenant but an operator of the platform. ``emergency``: its holder took it, and
    somebody else reviews that.
    """

    id: str
    member_id: str
    role: str
    reason: str
    granted_by: str
    granted_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    revoked_at: datetime | None
    waits: bool = False
    approved_by: str | None = None
    approved_at: datetime | None = None
    operator: bool = False
    emergency: bool = False
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it gives its role at ``now``, if its holder is active."""
        begun = self.starts_at is None or self.starts_at <= now
        over = self.revoked_at is not None or (self.ends_at is not None and self.ends_at <= now)
        return begun and not over and not self.waits

    @property
    def to_review(self) -> bool:
        """Whether it was taken in an emergency and nobody has reviewed that."""
        return self.emergency and self.reviewed_at is None
