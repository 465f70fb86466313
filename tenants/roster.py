"""One tenant's members and the roles granted to them, as they were at one version.

Time limits are evaluated when somebody asks, against the asker's clock, from the typed row. Nothing is scheduled and
nothing is forgotten: an expired grant is expired in every roster that is ever loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .clock import to_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

ACTIVE: Final = "active"

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """``member_status``: active, suspended, removed, or ``None`` for somebody who was never a member.

    ``roles``: the ones in force; empty unless the member and the tenant are active.
    """

    member_status: str | None
    roles: frozenset[str]


_STRANGER: Final = Standing(None, _NOBODY)


@dataclass(frozen=True, slots=True)
class Limited:
    """A grant with a time limit: in force while ``starts_at <= now < ends_at``, in microseconds since the epoch."""

    role: str
    starts_at: int | None
    ends_at: int | None

    def holds(self, now: int) -> bool:
        """Whether it is in force at ``now``."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class Roster:
    """``status`` of the tenant: active, suspended or closed. Immutable, safe for threads."""

    tenant: str
    version: int
    status: str
    _lasting: Mapping[str, Standing]
    _limited: Mapping[str, tuple[Limited, ...]]

    @classmethod
    def of(
        cls,
        tenant: str,
        version: int,
        status: str,
        members: Mapping[str, str],
        grants: Iterable[tuple[str, Limited]],
    ) -> Roster:
        """``members``: id → status. ``grants``: (member id, grant) that nobody revoked."""
        lasting: dict[str, set[str]] = {member: set() for member in members}
        limited: dict[str, list[Limited]] = {}
        for member, grant in grants:
            if status != ACTIVE or members.get(member) != ACTIVE:
                continue
            if grant.starts_at is None and grant.ends_at is None:
                lasting[member].add(grant.role)
            else:
                limited.setdefault(member, []).append(grant)
        standings = {member: Standing(members[member], frozenset(roles)) for member, roles in lasting.items()}
        return cls(tenant, version, status, standings, {member: tuple(found) for member, found in limited.items()})

    def standing(self, member_id: str, now: datetime) -> Standing:
        """What ``member_id`` is in this tenant at ``now`` (a time with its zone)."""
        lasting = self._lasting.get(member_id, _STRANGER)
        limited = self._limited.get(member_id)
        if limited is None:
            return lasting
        instant = to_us(now)
        timed = {grant.role for grant in limited if grant.holds(instant)}
        return Standing(lasting.member_status, lasting.roles | timed) if timed else lasting

    @property
    def members(self) -> Mapping[str, Standing]:
        """Every member with the roles that have no time limit."""
        return dict(self._lasting)
