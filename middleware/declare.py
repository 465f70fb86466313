"""What the application's developer declares about tables, in the model or beside it.

In the model: ``phone: Mapped[str] = mapped_column(Personal(String, category="user.contact.phone_number"))``.
Beside it, for models that cannot be edited:
``declare("customer", subject="id", columns={"phone": Personal(category=…)})``.
Both give the same: `build` swaps the column's type in place, before the mappers are configured.

Every table with the tenant column is protected whether or not it is declared; every other table is refused until it is
declared `shared`, or to belong to its tenant by a parent (``via``). An application of one fixed tenant has no such
column: there every table that is not shared is protected. Nothing guessed widens access.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Boolean, Column, Enum, Integer, String, Uuid
from sqlalchemy.orm.mapper import _all_registries

from ..encryption.codecs import codec_for
from ..encryption.normalise import normaliser
from ..errors import DeclarationError
from .column_types import IndexToken, Search, Sibling
from .constraints import check_constraints, index_tokens, move_constraints
from .declare_rows import names_of, seal_rows
from .erased import erased_for
from .fields import Field, Protected, Register
from .masks import MaskedColumn, instead, mask_for, standin_for
from .owners import Owner, owner_of
from .parents import parents_first
from .personal import Personal
from .references import find_references
from .siblings import sealed_name
from .subject_kinds import subject_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import MetaData, Table
    from sqlalchemy.orm import Mapper
    from sqlalchemy.types import TypeEngine

_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
_RESERVED = ("trail.", "amanah_")
"""What the trail's sealed fields and Amanah's own tables are called to the cipher: a retired key opens the former."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What was said about one table; made by `declare` and `shared`, taken by the guard."""

    table: str
    resource: str | None = None
    tenant: str | None = None
    subject: str | None = None
    subject_kind: str | None = None
    columns: Mapping[str, Personal] = field(default_factory=dict)
    sign_in: bool = False
    shared: bool = False
    guessed: bool = False
    """Written by `amanah init` and not yet confirmed."""
    via: str | None = None
    sealed_rows: tuple[str, ...] = ()


def declare(
    table: str,
    *,
    resource: str | None = None,
    tenant: str | None = None,
    subject: str | None = None,
    subject_kind: str | None = None,
    columns: Mapping[str, Personal] | None = None,
    sign_in: bool = False,
    via: str | None = None,
    sealed_rows: Iterable[str] = (),
) -> Declaration:
    """Declare a table by name.

    Args:
        table: its name in the database.
        resource: what policies call it; default: the table's name. Several tables may be one resource.
        tenant: its tenant column, where it differs from the guard's.
        subject: the column that names the person whom a row is about. Sealed columns are then sealed under that
            person's secret, too, and go when the person is erased, but for those that are `held`.
        subject_kind: whom that column names ("patient"), the same in every table that is about patients; default: the
            table to which its foreign key leads, or, where it is the row's own key, this table.
        columns: personal columns; a `Personal` without type keeps the column's own.
        sign_in: the application's login reads and writes this table before anybody is known.
        via: for a table without a tenant column, the foreign key column that leads to the row by which it belongs to
            its tenant: a line of an invoice is the invoice's. The parent may itself belong to its tenant by a parent.
        sealed_rows: columns over which each row is sealed, so that an edit behind the application is found when the
            row is loaded; one of them at least is not personal. The same as ``__sealed_rows__`` in the model.
    """
    sealed = (sealed_rows,) if isinstance(sealed_rows, str) else tuple(sealed_rows)
    said = dict(columns or {})
    return Declaration(table, resource, tenant, subject, subject_kind, said, sign_in, via=via, sealed_rows=sealed)


def shared(*tables: str) -> list[Declaration]:
    """Declare tables that are the same for every tenant and hold nothing personal: neither wall nor decision."""
    return [Declaration(name, shared=True) for name in tables]


def build(
    metadata: MetaData,
    declarations: Iterable[Declaration | list[Declaration]],
    tenant_column: str,
    *,
    fixed_tenant: str | None = None,
) -> Register:
    """Apply the declarations to the metadata and return the register.

    ``fixed_tenant``: the application has no tenant column, and all its rows are this tenant's.

    Raises `DeclarationError` for a table or column that is not there, said twice, already in use by configured mappers,
    or of a kind that cannot be sealed.
    """
    said: dict[str, Declaration] = {}
    for item in declarations:
        for declaration in item if isinstance(item, list) else [item]:
            if declaration.table in said:
                raise DeclarationError(detail=f"the table {declaration.table!r} is declared twice")
            if declaration.table not in metadata.tables:
                raise DeclarationError(detail=f"there is no table {declaration.table!r} in the metadata")
            said[declaration.table] = declaration
    register = Register()
    for table, parent in parents_first(metadata, said):
        declared = said.get(table.name, Declaration(table.name))
        _take_in(register, table, declared, owner_of(register, table, declared, parent, tenant_column, fixed_tenant))
    register.close()
    find_references(register)
    return register


