"""What a downgrade leaves of the rules, for the migrations: which is less than there was, and never more.

1. A rule that allowed less by a column that goes (some rows, masked, for a time) ends. Its row stays: its number, which
   the trail names, is no gap. A denial stays and denies more; where another rule says the same already, it ends.
2. Both are a new version of the tenant, of which the whole policy is kept where any version was: so the newest that is
   kept is what the rows say (`versions.altered`).
3. How many rules that were is logged.

Tables are as the migrations see them, and not as the models are by now.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, column, func, insert, or_, select, table, update

from ..database import bump

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, TableClause

log: Final = logging.getLogger("amanah.migrations")

_WORDS: Final = ("role", "object", "action", "purpose", "effect")
_ROLE: Final = table("amanah_role", *map(column, ("tenant_id", "name", "until")), column("description", JSON))
_PARENT: Final = table("amanah_role_parent", *map(column, ("tenant_id", "role", "parent")))
_TEXTS: Final = ("key", "alias", "legal_basis", "parent", "retention", "owner", "review_at")
_LISTS: Final = ("categories", "recipients")
_PURPOSE: Final = table(
    "amanah_purpose",
    *map(column, ("tenant_id", *_TEXTS)),
    *(column(name, JSON) for name in ("description", *_LISTS)),
)
_KEPT: Final = table(
    "amanah_policy_version",
    *map(column, ("tenant_id", "version", "at", "applied_by", "source", "reason")),
    column("content", JSON),
)


def narrow(connection: Connection, lost: Sequence[str], left: Sequence[str] = ()) -> None:
    """End or widen the rules that say something in the columns ``lost``, which are about to be dropped.

    ``left``: the columns besides a rule's five words that stay.
    """
    rule = table("amanah_rule", *map(column, ("tenant_id", "number", "until", *_WORDS, *lost, *left)))
    limited = or_(*(_says(rule.c[name]) for name in lost))
    tenants = connection.execute(select(rule.c.tenant_id).where(limited).distinct().order_by(rule.c.tenant_id))
    ended = 0
    for tenant in list(tenants.scalars()):
        version = bump(connection, tenant)
        mine = (rule.c.tenant_id == tenant) & rule.c.until.is_(None)
        allows = update(rule).where(mine, limited, rule.c.effect == "allow").values(until=version)
        ended += connection.execute(allows).rowcount
        words = [rule.c[name] for name in (*_WORDS, *left)]
        said = {tuple(row) for row in connection.execute(select(*words).where(mine, ~limited))}
        denials = select(rule.c.number, *words).where(mine, limited).order_by(rule.c.number)
        for number, *denied in list(connection.execute(denials)):
            if tuple(denied) in said:
                connection.execute(update(rule).where(mine, rule.c.number == number).values(until=version))
            said.add(tuple(denied))
        _keep(connection, tenant, version, [dict(zip((*_WORDS, *left), one, strict=True)) for one in said])
    if ended:
        log.warning("rules that allowed less by %s: %d have ended, and do not come back", ", ".join(lost), ended)


def _says(name: ColumnElement[Any]) -> ColumnElement[bool]:
    """Times are NULL, names empty, where they say nothing."""
    return name.is_not(None) if str(name.key).endswith("_at") else name != ""


def _keep(connection: Connection, tenant: str, version: int, rules: list[dict[str, Any]]) -> None:
    if not connection.execute(select(func.count()).where(_KEPT.c.tenant_id == tenant)).scalar_one():
        return
    parents: dict[str, list[str]] = {}
    for role, parent in connection.execute(_of(_PARENT, tenant, "role", "parent")):
        parents.setdefault(role, []).append(parent)
    roles = connection.execute(_of(_ROLE, tenant, "name", "description").where(_ROLE.c.until.is_(None)))
    purposes = connection.execute(_of(_PURPOSE, tenant, *_TEXTS, "description", *_LISTS)).mappings()
    content = {
        "roles": [
            {"name": name, "parents": sorted(parents.get(name, ())), "description": description}
            for name, description in sorted(roles, key=lambda one: str(one.name))
        ],
        "purposes": [
            {name: one[name] or "" for name in _TEXTS}
            | {name: one[name] or [] for name in _LISTS}
            | {"description": one["description"]}
            for one in sorted(purposes, key=lambda one: str(one["key"]))
        ],
        "rules": sorted(
            ({name: value for name, value in one.items() if value is not None} for one in rules),
            key=lambda one: tuple(map(str, one.values())),
        ),
    }
    row = {"tenant_id": tenant, "version": version, "at": time.time_ns() // 1000, "applied_by": "", "source": "found"}
    connection.execute(insert(_KEPT).values(**row, reason="after a downgrade", content=content))


def _of(source: TableClause, tenant: str, *names: str) -> Any:
    return select(*(source.c[name] for name in names)).where(source.c.tenant_id == tenant)


__all__ = ["log", "narrow"]
