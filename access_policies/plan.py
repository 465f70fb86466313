"""What would change if a whole policy came into force, and making exactly that change.

1. A plan is the difference between what is in force and what is wanted; who applies it has seen it.
2. In one transaction: the version is raised first, which locks the tenant's policy; the difference is computed again
   and must be the one that was shown; then rows are written and the whole policy is kept under its version.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import delete, func, insert, select, update

from ..database import bump
from ..errors import PolicyPlanStale
from . import models, register, versions
from .content import Content, check, read
from .declared import Declared

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection

    from .purposes import Purpose

_PURPOSE_PARTS: Final = (
    "alias",
    "legal_basis",
    "description",
    "parent",
    "categories",
    "recipients",
    "retention",
    "owner",
    "review_at",
)
_LONG: Final = ("description", "categories", "recipients")
"""Parts of which a plan says that they change, and not how."""

Act = Literal["added", "changed", "ended"]
Kind = Literal["role", "inheritance", "purpose", "rule"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan. ``name``: names from the policy; ``detail``: what of it changes, or the id of a rule."""

    act: Act
    kind: Kind
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that lead from one content to another."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes)

    def count(self, act: Act) -> int:
        """How many lines of a kind."""
        return sum(change.act == act for change in self.changes)

    def ended_roles(self) -> tuple[str, ...]:
        """The roles that would not be there any more."""
        return tuple(change.name for change in self.changes if (change.act, change.kind) == ("ended", "role"))


def compare(old: Content, new: Content) -> Plan:
    """The plan that makes ``new`` of ``old``."""
    return Plan((*_roles(old, new), *_links(old, new), *_purposes(old, new), *_rules(old, new)))


def _roles(old: Content, new: Content) -> Iterator[Change]:
    for name in sorted(old.roles.keys() | new.roles.keys()):
        if name not in old.roles:
            yield Change("added", "role", name)
        elif name not in new.roles:
            yield Change("ended", "role", name)
        elif dict(old.descriptions.get(name, {})) != dict(new.descriptions.get(name, {})):
            yield Change("changed", "role", name, "description")


def _links(old: Content, new: Content) -> Iterator[Change]:
    before, after = links(old), links(new)
    for role, parent in sorted(before ^ after):
        yield Change("added" if (role, parent) in after else "ended", "inheritance", f"{role} → {parent}")


def links(content: Content) -> set[tuple[str, str]]:
    """Each (role, role whose rules it has too)."""
    return {(role, parent) for role, parents in content.roles.items() for parent in parents}


def _purposes(old: Content, new: Content) -> Iterator[Change]:
    before, after = _by_key(old), _by_key(new)
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            yield Change("added", "purpose", key, after[key].legal_basis)
        elif key not in after:
            yield Change("ended", "purpose", key)
        elif parts := [part for part in _PURPOSE_PARTS if _part(before[key], part) != _part(after[key], part)]:
            yield Change("changed", "purpose", key, "; ".join(_told(before[key], after[key], part) for part in parts))


def _by_key(content: Content) -> dict[str, Purpose]:
    return {purpose.key: purpose for purpose in content.purposes}


def _part(purpose: Purpose, part: str) -> object:
    return purpose.stored()[part]


def _told(before: Purpose, after: Purpose, part: str) -> str:
    if part in _LONG:
        return part
    return f"{part}: {_part(before, part) or '-'} → {_part(after, part) or '-'}"


