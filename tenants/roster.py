"""One tenant's members and the roles granted to them, as they were at one version.

Time limits are evaluated when somebody asks, against the database's time that came with the tenant's version, from the
typed row. Nothing is scheduled and nothing is forgotten: an expired grant is expired in every roster that is ever
loaded. Members and operators are looked up apart, so that an id of one kind never gets what the other kind holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACTIVE: Final = "active"

_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """``member_status``: active, suspended, removed, or ``None`` for somebody who was never a member.

    ``roles``: the ones in force; empty unless the member and the tenant are active. ``emergency``: those of them that
    were taken in an emergency and are held in no other way.
    """

    member_status: str | None
    roles: frozenset[str]
    emergency: frozenset[str] = _NOBODY


_STRANGER: Final = Standing(None, _NOBODY)


@dataclass(frozen=True, slots=True)
class Limited:
    """A grant with a time limit: in force while ``starts_at <= now < ends_at``, in microseconds since the epoch."""

    role: str
    starts_at: int | None
    ends_at: int | None
    emergency: bool = False

    def holds(self, now: int) -> bool:
        """Whether it is in force at ``now``."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


@dataclass(frozen=True, slots=True)
class Roster:
    """``status`` of the tenant: active, suspended or closed. Immutable, safe for threads.

    ``second_factor``: the roles that count only with a second factor.
    """

    tenant: str
    version: int
    status: str
    second_factor: frozenset[str]
    _lasting: Mapping[str, Standing]
    _limited: Mapping[str, tuple[Limited, ...]]
    _operators: Mapping[str, tuple[Limited, ...]]

    @classmethod
    def of(
        cls,
        tenant: str,
        version: int,
        status: str,
        members: Mapping[str, str],
        grants: Iterable[tuple[str, Limited]],
        *,
        operators: Iterable[tuple[str, Limited]] = (),
        second_factor: Iterable[str] = (),
    ) -> Roster:
        """``members``: id → status. ``grants``: (member id, grant) that nobody revoked; ``operators`` the same."""
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
        foreign: dict[str, list[Limited]] = {}
        for operator, grant in operators:
            foreign.setdefault(operator, []).append(grant)
        return cls(tenant, version, status, frozenset(second_factor), standings, _tuples(limited), _tuples(foreign))

    def standing(self, member_id: str, now: int) -> Standing:
        """What ``member_id`` is in this tenant at ``now``, in microseconds since the epoch."""
        lasting = self._lasting.get(member_id, _STRANGER)
        limited = self._limited.get(member_id)
        if limited is None:
            return lasting
        holding = [grant for grant in limited if grant.holds(now)]
        if not holding:
            return lasting
        roles = lasting.roles.union(grant.role for grant in holding if not grant.emergency)
        emergency = frozenset(grant.role for grant in holding if grant.emergency) - roles
        return Standing(lasting.member_status, roles | emergency, emergency)

    def operator(self, operator_id: str, now: int) -> frozenset[str]:
        """The roles that an operator of the platform holds in this tenant at ``now``; most hold none."""
        if self.status != ACTIVE:
            return _NOBODY
        return frozenset(grant.role for grant in self._operators.get(operator_id, ()) if grant.holds(now))

    @property
    def members(self) -> Mapping[str, Standing]:
        """Every member with the roles that have no time limit."""
        return dict(self._lasting)


def _tuples(grants: Mapping[str, list[Limited]]) -> dict[str, tuple[Limited, ...]]:
    return {holder: tuple(found) for holder, found in grants.items()}