def _take_in(register: Register, table: Table, said: Declaration, owner: Owner | None) -> None:
    personal = dict(said.columns) | {c.name: c.type for c in table.columns if isinstance(c.type, Personal)}
    if owner is None:
        if said.sealed_rows:
            raise DeclarationError(detail=f"{table.name} belongs to no tenant, under whose key its rows were sealed")
        if personal:
            why = "is declared to be shared" if said.shared else "has no tenant column: name it with tenant= or via="
            raise DeclarationError(detail=f"{table.name} holds personal columns and {why}")
        (register.shared if said.shared else register.undeclared).add(table.name.lower())
        return
    if any(c.key != c.name for c in table.columns):
        raise DeclarationError(
            detail=f"{table.name}: Column(key=…) is not supported; name the attribute otherwise instead"
        )
    if register.by_name(table.name) is not None:
        raise DeclarationError(detail=f"there are two tables {table.name!r} in different cases")
    if table.schema:
        raise DeclarationError(detail=f"{table.fullname}: tables in a named schema cannot be protected yet")
    protected = Protected(
        name=table.name,
        resource=said.resource or table.name,
        table=table,
        tenant=owner.tenant,
        via=owner.via,
        fixed=owner.fixed,
        key=tuple(c.name for c in table.primary_key.columns),
        subject=said.subject,
        sign_in=said.sign_in,
    )
    if said.subject is not None and said.subject not in table.c:
        raise DeclarationError(detail=f"{table.name} has no column {said.subject!r} to be its subject")
    protected.subject_kind = subject_kind(protected, said.subject_kind, personal.values())
    sealed_rows = names_of(table, said.sealed_rows)
    if personal or sealed_rows:
        _check_key(protected, sealed=bool(sealed_rows) or any(type_.sealed for type_ in personal.values()))
        _check_unmapped(table)
    for position, (name, type_) in enumerate(sorted(personal.items())):
        _take_in_column(register, protected, name, type_, position)
    if personal:
        check_constraints(protected)
        move_constraints(protected)
    if sealed_rows:
        seal_rows(protected, sealed_rows)
    register.add(protected)


def _check_key(protected: Protected, *, sealed: bool) -> None:
    """Row keys are integers, UUIDs or text: other types change their spelling between drivers and sessions.

    Where the database makes a key that is no integer, the row's name is not known when its values are sealed: the table
    is bound to tenant and field only, and its values could be swapped between rows unseen.
    """
    if not protected.key:
        raise DeclarationError(detail=f"{protected.name} has no primary key to seal its columns to")
    for column in protected.key_columns():
        label = f"{protected.name}.{column.name}"
        if isinstance(column.type, Personal):
            raise DeclarationError(detail=f"{label} is part of the key and cannot be personal")
        if not isinstance(column.type, Integer | String | Uuid) or isinstance(column.type, Enum):
            raise DeclarationError(detail=f"{label} is {column.type!r}: keys are integers, UUIDs or text")
        if isinstance(column.type, String) and column.type.collation:
            raise DeclarationError(detail=f"{label} has a collation: two spellings of a key would be one row")
        if not sealed:
            continue
        if isinstance(column.type, Integer):
            if column.identity is not None and column.identity.always:
                raise DeclarationError(
                    detail=f"{label} is GENERATED ALWAYS: its value cannot be known before the INSERT"
                )
        elif column.server_default is not None or (column.default is not None and column.default.is_clause_element):
            protected.bound_to_row = False
    for constraint in protected.table.foreign_key_constraints:
        moves = {c.name for c in constraint.columns} & {*protected.key, protected.subject}
        if (constraint.onupdate or "").upper() in ("CASCADE", "SET NULL", "SET DEFAULT") and moves and sealed:
            raise DeclarationError(detail=f"{protected.name}: ON UPDATE CASCADE would move sealed rows to another key")


def _check_unmapped(table: Table) -> None:
    """Configured mappers remember the types of their columns; swapping a type then would go half unseen."""
    for mapper in _mappers():
        if mapper.configured and table in mapper.tables:
            raise DeclarationError(
                detail=f"the mappers of {table.name} are already configured: build the guard before the first query"
            )


