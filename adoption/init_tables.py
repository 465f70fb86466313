"""Guesses about tables: whose rows they hold, whom a row is about, what is personal in it.

A guess never widens access: a table of which nothing is certain is left undeclared, which refuses every use of it, and
only a table without personal columns, free text and way to a tenant is guessed to be shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import Enum, Integer, String, Uuid
from sqlalchemy.exc import NoReferencedTableError

from ..encryption.codecs import codec_for
from ..errors import DeclarationError, MetadataIncomplete
from ..middleware.parents import DEEPEST
from ..middleware.personal_names import (
    free_texts,
    guesses,
    is_about_persons,
    is_about_staff,
    is_login,
    is_reference,
    words,
)
from .init_tenant import tenant_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table

FREE: Final = "user.content"
_IDENTIFYING: Final = ("user.name", "user.contact", "user.government_id", "user.financial")
"""Where a row holds one of these and leads to no person, it is about a person of its own."""


@dataclass(slots=True)
class TableGuess:
    """What is guessed about one table. ``open``: nothing could be guessed, so it stays undeclared."""

    name: str
    kind: Literal["declare", "shared", "open"] = "declare"
    resource: str | None = None
    tenant: str | None = None
    via: str | None = None
    subject: str | None = None
    sign_in: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    """Personal column → category."""
    notes: list[str] = field(default_factory=list)
    """What the developer must know to confirm it."""

    @property
    def called(self) -> str:
        """The resource's name in policies."""
        return self.resource or self.name


@dataclass(slots=True)
class TableGuesses:
    """All tables in the metadata's order, parents first. ``tenant_column`` is None where one tenant owns all rows."""

    tenant_column: str | None
    tables: list[TableGuess]

    def named(self, kind: str) -> list[TableGuess]:
        """The tables of one kind."""
        return [one for one in self.tables if one.kind == kind]

    @property
    def personal(self) -> int:
        """How many personal columns were found."""
        return sum(len(one.columns) for one in self.tables)


def guess_tables(metadata: MetaData, reference: str, *, given: str | None = None) -> TableGuesses:
    """Guess about every table. ``given``: the tenant column, where the developer named it.

    Raises `MetadataIncomplete`, and `ReferenceWrong` where no table has the column ``given``.
    """
    try:
        tables = list(metadata.sorted_tables)
    except NoReferencedTableError as error:
        child = error.args[0].partition("'")[2].partition(".")[0]
        raise MetadataIncomplete(reference=reference, child=child, parent=error.table_name) from None
    tenant = tenant_column(tables, given)
    owned = _owned(tables, tenant)
    found = [_guess(table, tenant, owned.get(table.name)) for table in tables]
    known = {one.name: one for one in found}
    for table in tables:
        _take_parents_name(table, tenant, known)
        _take_free_texts(table, tenant, known)
        _reach_sign_in(table, tenant, known)
    return TableGuesses(tenant, found)


@dataclass(frozen=True, slots=True)
class _Owned:
    """How a table's rows belong to a tenant: by a column of its own, or by a foreign key to a parent."""

    tenant: str | None = None
    via: str | None = None


def _owned(tables: list[Table], tenant: str | None) -> dict[str, _Owned]:
    """Table → how it belongs to a tenant; tables without an entry do not."""
    if tenant is None:
        return {}
    having = [table for table in tables if tenant in table.c]
    owners = {key.column.table.name: key.column.name for table in having for key in table.c[tenant].foreign_keys}
    owned = {table.name: _Owned(tenant) for table in having}
    for table in tables:
        if table.name in owned:
            continue
        direct = [column.name for column, parent in _parents(table) if parent.name in owners]
        own = owners.get(table.name) or (direct[0] if direct else None)
        if own is not None:
            owned[table.name] = _Owned(own)
    for _ in range(DEEPEST):
        found = {}
        for table in tables:
            links = [link for link in _parents(table) if link[1].name in owned]
            if table.name not in owned and links:
                found[table.name] = _Owned(via=min(links, key=lambda link: _how_close(*link))[0].name)
        owned |= found
    return owned


def _parents(table: Table) -> list[tuple[Column[object], Table]]:
    """The foreign keys by which a row can belong to a row of another table: alone, to the whole primary key."""
    found = []
    for constraint in table.foreign_key_constraints:
        column = next(iter(constraint.columns))
        key = list(constraint.referred_table.primary_key.columns)
        if len(constraint.columns) == 1 and len(column.foreign_keys) == 1 and key == [constraint.elements[0].column]:
            found.append((column, constraint.referred_table))
    return sorted(found, key=lambda link: list(table.c).index(link[0]))


def _how_close(column: Column[object], parent: Table) -> tuple[bool, bool, bool, bool]:
    """Which of several parents a row belongs to: one that it cannot be without, dies with, is named after."""
    key = next(iter(column.foreign_keys))
    return (
        bool(column.nullable),
        (key.ondelete or "").upper() != "CASCADE",
        not column.table.name.startswith(f"{parent.name}_"),
        is_about_staff(parent),
    )


