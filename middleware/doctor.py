"""What ``amanah doctor`` finds: where the protection has a gap, or is not yet what real data needs.

Nothing is changed and no value of the application's rows is read: names, types, file modes and Amanah's own tables are
looked at, and rows that are not sealed yet, or that no search finds, are asked for. What there is to find, and in which
words, is said in `checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..access_policies.purposes import CONSENT
from .checks import CHECKS
from .checks_of_declarations import (
    CLEAR_PASSWORD,
    CONSENT_WITHOUT_SUBJECT,
    FREE_TEXT,
    GUESSED,
    KEY_WITHOUT_TENANT,
    NO_SUBJECT,
    NOT_BOUND_TO_ROW,
    NOT_DISTRIBUTABLE,
    OBSERVED,
    OBSERVING_OVER,
    PERHAPS_PERSONAL,
    PERSONAL,
    PERSONAL_IN_SHARED,
    PURPOSE_TODO,
    PURPOSE_UNKNOWN,
    PURPOSE_UNUSED,
    RESOURCE_WITHOUT_TABLE,
    SECRET_SHOWN,
    SIGN_IN_WITHHELD,
    TABLE_UNDECLARED,
)
from .checks_of_installation import DATABASE_AWAY, NOT_MIGRATED
from .finding import LEVELS, Finding, Level
from .guessed import TODO
from .installation_checks import Installation, installation
from .masks import name_of
from .personal_names import clear_passwords, free_texts, guesses, is_login_name, secrets
from .routes import AUTHENTICATION
from .silences import Silences

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlalchemy import MetaData, Table

    from ..access_policies.purposes import Purpose
    from .declare import Declaration
    from .fields import Field, Protected, Register
    from .routes import Route

__all__ = ["CHECKS", "LEVELS", "Diagnosis", "Finding", "Installation", "Level", "diagnose", "protections"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, the gravest first, and the ids of what could not be looked for or was not asked for."""

    findings: tuple[Finding, ...]
    left_out: frozenset[str]

    @property
    def loud(self) -> tuple[Finding, ...]:
        """The findings that nobody silenced."""
        return tuple(one for one in self.findings if one.silenced is None)


def diagnose(
    register: Register,
    metadata: MetaData,
    routes: Iterable[Route],
    *,
    declarations: Iterable[Declaration] = (),
    purposes: Mapping[str, Collection[Purpose]] | None = None,
    place: Installation | None = None,
    looks: Collection[Callable[[], Iterable[Finding]]] = (),
    silences: Silences | None = None,
    production: bool = False,
) -> Diagnosis:
    """Everything worth telling.

    ``purposes``: tenant → its register, where they could be read. ``place``: the installation, to look at its database,
    trail and files too. ``looks``: what layers above look for there, once its database is ready. ``production``: look
    at a development guard as if real data came tomorrow.
    """
    declared = tuple(routes)
    found = [finding for table in metadata.sorted_tables for finding in _table(register, table)]
    found += _guesses(declarations, declared)
    found += _resources(register, declared)
    found += _observed(register, declared)
    found += _purposes(declared, purposes or {})
    found += _consents(register, purposes or {})
    if place is not None:
        found += installation(register, metadata, place)
    ready = place is not None and not any(one.check in (DATABASE_AWAY, NOT_MIGRATED) for one in found)
    if ready:
        found += [finding for look in looks for finding in look()]
    at_hand = {
        "declarations": True,
        "registers": bool(purposes),
        "installation": place is not None,
        "database": ready,
        "looks": ready and bool(looks),
    }
    everything = production or place is None or not place.development
    left_out = frozenset(
        one.id for one in CHECKS.values() if not at_hand[one.needs] or (one.production and not everything)
    )
    told = (silences or Silences({})).over((one for one in found if one.id not in left_out), left_out=left_out)
    told.sort(key=lambda one: (-LEVELS.index(one.level), one.id, one.subject))
    return Diagnosis(tuple(told), left_out)


# -- tables and columns ------------------------------------------------------------------------------------------------


def _table(register: Register, table: Table) -> Iterator[Finding]:
    protected = register.by_name(table.name)
    yield from _personal_columns(register, table, protected)
    for name in clear_passwords(table):
        yield CLEAR_PASSWORD(f"{table.name}.{name}")
    for name in secrets(table, set(protected.fields) if protected is not None else ()):
        yield SECRET_SHOWN(f"{table.name}.{name}")
    if protected is not None:
        yield from _protected(protected)
    elif table.name.lower() in register.undeclared:
        yield TABLE_UNDECLARED(table.name)


