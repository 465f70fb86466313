"""Whole policies by version: what every apply keeps, the history that is told from it, and what a roll-back takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from ..errors import InvalidInput
from . import models
from .content import Content, restored
from .rules import Rule

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class Version:
    """One version that was applied as a whole, or found by the next apply. ``at``: µs since the epoch."""

    version: int
    at: int
    applied_by: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """The ids of the rules that came into force with a version, and of those that ended with it."""

    version: int
    added: tuple[str, ...]
    ended: tuple[str, ...]


def keep(
    connection: Connection, tenant_id: str, version: int, content: Content, *, by: str, source: str, reason: str
) -> None:
    """Keep the whole content under its version."""
    values = {
        "tenant_id": tenant_id,
        "version": version,
        "at": time.time_ns() // 1000,
        "applied_by": by[:255],
        "source": source,
        "reason": reason,
        "content": content.stored(),
    }
    connection.execute(insert(models.policy_version).values(values))


def keep_found(connection: Connection, tenant_id: str, version: int, content: Content) -> None:
    """Keep what is in force at ``version`` before a change, unless the newest version that is kept says the same."""
    table = models.policy_version
    by_age = select(table.c.version, table.c.content).where(table.c.tenant_id == tenant_id)
    newest = connection.execute(by_age.order_by(table.c.version.desc()).limit(1)).first()
    # Rows that somebody changed behind the version's back do not rewrite what was kept of it.
    if newest is None or (newest.version < version and newest.content != content.stored()):
        keep(connection, tenant_id, version, content, by="", source="found", reason="")


def kept(connection: Connection, tenant_id: str) -> list[Version]:
    """The versions whose content is kept, oldest first."""
    table = models.policy_version
    columns = (table.c.version, table.c.at, table.c.applied_by, table.c.source, table.c.reason)
    rows = connection.execute(select(*columns).where(table.c.tenant_id == tenant_id).order_by(table.c.version))
    return [Version(*row) for row in rows]


def content_of(connection: Connection, tenant_id: str, version: int) -> Content:
    """The policy as it was from ``version`` on. Raises ``InvalidInput``: not kept, or not fit to be in force."""
    table = models.policy_version
    mine = (table.c.tenant_id == tenant_id) & (table.c.version == version)
    found = connection.execute(select(table.c.content).where(mine)).scalar()
    if found is None:
        known = ", ".join(str(one.version) for one in kept(connection, tenant_id)) or "none"
        raise InvalidInput(detail=f"the policy of version {version} was not kept; kept are: {known}")
    return restored(found)


def altered(connection: Connection) -> dict[str, tuple[str, ...]]:
    """For each tenant whose rules somebody changed past its policy: the ids, or the words of rules that are gone.

    1. What was in force at the newest version that is kept is in its content, row by row.
    2. Rows of rules are never deleted: a number since that version, below the highest, that no row has was. (The
       highest leave no gap.)

    So the next policy that is brought in as a whole settles it.
    """
    table = models.rule
    counts = select(table.c.tenant_id).group_by(table.c.tenant_id).having(func.max(table.c.number) != func.count())
    newest = select(models.policy_version.c.tenant_id).distinct()
    tenants = {*connection.execute(counts).scalars(), *connection.execute(newest).scalars()}
    found = {tenant: (*_other_than_kept(connection, tenant), *_gaps(connection, tenant)) for tenant in sorted(tenants)}
    return {tenant: names for tenant, names in found.items() if names}


def _gaps(connection: Connection, tenant_id: str) -> list[str]:
    table = models.rule
    since = max((one.version for one in kept(connection, tenant_id)), default=-1)
    rows = connection.execute(select(table.c.number, table.c.since).where(table.c.tenant_id == tenant_id))
    numbers: dict[int, int] = {number: begun for number, begun in rows}  # noqa: C416 - rows are no tuples to mypy
    first = max((number for number, begun in numbers.items() if begun <= since), default=0) + 1
    return [f"r{number}" for number in range(first, max(numbers, default=0)) if number not in numbers]


def _other_than_kept(connection: Connection, tenant_id: str) -> list[str]:
    newest = kept(connection, tenant_id)[-1:]
    try:
        wanted = {rule.words() for one in newest for rule in content_of(connection, tenant_id, one.version).rules}
    except InvalidInput:  # history says so
        return []
    table = models.rule
    found: dict[tuple[str, ...], str] = {}
    for one in newest:
        then = (table.c.since <= one.version) & (table.c.until.is_(None) | (table.c.until > one.version))
        columns = [table.c[name] for name in Rule.__slots__]
        rows = connection.execute(select(*columns).where((table.c.tenant_id == tenant_id) & then))
        found |= {rule.words(): rule.id for rule in (Rule(*row) for row in rows)}
    return [*(found[words] for words in found.keys() - wanted), *(" ".join(words) for words in wanted - found.keys())]


def rule_changes(connection: Connection, tenant_id: str) -> list[RuleChanges]:
    """For every version in which rules came or went, oldest first: also those that nobody applied as a whole."""
    table = models.rule
    columns = (table.c.number, table.c.since, table.c.until)
    added: dict[int, list[str]] = {}
    ended: dict[int, list[str]] = {}
    mine = table.c.tenant_id == tenant_id
    for number, since, until in connection.execute(select(*columns).where(mine).order_by(table.c.number)):
        added.setdefault(since, []).append(f"r{number}")
        if until is not None:
            ended.setdefault(until, []).append(f"r{number}")
    return [
        RuleChanges(version, tuple(added.get(version, ())), tuple(ended.get(version, ())))
        for version in sorted(added.keys() | ended.keys())
    ]
