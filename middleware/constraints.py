"""What the database would compare, compute, index or point to, where the column's values are sealed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint

from ..errors import DeclarationError
from .siblings import search_index_name, unique_index_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column

    from .fields import Field, Protected


def check_constraints(protected: Protected) -> None:
    """Raise `DeclarationError` for what would see ciphertext."""
    table = protected.table
    sealed = {name for name, f in protected.fields.items() if f.writes_sealed}
    in_place = {name for name in sealed if not protected.fields[name].writes_plain}
    for constraint in list(table.constraints):
        if isinstance(constraint, CheckConstraint):
            if getattr(constraint, "_type_bound", False):
                if in_place & {c.name for c in constraint.columns}:
                    table.constraints.discard(constraint)
            elif sealed & set(re.findall(r"\w+", str(constraint.sqltext))):
                raise DeclarationError(
                    detail=f"{protected.name} has a CHECK on a sealed column, which would see ciphertext"
                )
    for other in table.metadata.tables.values():
        for key in other.foreign_keys:
            if key.column.table is table and key.column.name in sealed:
                name = f"{protected.name}.{key.column.name}"
                raise DeclarationError(detail=f"{name} is sealed and cannot be the target of a foreign key")
    for name in sealed:
        _check_makers(protected.fields[name], table.c[name])


def _check_makers(field: Field, column: Column[Any]) -> None:
    """Nobody but the application makes the value of a sealed column."""
    if column.server_default is not None or column.computed is not None or column.server_onupdate is not None:
        raise DeclarationError(detail=f"{field.name}: the database cannot make the value of a sealed column")
    default: Any = column.default or field.default
    if column.onupdate is not None or (default is not None and not (default.is_scalar or default.is_callable)):
        raise DeclarationError(
            detail=f"{field.name}: a sealed column's default is a value or function; it has no onupdate"
        )


def index_tokens(field: Field) -> None:
    """An index over the search tokens, unless a unique one is to come."""
    table = field.table.table
    if any(field.column in c.columns for c in table.constraints if isinstance(c, UniqueConstraint)):
        return
    if field.beside and any(i.unique and field.column in _names(i) for i in table.indexes):
        return
    names = [*filter(None, [field.table.tenant]), field.index_column]
    Index(search_index_name(table.name, field.column), *(table.c[one] for one in names))


def move_constraints(protected: Protected) -> None:
    """UNIQUE and indexes on a sealed column say nothing about its values: they move to its search column.

    Where envelopes stand beside a column that is still written itself, it keeps its own.
    """
    table = protected.table
    sealed = {name: f for name, f in protected.fields.items() if f.sealed}
    for constraint in [c for c in table.constraints if isinstance(c, UniqueConstraint)]:
        names = [c.name for c in constraint.columns]
        for field in (f for f in protected.fields.values() if f.column in names and f.writes_sealed):
            if not field.search:
                raise DeclarationError(detail=f'{field.name} is unique: sealing it needs search="exact"')
        touched = [sealed[name] for name in names if name in sealed]
        if not touched:
            continue
        if not any(f.beside for f in touched):
            table.constraints.discard(constraint)
            moved = [table.c[name] for name in _moved(sealed, names)]
            table.append_constraint(UniqueConstraint(*moved, name=constraint.name))
            continue
        _unique_beside(protected, _moved(sealed, names))
        if not all(f.writes_plain for f in touched):
            table.constraints.discard(constraint)
    for index in [i for i in table.indexes if any(name in sealed for name in _names(i))]:
        _move_index(protected, index, sealed)


def _move_index(protected: Protected, index: Index, sealed: dict[str, Field]) -> None:
    table = protected.table
    names = _names(index)
    touched = [sealed[name] for name in names if name in sealed]
    if index.unique and not all(f.search for f in touched):
        raise DeclarationError(detail=f'{index.name} is unique over a sealed column: that needs search="exact"')
    if index.unique and any(f.beside for f in touched):
        _unique_beside(protected, _moved(sealed, names))
    if all(f.writes_plain for f in touched):
        return
    table.indexes.discard(index)
    if index.unique and not any(f.beside for f in touched):
        Index(index.name, *(table.c[name] for name in _moved(sealed, names)), unique=True)


def _unique_beside(protected: Protected, names: list[str]) -> None:
    """A unique index and no constraint: SQLite then needs no new table for it."""
    table = protected.table
    Index(unique_index_name(table.name, names), *(table.c[name] for name in names), unique=True)


def _moved(sealed: dict[str, Field], names: Iterable[str]) -> list[str]:
    return [sealed[name].index_column if name in sealed else name for name in names]


def _names(index: Index) -> list[str]:
    return [getattr(part, "name", "") for part in index.expressions]