def _personal_columns(register: Register, table: Table, protected: Protected | None) -> Iterator[Finding]:
    known = {name for one in protected.fields.values() for name in one.columns} if protected else set()
    shared = table.name.lower() in register.shared
    for guess in guesses(table, known, subject=protected.subject if protected else None):
        check = PERHAPS_PERSONAL if not guess.sure else PERSONAL_IN_SHARED if shared else PERSONAL
        facts = {"table": table.name, "column": guess.column, "category": guess.category}
        yield check(f"{table.name}.{guess.column}", **facts)
    if protected is not None and (known or protected.subject):
        for name in free_texts(table, known):
            yield FREE_TEXT(f"{table.name}.{name}")


def _protected(table: Protected) -> Iterator[Finding]:
    if table.fields and table.subject is None:
        yield NO_SUBJECT(table.name)
    for field in table.fields.values():
        if table.sign_in and not field.platform and is_login_name(field.column):
            yield SIGN_IN_WITHHELD(field.name)
    if any(one.sealed for one in table.fields.values()) and not table.bound_to_row:
        yield NOT_BOUND_TO_ROW(table.name)
    root = table
    while root.via is not None:
        root = root.via.parent
    if root.tenant is not None and table.key[:1] != (root.tenant,):
        key = ", ".join(name for name in table.key if name != root.tenant)
        yield NOT_DISTRIBUTABLE(table.name, tenant=root.tenant, key=key)
    for one in table.references:
        tenant = table.tenant or table.belongs
        yield KEY_WITHOUT_TENANT(table.name, key=", ".join(one.columns), parent=one.parent.name, tenant=tenant)


# -- routes, purposes, guesses -----------------------------------------------------------------------------------------


def _guesses(declarations: Iterable[Declaration], routes: tuple[Route, ...]) -> Iterator[Finding]:
    for declaration in declarations:
        if declaration.guessed:
            yield GUESSED(declaration.table)
    for route in routes:
        if route.guessed:
            yield GUESSED(route.name)
        if TODO in route.purposes:
            yield PURPOSE_TODO(route.name)


def _resources(register: Register, routes: tuple[Route, ...]) -> Iterator[Finding]:
    known = {table.resource for table in register.tables.values()}
    by_resource: dict[str, list[str]] = {}
    for route in routes:
        if route.kind == "guarded" and route.resource not in known and not route.resource.startswith("amanah."):
            by_resource.setdefault(route.resource, []).append(route.name)
    for resource, names in by_resource.items():
        yield RESOURCE_WITHOUT_TABLE(resource, routes=", ".join(names))


def _observed(register: Register, routes: tuple[Route, ...]) -> Iterator[Finding]:
    """Each resource that a guard on its way to production does not enforce yet."""
    posture = register.observing
    if posture is None:
        return
    until = posture.until.isoformat()
    if posture.over:
        yield OBSERVING_OVER("Guard.observing", until=until)
        return
    named = {table.resource for table in register.tables.values()} | {one.resource for one in routes if one.resource}
    for resource in sorted(named):
        if not posture.enforces(resource):
            yield OBSERVED(resource, until=until)


def _purposes(routes: tuple[Route, ...], registers: Mapping[str, Collection[Purpose]]) -> Iterator[Finding]:
    """Purposes that only one side knows. Nothing is said where there is no tenant yet."""
    if not registers:
        return
    served = {name for route in routes for name in route.purposes}
    names = {name for register in registers.values() for one in register for name in (one.key, one.alias) if name}
    for purpose in sorted(served - names - {AUTHENTICATION, TODO}):
        yield PURPOSE_UNKNOWN(purpose, routes=", ".join(route.name for route in routes if purpose in route.purposes))
    unused: dict[str, list[str]] = {}
    for tenant, register in registers.items():
        for one in register:
            if one.key != AUTHENTICATION and not {one.key, one.alias} & served:
                unused.setdefault(one.alias or one.key, []).append(tenant)
    for purpose, tenants in sorted(unused.items()):
        yield PURPOSE_UNUSED(purpose, tenants=", ".join(tenants))


def _consents(register: Register, registers: Mapping[str, Collection[Purpose]]) -> Iterator[Finding]:
    """Tables whose persons cannot be asked for a consent, where some tenant has a purpose that takes one."""
    resting = {one.alias or one.key for known in registers.values() for one in known if one.legal_basis == CONSENT}
    for table in register.tables.values() if resting else ():
        if table.fields and table.subject is None:
            yield CONSENT_WITHOUT_SUBJECT(table.name, purposes=", ".join(sorted(resting)))


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
    """By what a row belongs to its tenant: "tenant_id", "invoice_id → invoice.tenant_id", "= apotek"."""
    subject: str | None
    columns: tuple[Column, ...]


def protections(register: Register) -> list[Protection]:
    """What the register protects, by table name."""
    tables = sorted(register.tables.values(), key=lambda table: table.name)
    return [
        Protection(
            one.name, one.resource, one.belongs, one.subject, tuple(_column(field) for field in one.fields.values())
        )
        for one in tables
    ]


def _column(field: Field) -> Column:
    return Column(field.column, field.category, field.sealed, field.search, name_of(field.mask))