def links_of(table: Table, tenant: str | None) -> list[tuple[Column[object], Table]]:
    """The table's foreign keys of one column, besides the tenant's, with the tables that they lead to."""
    found = []
    for constraint in sorted(table.foreign_key_constraints, key=lambda one: _first(table, one)):
        columns = [column for column in constraint.columns if column.name != tenant]
        if len(columns) == 1 and constraint.referred_table is not table:
            found.append((columns[0], constraint.referred_table))
    return found


def _guess(table: Table, tenant: str | None, owned: _Owned | None) -> TableGuess:
    said = TableGuess(table.fullname)
    said.columns = _personal(table, tenant, said.notes)
    has_text = bool(free_texts(table, said.columns)) and not is_reference(table)
    if table.schema:
        said.kind, said.columns = "open", {}
        said.notes.append("a table in a named schema cannot be protected yet")
    elif tenant is None:
        said.kind = "shared" if is_reference(table) and not said.columns else "declare"
    elif owned is None:
        said.kind = "open" if said.columns or has_text else "shared"
        if said.kind == "open":
            reason = f"{', '.join(said.columns)} look personal" if said.columns else "people write free text into it"
            said.notes.append(f"{reason}, and nothing in it leads to a tenant: give it a column, or declare it shared")
            said.columns = {}
    elif owned.via:
        said.via = owned.via
        if table.c[owned.via].nullable:
            said.notes.append(f"a row without {owned.via} belongs to nobody and will not be found")
    elif owned.tenant is not None and owned.tenant != tenant:
        said.tenant = owned.tenant
        if owned.tenant in table.primary_key.columns:
            said.notes.append("the tenants themselves: each sees its own row; shared() would show all to everybody")
    if said.kind == "declare":
        said.subject = _subject(table, tenant, said)
        if said.subject is not None:  # a table that is about persons: names and cities are theirs
            said.columns = _personal(table, tenant, [], subject=said.subject)
        said.sign_in = is_login(table)
    return said


def _personal(table: Table, tenant: str | None, notes: list[str], *, subject: str | None = None) -> dict[str, str]:
    """The columns that look personal and can be declared so; why not, where one cannot."""
    found = {one.column: one.category for one in guesses(table, (), subject=subject)}
    if not found:
        return {}
    key = list(table.primary_key.columns)
    if not key or any(not isinstance(c.type, Integer | String | Uuid) or isinstance(c.type, Enum) for c in key):
        notes.append(f"{', '.join(found)} look personal; a personal column needs a key of integers, UUIDs or text")
        return {}
    kept = {}
    for name, category in found.items():
        if _can_be_declared(table.c[name], tenant):
            kept[name] = category
        else:
            notes.append(f"{name} looks personal ({category}), and a key or a column of its type cannot be declared so")
    return kept


def _can_be_declared(column: Column[object], tenant: str | None) -> bool:
    if column.primary_key or column.foreign_keys or column.name == tenant:
        return False
    try:
        codec_for(column.type)
    except DeclarationError:
        return False
    return True


def _subject(table: Table, tenant: str | None, said: TableGuess) -> str | None:
    """The column that names the person: the row's own key, or that of the customer, or else of the member of staff."""
    own = [column.name for column in table.primary_key.columns if column.name != tenant]
    if is_about_persons(table) and said.columns and len(own) == 1:
        return own[0]
    links = [(column, parent) for column, parent in links_of(table, tenant) if is_about_persons(parent)]
    outside = [column.name for column, parent in links if not is_about_staff(parent)]
    named = [column.name for column, parent in links if words(column.name)[:1] == words(parent.name)[-1:]]
    if outside:
        return outside[0]
    if len(own) == 1 and any(category.startswith(_IDENTIFYING) for category in said.columns.values()):
        return own[0]
    return named[0] if named and not is_reference(table) else None


def _take_parents_name(table: Table, tenant: str | None, known: Mapping[str, TableGuess]) -> None:
    """``faktur_baris`` is one resource with ``faktur``."""
    said = known[table.fullname]
    for _, parent in links_of(table, tenant):
        if said.kind == "declare" and table.name.startswith(f"{parent.name}_") and not said.sign_in:
            said.resource = known[parent.fullname].called


def _take_free_texts(table: Table, tenant: str | None, known: Mapping[str, TableGuess]) -> None:
    """What people write into a row about a person, or into a row that belongs to one, is about that person."""
    said = known[table.fullname]
    near = [said, *(known[parent.fullname] for _, parent in links_of(table, tenant) if not is_about_staff(parent))]
    if said.kind == "declare" and any(one.subject or one.columns for one in near):
        free = (name for name in free_texts(table, said.columns) if _can_be_declared(table.c[name], tenant))
        said.columns |= dict.fromkeys(free, FREE)


def _first(table: Table, constraint: ForeignKeyConstraint) -> int:
    return list(table.c).index(next(iter(constraint.columns)))


def _reach_sign_in(table: Table, tenant: str | None, known: Mapping[str, TableGuess]) -> None:
    """A table of tokens or sessions that belongs to a login table is read by the login too."""
    said = known[table.fullname]
    about = {*words(table.name)} & {"token", "tokens", "session", "sessions", "sesi"}
    parents = [parent for _, parent in links_of(table, tenant) if known[parent.fullname].sign_in]
    if said.kind == "declare" and about and parents:
        said.sign_in, said.resource = True, known[parents[0].fullname].called