def _mappers() -> Iterable[Mapper[Any]]:
    for known in _all_registries():
        yield from known.mappers


def _take_in_column(register: Register, protected: Protected, name: str, type_: Personal, position: int) -> None:
    table = protected.table
    if name not in table.c:
        raise DeclarationError(detail=f"{protected.name} has no column {name!r}")
    column = table.c[name]
    if name in (protected.tenant, protected.subject) or column.foreign_keys:
        raise DeclarationError(
            detail=f"{protected.name}.{name} is tenant, subject or foreign key and cannot be personal"
        )
    label = f"{protected.name}.{name}"
    bound = type_.copy()
    if bound.inner is None and isinstance(column.type, Personal):
        raise DeclarationError(detail=f"{label}: Personal(…) in a model needs the column's type")
    bound.take_type(bound.inner or column.type)
    inner: TypeEngine[Any] = bound.inner or column.type
    codec = codec_for(inner)
    masked = MaskedColumn(
        field=bound.identifier or label,
        resource=protected.resource,
        category=bound.category,
        python_type=inner.python_type,
        codec=codec,
        aware=getattr(inner, "timezone", True),
        normalise=normaliser(bound.normalise),
    )
    if not _IDENTIFIER.fullmatch(bound.identifier or label):
        raise DeclarationError(detail=f"{label}: give it an id= of ASCII letters, digits, dots, dashes and underscores")
    for word, said in (("id", bound.identifier or label), ("domain", bound.domain or bound.identifier or label)):
        if said.lower().startswith(_RESERVED):
            wanted = (
                f"{label}: give it another {word}=: names that begin with {' or '.join(_RESERVED)} are Amanah's own"
            )
            raise DeclarationError(detail=wanted)
    own = mask_for(masked, bound.mask)
    bound.field = Field(
        id=bound.identifier or label,
        name=label,
        table=protected,
        column=name,
        category=bound.category,
        sealed=bound.sealed and bound.sealing != "write_both",
        sealing=bound.sealing,
        sealed_column=sealed_name(name) if bound.sealing else name,
        required=not column.nullable,
        seals_none=bound.sealing is not None and inner.should_evaluate_none,
        codec=codec,
        mask=own,
        instead=cache(partial(instead, masked, own)),
        standin=None if column.nullable else standin_for(masked.kind, aware=masked.aware),
        search=bound.search == "exact",
        platform=bound.platform,
        domain=bound.domain or bound.identifier or label,
        normalise=masked.normalise,
        position=position,
        by_subject=bound.sealed and protected.subject is not None and bound.held is None,
        held=bound.held,
        erased=erased_for(masked.kind, aware=masked.aware),
    )
    if bound.field.search:
        _check_searchable(label, inner)
    taken = [f.id for t in (protected, *register.tables.values()) for f in t.fields.values()]
    if bound.field.id in taken:
        raise DeclarationError(detail=f"two columns have the field id {bound.field.id!r}")
    bound.register = register
    column.type = bound
    protected.fields[name] = bound.field
    if bound.field.search and bound.field.index_columns[0] not in table.c:
        for searched in bound.field.index_columns:
            kind = IndexToken(Search(bound.field))
            table.append_column(Column(searched, kind, nullable=True, _omit_from_statements=True))
        index_tokens(bound.field)
    if bound.field.beside:
        _put_beside(bound.field, column)


def _check_searchable(label: str, type_: TypeEngine[Any]) -> None:
    """Raise `DeclarationError` for values of which there are so few that their tokens' frequencies are the values."""
    remedy = "leave out search=, and filter after reading; or declare it sealed=False, and the database compares it"
    if isinstance(type_, Boolean):
        raise DeclarationError(detail=f"{label}: a yes or no has only two tokens, which are as good as plain: {remedy}")
    if isinstance(type_, Enum):
        raise DeclarationError(
            detail=f"{label}: an enum has only {len(type_.enums)} tokens, which are as good as plain: {remedy}"
        )
    if isinstance(type_, JSON):
        raise DeclarationError(
            detail=f"{label}: equal JSON values have more than one spelling and would not be found: {remedy}"
        )


def _put_beside(field: Field, column: Column[Any]) -> None:
    """A column for the envelopes. At the last step the plain one is no longer there for CREATE TABLE, nor written."""
    last = field.sealing == "sealed_only"
    table = field.table.table
    if field.sealed_column not in table.c:
        nullable = not (last and field.required)
        table.append_column(Column(field.sealed_column, Sibling(field), nullable=nullable, _omit_from_statements=True))
    if last:
        column.system = True
        field.default, column.default = column.default, None
