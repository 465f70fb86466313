"""Grants that nobody uses, by what the trail says, and their end.

A grant is *used* by an access in which its role was in force, and in which the role by itself would have allowed
something of what was done: the route's decision, an action on a table, a column that was seen. So of two roles that
both allow it both are used. A role that denies anything is never listed: it works by being there, and its end would
open what it denied.

It is found out when somebody asks, from the entries of the trail, and costs a request nothing. What the roles allow is
judged by today's policy.

Invariants:

1. Listed are grants that are in force and were so for all these days. What waits, and what was taken in an emergency,
   is not among them.
2. Where the trail does not reach back so far nothing is said: `TrailTooShort`.
3. What lapses is revoked as by an administrator: never the last owner's, and never what a duty requires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..audit.log import Filter, backwards, reaches_back, waiting
from ..database import time_of
from ..errors import InvalidInput, TrailTooShort
from ..middleware.admission import OPERATOR
from ..tenants.clock import from_us, to_us

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ..access_policies.snapshot import Snapshot
    from ..audit.entries import Entry
    from ..guard import Guard
    from ..tenants.records import Grant

_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Unused:
    """A grant that is in force, has been ``since``, and was not used."""

    grant: Grant
    since: datetime


def unused_grants(guard: Guard, tenant: str, days: int) -> list[Unused]:
    """The tenant's grants that were not used for ``days`` days, oldest first.

    What waits for its place in the log counts, too. Raises `TrailTooShort`, and what reading policy and trail raises.
    """
    current = guard.versions.current_now(tenant)
    snapshot = guard.policies.snapshot(tenant, current.version)
    with guard.engine.connect() as connection:
        grants = guard.directory.grants(connection, tenant)
        now = time_of(connection)
    cutoff = now - days * _DAY_US
    old = [
        Unused(one, since)
        for one in grants
        if one.in_force(from_us(now)) and not one.emergency and to_us(since := _since(one)) <= cutoff
    ]
    if not old:
        return []
    if not reaches_back(guard.trail_engine, tenant, cutoff):
        raise TrailTooShort(days=days)
    fields = {
        (table.resource, column): field.name
        for table in guard.register.tables.values()
        for field in table.fields.values()
        for column in field.columns
    }
    left = {one.grant.id: one for one in old if not _denies(snapshot, one.grant.role)}
    for holder in {(one.grant.member_id, one.grant.operator) for one in left.values()}:
        mine = [one for one in left.values() if (one.grant.member_id, one.grant.operator) == holder]
        for entry in _entries(guard, tenant, *holder, cutoff):
            for one in [one for one in mine if _uses(one.grant.role, entry, snapshot, fields)]:
                mine.remove(one)
                del left[one.grant.id]
            if not mine:
                break
    return list(left.values())


def end_unused(
    guard: Guard, tenant: str, days: int, operator: str
) -> tuple[list[Unused], list[tuple[Unused, InvalidInput]]]:
    """Revoke what `unused_grants` finds, each in a transaction with its entry; what lapsed, and what stays and why.

    ``operator``: who does it, for the trail.
    """
    ended: list[Unused] = []
    left = unused_grants(guard, tenant, days)
    while True:
        kept: list[tuple[Unused, InvalidInput]] = []
        for one in left:
            try:
                _end(guard, tenant, one, days, operator)
            except InvalidInput as why:
                kept.append((one, why))
            else:
                ended.append(one)
        if not kept or len(kept) == len(left):
            return ended, kept
        left = [one for one, _ in kept]  # what another one required may go now


def _end(guard: Guard, tenant: str, one: Unused, days: int, operator: str) -> None:
    grant = one.grant
    holder: dict[str, str | int | bool] = {"operator" if grant.operator else "member": grant.member_id}
    with guard.engine.begin() as connection:
        guard.directory.revoke(connection, tenant, grant.id)
        detail = {"act": "grant.lapse", **holder, "role": grant.role, "grant": grant.id, "days": days}
        guard.note_act(connection, tenant, operator, detail)


def _since(one: Grant) -> datetime:
    """From when on it was in force."""
    return max(at for at in (one.granted_at, one.starts_at, one.approved_at) if at is not None)


def _denies(snapshot: Snapshot, role: str) -> bool:
    held = snapshot.brought(role)
    return any(rule.effect == "deny" and rule.role in held for rule in snapshot.rules)


def _entries(guard: Guard, tenant: str, holder: str, operator: bool, cutoff: int) -> Iterator[Entry]:  # noqa: FBT001
    """The accesses of one holder since ``cutoff`` that were let in, the newest first."""
    wanted = Filter(actor=holder, since=cutoff)
    for entry in waiting(guard.trail_engine, tenant):
        if wanted.matches(entry) and _counts(entry, operator=operator):
            yield entry
    for one in backwards(guard.trail_engine, tenant, filters=wanted):
        if _counts(one.entry, operator=operator):
            yield one.entry


def _counts(entry: Entry, *, operator: bool) -> bool:
    return entry.kind in {"access", "job", "write"} and (entry.actor_kind == OPERATOR) is operator


def _uses(role: str, entry: Entry, snapshot: Snapshot, fields: dict[tuple[str, str], str]) -> bool:
    """Whether ``role`` was in force and would by itself have allowed something of it."""
    if role not in entry.roles or entry.purpose is None:
        return False
    alone, purpose = frozenset({role}), entry.purpose
    return any(snapshot.decide(alone, *asked, purpose).allow for asked in _asked(entry, fields))


def _asked(entry: Entry, fields: dict[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    if entry.decision is not None:
        yield str(entry.decision.get("resource")), str(entry.decision.get("action"))
    for what in entry.what:
        yield what.resource, what.action
        for action, columns in (("read", what.columns), ("read_masked", what.masked)):
            for column in columns:
                if (what.resource, column) in fields:
                    yield fields[what.resource, column], action


__all__ = ["Unused", "end_unused", "unused_grants"]
