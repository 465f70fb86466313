"""Reading and writing one tenant's roles, purposes and rules, on the caller's connection.

Each write is checked against all that the tenant has already, then bumps the tenant's version in the same transaction.
The bump comes first: it locks the tenant's version row, so that two administrators cannot each make half of a circle.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from sys import intern
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from ..database import bump
from ..errors import InvalidInput
from . import categories, models, purposes, rules
from .hierarchy import check_links, purpose_links
from .names import ANY, check_role
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from .declared import Declared
    from .purposes import Purpose


def read_parents(connection: Connection, tenant_id: str) -> dict[str, frozenset[str]]:
    """Each registered role → the roles that it inherits from."""
    mine = (models.role.c.tenant_id == tenant_id) & models.role.c.until.is_(None)
    names = connection.execute(select(models.role.c.name).where(mine).order_by(models.role.c.name)).scalars()
    found: dict[str, set[str]] = {name: set() for name in names}
    links = models.role_parent
    for role, parent in connection.execute(select(links.c.role, links.c.parent).where(links.c.tenant_id == tenant_id)):
        if role in found:  # or it is newer than the names, and whoever reads a snapshot reads again
            found[role].add(parent)
    return {role: frozenset(parents) for role, parents in found.items()}


def read_purposes(connection: Connection, tenant_id: str) -> dict[str, Purpose]:
    """The tenant's register: key → purpose."""
    table = models.purpose
    rows = connection.execute(select(table).where(table.c.tenant_id == tenant_id).order_by(table.c.key)).mappings()
    return {row["key"]: purposes.of_row(dict(row)) for row in rows}


def read_rules(connection: Connection, tenant_id: str) -> list[Rule]:
    """The rules of now, by number, whatever their time. Thousands have the same few names: each is kept once."""
    table = models.rule
    columns = [table.c[name] for name in Rule.__slots__]
    mine = (table.c.tenant_id == tenant_id) & table.c.until.is_(None)
    rows = connection.execute(select(*columns).where(mine).order_by(table.c.number))
    return [Rule(*map(_once, row)) for row in rows]


def _once(value: Any) -> Any:
    return intern(value) if type(value) is str else value


def rules_with_names(connection: Connection) -> list[tuple[str, Rule]]:
    """The rules of all tenants that name a row filter or a mask, each with its tenant."""
    table = models.rule
    columns = [table.c[name] for name in Rule.__slots__]
    mine = table.c.until.is_(None) & ((table.c.row_filter != "") | (table.c.mask != ""))
    rows = connection.execute(
        select(table.c.tenant_id, *columns).where(mine).order_by(table.c.tenant_id, table.c.number)
    )
    return [(tenant, Rule(*row)) for tenant, *row in rows]


def write_roles(
    connection: Connection,
    tenant_id: str,
    roles: Mapping[str, Iterable[str]],
    descriptions: Mapping[str, Mapping[str, str]],
) -> None:
    """Add ``roles`` (name → parents, which may be among the new ones). Raises ``InvalidInput``, nothing written."""
    bump(connection, tenant_id)
    existing = read_parents(connection, tenant_id)
    for name in roles:
        check_role(name)
        if name in existing:
            raise InvalidInput(detail=f"there is a role {name} already")
    links = [(name, parent) for name, parents in roles.items() for parent in dict.fromkeys(parents)]
    _check_inheritance(existing, roles, links)
    for name in roles:
        put_role(connection, tenant_id, name, descriptions.get(name, {}))
    _insert_links(connection, tenant_id, links)


def put_role(connection: Connection, tenant_id: str, name: str, description: Mapping[str, str]) -> None:
    """Write the row of one role, unchecked; one that ended is in force again."""
    table = models.role
    values = {"description": dict(description), "until": None}
    mine = (table.c.tenant_id == tenant_id) & (table.c.name == name)
    if not connection.execute(update(table).where(mine).values(values)).rowcount:
        connection.execute(insert(table).values(tenant_id=tenant_id, name=name, **values))


