"""What the database would compare, compute, index or point to, where the column's values are sealed."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint

from ..errors import DeclarationError
from .siblings import search_index_names, second_name, unique_index_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    """Indexes over the search tokens, unless unique ones are to come."""
    table = field.table.table
    if any(field.column in c.columns for c in table.constraints if isinstance(c, UniqueConstraint)):
        return
    if field.beside and any(i.unique and field.column in _names(i) for i in table.indexes):
        return
    for name, tokens in zip(search_index_names(table.name, field.column), field.index_columns, strict=True):
        Index(name, *(table.c[one] for one in filter(None, [field.table.tenant, tokens])))


def move_constraints(protected: Protected) -> None:
    """UNIQUE and indexes on a sealed column say nothing about its values: they move to its search columns.

    To each of the two, because searches go by one today and by the other one when the index key has been exchanged.
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
            for number, moved in enumerate(moved_to_tokens(sealed, names)):
                name = _numbered(constraint.name, number)
                table.append_constraint(UniqueConstraint(*(table.c[one] for one in moved), name=name))
            continue
        _unique_beside(protected, sealed, names)
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
        _unique_beside(protected, sealed, names)
    if all(f.writes_plain for f in touched):
        return
    table.indexes.discard(index)
    if index.unique and not any(f.beside for f in touched):
        for number, moved in enumerate(moved_to_tokens(sealed, names)):
            Index(_numbered(index.name, number), *(table.c[name] for name in moved), unique=True)


def _unique_beside(protected: Protected, sealed: Mapping[str, Field], names: Sequence[str]) -> None:
    """Unique indexes and no constraints: SQLite then needs no new table for them."""
    table = protected.table
    for moved in moved_to_tokens(sealed, names):
        Index(unique_index_name(table.name, moved), *(table.c[name] for name in moved), unique=True)


def moved_to_tokens(sealed: Mapping[str, Field], names: Sequence[str]) -> list[list[str]]:
    """``names`` with search columns in place of the ``sealed`` ones: once for each choice of slots.

    The tenant's index key and the platform's are exchanged at moments of their own, so that columns of both make four.
    """
    kinds = sorted({sealed[name].platform for name in names if name in sealed})
    choices = (dict(zip(kinds, slots, strict=True)) for slots in product((0, 1), repeat=len(kinds)))
    return [
        [sealed[name].index_columns[slot[sealed[name].platform]] if name in sealed else name for name in names]
        for slot in choices
    ]


def _numbered(name: Any, number: int) -> Any:
    """The name of a constraint that is moved: its own, then others; none where a naming convention gives one."""
    if number == 0 or not isinstance(name, str):
        return name
    return type(name)(second_name(f"{name}{number if number > 1 else ''}"))


def _names(index: Index) -> list[str]:
    return [getattr(part, "name", "") for part in index.expressions]
