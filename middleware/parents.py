"""Tables that belong to their tenant by a parent: which table that is, and in which order tables are taken in.

``declare("invoice_line", via="invoice_id")`` says that a line is of the tenant of its invoice. The wall follows that
one foreign key, so it has to lead to one row for certain: exactly one foreign key of that single column, to the primary
key of a protected table. What would leave a choice, or an end that no tenant owns, is refused while the guard is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Enum, Integer, String, Uuid
from sqlalchemy.exc import InvalidRequestError

from ..errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import MetaData, Table

    from .declare import Declaration

DEEPEST = 4
"""So many tables may stand between a table and its tenant: each is one more look-up for every row."""


def parents_first(metadata: MetaData, said: Mapping[str, Declaration]) -> list[tuple[Table, Table | None]]:
    """All tables with the parent by which they belong to their tenant (or None), each after its parent.

    Raises `DeclarationError` for a foreign key that is missing or ambiguous, a circle, and a chain that is too long.
    """
    tables = list(metadata.tables.values())  # sorted_tables warns of circles of foreign keys, which are no matter here
    via = {name: one.via for name, one in said.items() if one.via is not None}
    parents = {table.name: _parent(table, via[table.name]) for table in tables if table.name in via}
    depths = {table.name: _depth(table.name, parents) for table in tables}
    return [(table, parents.get(table.name)) for table in sorted(tables, key=lambda one: depths[one.name])]


def _parent(table: Table, via: str) -> Table:
    """The table to whose primary key the column ``via`` leads."""
    label = f"{table.name}.{via}"
    if via not in table.c:
        raise DeclarationError(detail=f"{table.name} has no column {via!r} to lead to its parent")
    keys = [one for one in table.foreign_key_constraints if via in [column.name for column in one.columns]]
    if len(keys) != 1 or len(keys[0].columns) != 1:
        raise DeclarationError(
            detail=f"{label} leads to its parent by exactly one foreign key of that column alone; "
            f"there are {len(keys)} foreign keys on it{', of several columns' if len(keys) == 1 else ''}"
        )
    try:
        target = keys[0].elements[0].column
    except InvalidRequestError:
        raise DeclarationError(detail=f"{label} refers to a table or column that is not in the metadata") from None
    parent = target.table
    if [column.name for column in parent.primary_key.columns] != [target.name]:
        raise DeclarationError(
            detail=f"{label} leads to {parent.name}.{target.name}, which is not the whole primary key of {parent.name}"
        )
    if not isinstance(target.type, Integer | String | Uuid) or isinstance(target.type, Enum):
        raise DeclarationError(
            detail=f"{label} leads to {parent.name}.{target.name}, which is {target.type!r}: such keys are integers, "
            "UUIDs or text"
        )
    return parent


def _depth(name: str, parents: Mapping[str, Table]) -> int:
    """How many tables stand between a table and the one with the tenant's column."""
    seen = [name]
    while (parent := parents.get(seen[-1])) is not None:
        if parent.name in seen:
            raise DeclarationError(detail=f"the parents go round in a circle: {' → '.join([*seen, parent.name])}")
        seen.append(parent.name)
    if len(seen) - 1 > DEEPEST:
        raise DeclarationError(detail=f"{' → '.join(seen)} is a longer chain than {DEEPEST} parents")
    return len(seen) - 1


__all__ = ["DEEPEST", "parents_first"]
