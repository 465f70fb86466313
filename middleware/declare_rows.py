"""The declaration of row seals: which columns, what is refused, and the column that holds the seals.

In the model ``__sealed_rows__ = ("version", "amount", "phone")``, which means nothing to an application that runs
without a guard; beside it ``declare("payment", sealed_rows=("version", "amount", "phone"))``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column
from sqlalchemy.orm.mapper import _all_registries

from ..errors import DeclarationError
from .personal import Personal
from .row_seals import SEAL_COLUMN, RowSealBytes, RowSealed, SealColumn, SealedRows
from .row_spelling import check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Table

    from .fields import Protected

ATTRIBUTE = "__sealed_rows__"
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,200}")


def names_of(table: Table, declared: Iterable[str]) -> tuple[str, ...]:
    """The columns over which rows of ``table`` are sealed, in the table's order: declared beside or in the models.

    Raises `DeclarationError` for a name that is no column, and where the models say something else.
    """
    said = [frozenset(_columns(table, declared))] if declared else []
    said += [frozenset(names) for names in _in_models(table)]
    if len(set(said)) > 1:
        raise DeclarationError(detail=f"{table.name}: its row seals are declared in two ways; say them once")
    return tuple(column.name for column in table.columns if said and column.name in said[0])


def _in_models(table: Table) -> Iterator[list[str]]:
    for known in _all_registries():
        for mapper in known.mappers:
            own = mapper.inherits is None or ATTRIBUTE in vars(mapper.class_)
            given: Any = getattr(mapper.class_, ATTRIBUTE, ()) if mapper.local_table is table and own else ()
            if given:
                attributes = {key: column.name for key, column in mapper.columns.items() if column.table is table}
                yield _columns(table, [attributes.get(name, name) for name in _listed(table, given)])


def _listed(table: Table, given: Any) -> Iterable[str]:
    if isinstance(given, str):
        raise DeclarationError(detail=f"{table.name}: {ATTRIBUTE} is a list of names, not one text")
    names: Iterable[str] = given
    return names


def _columns(table: Table, names: Iterable[str]) -> list[str]:
    found = list(names)
    for name in found:
        if name not in table.c:
            raise DeclarationError(detail=f"{table.name} has no column {name!r} over which its rows could be sealed")
    return found


def seal_rows(protected: Protected, names: tuple[str, ...]) -> None:
    """Seal the rows of ``protected`` over these columns: give them their type, and the table its column for seals.

    Raises `DeclarationError` for what cannot be sealed so.
    """
    table = protected.table
    if protected.sign_in:
        detail = f"{table.name} is read by sign-in, before there is a tenant under whose key its rows were sealed"
        raise DeclarationError(detail=detail)
    if not protected.bound_to_row:
        raise DeclarationError(detail=f"{table.name}: its key is made by the database, so its rows cannot be sealed")
    if not _NAME.fullmatch(table.name):
        raise DeclarationError(detail=f"{table.name}: sealed rows need a table name of plain letters and digits")
    for name in names:
        _check(protected, table.c[name])
        _check_values(protected, table.c[name])
    if SEAL_COLUMN in table.c and not isinstance(table.c[SEAL_COLUMN].type, SealColumn):
        raise DeclarationError(detail=f"{table.name}.{SEAL_COLUMN} is the name of the column for the rows' seals")
    bearers = tuple(name for name in names if name not in protected.fields)
    if not bearers:
        raise DeclarationError(
            detail=f"{table.name}: all columns under its row seal are personal, and only others check it when they are "
            "loaded; add one, such as a version column"
        )
    own = {name: _own(table.c[name]) for name in names}
    envelopes = {name for name in names if name in protected.fields and protected.fields[name].sealed}
    types = {name: None if name in envelopes else own[name] for name in names}
    seal = protected.sealed_rows = SealedRows(protected, table.name, names, types, bearers)
    for name in bearers:
        table.c[name].type = RowSealed(own[name], seal, name)
    for name in names:
        if name not in envelopes:  # what is sealed has its default before the row is
            _tell_default(table.c[name])
    if SEAL_COLUMN not in table.c:
        table.append_column(Column(SEAL_COLUMN, SealColumn(seal), nullable=True, _omit_from_statements=True))
    else:
        table.c[SEAL_COLUMN].type = SealColumn(seal)


def _own(column: Column[Any]) -> Any:
    return column.type.inner if isinstance(column.type, RowSealed | Personal) else column.type


def _check(protected: Protected, column: Column[Any]) -> None:
    label = f"{protected.name}.{column.name}"
    if column.primary_key or column.name == protected.owner_column:
        raise DeclarationError(detail=f"{label} is part of what its row is, and sealed with it already; leave it out")
    if column.computed is not None or column.identity is not None:
        raise DeclarationError(detail=f"{label} is computed by the database; seal the columns that it is made of")
    if column.server_default is not None:
        raise DeclarationError(
            detail=f"{label} has a server default, whose value is not known when its row is sealed; use default="
        )
    if column.onupdate is not None or column.server_onupdate is not None:
        raise DeclarationError(detail=f"{label} has an onupdate: let the application set it where it changes the row")
    if column.default is not None and not (column.default.is_scalar or column.default.is_callable):
        raise DeclarationError(detail=f"{label} has an SQL expression for a default; use a value or a function")
    if not _NAME.fullmatch(column.name):
        raise DeclarationError(detail=f"{label}: a sealed row's columns need names of plain letters and digits")
    for constraint in protected.table.foreign_key_constraints:
        if column.name not in constraint.column_keys:
            continue
        if (constraint.onupdate or "").upper() not in ("", "NO ACTION", "RESTRICT"):
            raise DeclarationError(detail=f"{label}: ON UPDATE would change it behind the row's seal")
        if (constraint.ondelete or "").upper().startswith("SET"):
            raise DeclarationError(detail=f"{label}: ON DELETE SET would change it behind the row's seal")


def _check_values(protected: Protected, column: Column[Any]) -> None:
    """The seal is over envelopes as they stand in the column, or over values that can be spelled."""
    label = f"{protected.name}.{column.name}"
    field = protected.fields.get(column.name)
    if field is not None and field.beside:
        detail = f"{label} has sealing=, whose steps do not write the row's seal; leave it out of the seal"
        raise DeclarationError(detail=detail)
    if field is None or not field.sealed:
        check_type(label, _own(column))


def _tell_default(column: Column[Any]) -> None:
    """A function's default is called once, when the row is sealed; SQLAlchemy is then told what it was.

    So that it knows of a default all the same, and gives the value to the entity.
    """
    default: Any = column.default
    if default is None or not default.is_callable:
        return
    made: Callable[[Any], Any] = default.arg
    name = column.name

    def known(context: Any) -> Any:
        given = getattr(context, "current_parameters", None) or {}
        seal = given.get(SEAL_COLUMN)
        if isinstance(seal, RowSealBytes) and name in seal.defaults:
            return seal.defaults[name]
        return made(context)

    default.arg = known


__all__ = ["names_of", "seal_rows"]