def write_inheritance(connection: Connection, tenant_id: str, role: str, parent: str) -> None:
    """Let ``role`` have all rules of ``parent`` too. Raises ``InvalidInput`` (unknown, circle, chain over eight)."""
    bump(connection, tenant_id)
    existing = read_parents(connection, tenant_id)
    if role not in existing:
        raise InvalidInput(detail=f"there is no role {role!r:.80}")
    _check_inheritance(existing, (), [(role, parent)])
    if parent not in existing[role]:
        _insert_links(connection, tenant_id, [(role, parent)])


def _check_inheritance(
    existing: Mapping[str, frozenset[str]], new: Iterable[str], links: list[tuple[str, str]]
) -> None:
    names = existing.keys() | set(new)
    for role, parent in links:
        if parent not in names:
            raise InvalidInput(detail=f"the role {role} cannot inherit from {parent!r:.80}: there is no such role")
    check_links([*((role, parent) for role, parents in existing.items() for parent in parents), *links], "role")


def _insert_links(connection: Connection, tenant_id: str, links: list[tuple[str, str]]) -> None:
    if links:
        values = [{"tenant_id": tenant_id, "role": role, "parent": parent} for role, parent in links]
        connection.execute(insert(models.role_parent), values)


def write_purposes(connection: Connection, tenant_id: str, new: Iterable[Purpose]) -> None:
    """Add purposes to the register. Raises ``InvalidInput``, nothing written."""
    bump(connection, tenant_id)
    register = read_purposes(connection, tenant_id)
    added = []
    for purpose in new:
        purposes.check(purpose)
        taken = {name for known in register.values() for name in (known.key, known.alias) if name}
        for name in (purpose.key, purpose.alias):
            if name and name in taken:
                raise InvalidInput(detail=f"{name} is a purpose of this register already")
        register[purpose.key] = purpose
        added.append(purpose)
    check_links(purpose_links(register), "purpose")
    categories.check(register)
    if added:
        values = [{"tenant_id": tenant_id, **purpose.row()} for purpose in added]
        connection.execute(insert(models.purpose), values)


def write_rules(connection: Connection, tenant_id: str, new: Iterable[Rule], declared: Declared) -> list[Rule]:
    """Add rules, which the guard that declares ``declared`` can keep; their numbers are given here.

    Raises ``InvalidInput``, nothing written.
    """
    version = bump(connection, tenant_id)
    known_roles = read_parents(connection, tenant_id)
    register = read_purposes(connection, tenant_id)
    present = {rule.words() for rule in read_rules(connection, tenant_id)}
    table = models.rule
    highest = select(func.max(table.c.number)).where(table.c.tenant_id == tenant_id)
    last = int(connection.execute(highest).scalar() or 0)
    added: list[Rule] = []
    for rule in new:
        rules.check(rule)
        if rule.role not in known_roles:
            raise InvalidInput(detail=f"there is no role {rule.role}")
        if rule.purpose != ANY and not purposes.known(rule.purpose, register):
            raise InvalidInput(detail=f"{rule.purpose} is no purpose of this register and none above one")
        declared.check(rule)
        if rule.words() in present:
            raise InvalidInput(detail=f"there is such a rule already: {' '.join(rule.words())}")
        present.add(rule.words())
        added.append(replace(rule, number=last + len(added) + 1))
    insert_rules(connection, tenant_id, version, added)
    return added


def insert_rules(connection: Connection, tenant_id: str, version: int, new: Iterable[Rule]) -> None:
    """Write the rows of rules that have their numbers, unchecked."""
    values = [{**asdict(rule), "tenant_id": tenant_id, "since": version} for rule in new]
    if values:
        connection.execute(insert(models.rule), values)


def end_rule(connection: Connection, tenant_id: str, rule_id: str) -> None:
    """Take the rule ``rule_id`` ("r12") out of force; its row stays. Raises ``InvalidInput`` if it is not in force."""
    number = rule_id.removeprefix("r")
    version = bump(connection, tenant_id)
    table = models.rule
    ended = 0
    if rule_id.startswith("r") and number.isascii() and number.isdigit() and len(number) < 10:  # noqa: PLR2004 - INTEGER
        mine = (table.c.tenant_id == tenant_id) & (table.c.number == int(number)) & table.c.until.is_(None)
        ended = connection.execute(update(table).where(mine).values(until=version)).rowcount
    if not ended:
        raise InvalidInput(detail=f"there is no rule {rule_id!r:.20} in force")
