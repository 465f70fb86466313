"""What ``amanah doctor`` finds: where the protection has a gap, or is not yet what real data needs.

Each finding has an id that stays (AMN-D001 …), a level, what it is about, and a remedy that can be carried out. Nothing
is changed and no row of the application is read: names, types, file modes and Amanah's own tables are looked at.

Ids: D001 personal column undeclared, D002 password in clear, D003 free text, D004 table undeclared, D005 no subject,
D006 bound to tenant and field only, D007 not distributable, D008 resource without table, D009 purpose that no register
knows, D010 purpose that no route serves; D020 to D033 are about the installation (`installation_checks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..i18n import N_
from .finding import LEVELS, Finding, Level
from .installation_checks import Installation, installation
from .masks import BY_NAME
from .personal_names import clear_passwords, free_texts, guesses
from .routes import AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import MetaData, Table

    from ..access_policies.purposes import Purpose
    from .fields import Field, Protected, Register
    from .routes import Route

__all__ = ["LEVELS", "Finding", "Installation", "Level", "findings", "protections"]


def findings(
    register: Register,
    metadata: MetaData,
    routes: Iterable[Route],
    *,
    purposes: Mapping[str, Collection[Purpose]] | None = None,
    place: Installation | None = None,
) -> list[Finding]:
    """Everything worth telling, the gravest first.

    ``purposes``: tenant → its register, where they could be read. ``place``: the installation, to look at its database,
    trail and files too.
    """
    declared = tuple(routes)
    found = [finding for table in metadata.sorted_tables for finding in _table(register, table)]
    found += _resources(register, declared)
    found += _purposes(declared, purposes or {})
    if place is not None:
        found += installation(register, place)
    return sorted(found, key=lambda one: (-LEVELS.index(one.level), one.id, one.subject))


# -- tables and columns ------------------------------------------------------------------------------------------------


def _table(register: Register, table: Table) -> Iterator[Finding]:
    protected = register.by_name(table.name)
    yield from _personal_columns(register, table, protected)
    for name in clear_passwords(table):
        yield Finding(
            "AMN-D002",
            "warning",
            f"{table.name}.{name}",
            N_("This column seems to hold passwords, and not their hashes."),
            N_("Keep a hash that is made for passwords (scrypt, Argon2) in a column whose name says so."),
        )
    if protected is not None:
        yield from _protected(protected)
    elif table.name.lower() in register.undeclared:
        yield Finding(
            "AMN-D004",
            "warning",
            table.name,
            N_("This table has no tenant column and is not declared, so every use of it is refused."),
            N_('Declare it: shared("{subject}") if all tenants share it, or declare("{subject}", tenant="…").'),
        )


def _personal_columns(register: Register, table: Table, protected: Protected | None) -> Iterator[Finding]:
    known = set(protected.fields) if protected else set()
    shared = table.name.lower() in register.shared
    for guess in guesses(table, known, subject=protected.subject if protected else None):
        yield Finding(
            "AMN-D001",
            "error" if guess.sure else "warning",
            f"{table.name}.{guess.column}",
            N_("This column looks personal ({category}), and its table is declared to be shared by all tenants.")
            if shared
            else N_("This column looks personal ({category}) and is not declared."),
            N_("Give the table a tenant column and declare the column, or rename what is not personal.")
            if shared
            else N_('Declare it: declare("{table}", columns={{"{column}": Personal(category="{category}")}}).'),
            {"table": table.name, "column": guess.column, "category": guess.category},
        )
    if protected is not None and (known or protected.subject):
        for name in free_texts(table, known):
            yield Finding(
                "AMN-D003",
                "info",
                f"{table.name}.{name}",
                N_("People write what they like into this column, and its table is about persons."),
                N_('Declare it as well: Personal(category="user.content").'),
            )


def _protected(table: Protected) -> Iterator[Finding]:
    if table.fields and table.subject is None:
        yield Finding(
            "AMN-D005",
            "warning",
            table.name,
            N_("It holds personal columns and does not say whom a row is about, so the trail cannot name the person."),
            N_('Name the column that identifies the person: declare("{subject}", subject="…").'),
        )
    if any(one.sealed for one in table.fields.values()) and not table.bound_to_row:
        yield Finding(
            "AMN-D006",
            "warning",
            table.name,
            N_("Its sealed values are bound to tenant and column only: they could be swapped between rows unnoticed."),
            N_("Give it a primary key that the application or a sequence assigns."),
        )
    if table.tenant not in table.key:
        yield Finding(
            "AMN-D007",
            "info",
            table.name,
            N_("Its primary key does not begin with the tenant: the table cannot be distributed over several servers."),
            N_("Use ({tenant}, {key}) as the primary key when you next change this table."),
            {"tenant": table.tenant, "key": ", ".join(table.key)},
        )


# -- routes and purposes -----------------------------------------------------------------------------------------------


def _resources(register: Register, routes: tuple[Route, ...]) -> Iterator[Finding]:
    known = {table.resource for table in register.tables.values()}
    by_resource: dict[str, list[str]] = {}
    for route in routes:
        if route.kind == "guarded" and route.resource not in known and not route.resource.startswith("amanah."):
            by_resource.setdefault(route.resource, []).append(route.name)
    for resource, names in by_resource.items():
        yield Finding(
            "AMN-D008",
            "info",
            resource,
            N_("Routes ask for this resource ({routes}) and no table belongs to it."),
            N_("That is right for a report over several tables; otherwise correct the name in the route or the table."),
            {"routes": ", ".join(names)},
        )


def _purposes(routes: tuple[Route, ...], registers: Mapping[str, Collection[Purpose]]) -> Iterator[Finding]:
    """Purposes that only one side knows. Nothing is said where there is no tenant yet."""
    if not registers:
        return
    served = {name for route in routes for name in route.purposes}
    names = {name for register in registers.values() for one in register for name in (one.key, one.alias) if name}
    for purpose in sorted(served - names - {AUTHENTICATION}):
        asking = ", ".join(route.name for route in routes if purpose in route.purposes)
        yield Finding(
            "AMN-D009",
            "warning",
            purpose,
            N_("Routes serve this purpose ({routes}) and no tenant's register knows it."),
            N_("Add it to the registers, or correct the name in the routes."),
            {"routes": asking},
        )
    unused: dict[str, list[str]] = {}
    for tenant, register in registers.items():
        for one in register:
            if one.key != AUTHENTICATION and not {one.key, one.alias} & served:
                unused.setdefault(one.alias or one.key, []).append(tenant)
    for purpose, tenants in sorted(unused.items()):
        yield Finding(
            "AMN-D010",
            "info",
            purpose,
            N_("This purpose is in registers ({tenants}) and no route serves it."),
            N_("It may be for jobs or the console; otherwise take it out: nobody should be able to name it."),
            {"tenants": ", ".join(tenants)},
        )


# -- what is protected -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A declared personal column. ``mask`` is None where the mask has no name of its own."""

    name: str
    category: str
    sealed: bool
    search: bool
    mask: str | None


@dataclass(frozen=True, slots=True)
class Protection:
    """A protected table and its personal columns."""

    table: str
    resource: str
    tenant: str
    subject: str | None
    columns: tuple[Column, ...]


def protections(register: Register) -> list[Protection]:
    """What the register protects, by table name."""
    tables = sorted(register.tables.values(), key=lambda table: table.name)
    return [
        Protection(
            one.name, one.resource, one.tenant, one.subject, tuple(_column(field) for field in one.fields.values())
        )
        for one in tables
    ]


def _column(field: Field) -> Column:
    names: dict[Any, str] = {mask: name for name, mask in BY_NAME.items()}
    return Column(field.column, field.category, field.sealed, field.search, names.get(field.mask))