def _rules(old: Content, new: Content) -> Iterator[Change]:
    before, after = {rule.words(): rule for rule in old.rules}, {rule.words(): rule for rule in new.rules}
    for row in sorted(before.keys() ^ after.keys()):
        if row in after:
            yield Change("added", "rule", " ".join(row))
        else:
            yield Change("ended", "rule", " ".join(row), before[row].id)


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what: ``content`` is to be in force, ``shown`` is the plan that they saw, made at ``version``.

    ``exactly``: refuse as soon as the tenant has another version, even if the same plan would come of it.
    ``source``: files, casbin or rollback. ``reason`` is kept with the version.
    """

    content: Content
    shown: Plan
    version: int
    by: str
    source: str
    reason: str = ""
    exactly: bool = False
    declared: Declared = field(default_factory=Declared)
    """What the guard declares that has to keep the rules."""


def apply(connection: Connection, tenant_id: str, order: Order) -> int:
    """Carry the order out in the caller's transaction and return the tenant's new version.

    Raises ``InvalidInput`` (it could not be in force) and ``PolicyPlanStale``; the caller then rolls back.
    """
    check(order.content)
    version = bump(connection, tenant_id)
    old = read(connection, tenant_id)
    _check_declared(old, order)
    plan = compare(old, order.content)
    if plan != order.shown or (order.exactly and version != order.version + 1):
        raise PolicyPlanStale(expected=order.version)
    versions.keep_found(connection, tenant_id, version - 1, old)
    _write(connection, tenant_id, version, old, order.content)
    versions.keep(connection, tenant_id, version, order.content, by=order.by, source=order.source, reason=order.reason)
    return version


def _check_declared(old: Content, order: Order) -> None:
    present = {rule.words() for rule in old.rules}
    for rule in order.content.rules:
        if rule.words() not in present:
            order.declared.check(rule)


def _write(connection: Connection, tenant_id: str, version: int, old: Content, new: Content) -> None:
    """The rows, in an order that satisfies the foreign keys."""
    table = models.rule
    wanted = {rule.words() for rule in new.rules}
    present = {rule.words() for rule in old.rules}
    ended = [rule.number for rule in old.rules if rule.words() not in wanted]
    for number in ended:
        mine = (table.c.tenant_id == tenant_id) & (table.c.number == number)
        connection.execute(update(table).where(mine).values(until=version))
    _write_roles(connection, tenant_id, version, old, new)
    _write_purposes(connection, tenant_id, _by_key(old), _by_key(new))
    highest = select(func.max(table.c.number)).where(table.c.tenant_id == tenant_id)
    last = int(connection.execute(highest).scalar() or 0)
    added = [rule for rule in new.rules if rule.words() not in present]
    numbered = [replace(rule, number=number) for number, rule in enumerate(added, last + 1)]
    register.insert_rules(connection, tenant_id, version, numbered)


def _write_roles(connection: Connection, tenant_id: str, version: int, old: Content, new: Content) -> None:
    parents, roles = models.role_parent, models.role
    before, after = links(old), links(new)
    for role, parent in before - after:
        gone = (parents.c.tenant_id == tenant_id) & (parents.c.role == role) & (parents.c.parent == parent)
        connection.execute(delete(parents).where(gone))
    for name in old.roles.keys() - new.roles.keys():
        mine = (roles.c.tenant_id == tenant_id) & (roles.c.name == name)
        connection.execute(update(roles).where(mine).values(until=version))
    for name in new.roles:
        if name not in old.roles or new.descriptions.get(name) != old.descriptions.get(name):
            register.put_role(connection, tenant_id, name, new.descriptions.get(name, {}))
    fresh = [{"tenant_id": tenant_id, "role": role, "parent": parent} for role, parent in sorted(after - before)]
    if fresh:
        connection.execute(insert(parents), fresh)


def _write_purposes(
    connection: Connection, tenant_id: str, before: dict[str, Purpose], after: dict[str, Purpose]
) -> None:
    """A purpose that changes is written anew, so that two of them can exchange their aliases."""
    table = models.purpose
    changed = {key for key, purpose in before.items() if after.get(key) != purpose}
    _drop(connection, tenant_id, changed)
    values = [
        {"tenant_id": tenant_id, **purpose.row()}
        for key, purpose in after.items()
        if key in changed or key not in before
    ]
    if values:
        connection.execute(insert(table), values)


def _drop(connection: Connection, tenant_id: str, keys: Collection[str]) -> None:
    table = models.purpose
    for key in sorted(keys):
        connection.execute(delete(table).where((table.c.tenant_id == tenant_id) & (table.c.key == key)))
