"""Tenants, members and grants as administrators see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant."""

    id: str
    name: str
    status: str
    template: str
    created_at: datetime


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

    While it ``waits`` for a second person it is not in force.
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
