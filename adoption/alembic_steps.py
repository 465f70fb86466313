"""What the steps of sealing a live column do to the database, on PostgreSQL and on SQLite.

1. What would lose a value is looked for first, with writers kept out, and refused.
2. Everything is one transaction: a step that fails leaves nothing behind and can be taken again.
3. Each column has triggers of its own, so that columns of one table may take their steps at different times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import Operations
from sqlalchemy import Column, LargeBinary

from ..middleware.siblings import sealed_name, search_names
from .alembic_operations import PlainColumns, ReadColumns, ReleasedColumns, SealedColumns
from .alembic_table import LiveTable
from .sqlite_rebuild import check_foreign_keys, rebuild, words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@Operations.implementation_for(SealedColumns)
def sealed_columns(operations: Operations, step: SealedColumns) -> None:
    """Add or drop the columns beside the plain ones."""
    live = LiveTable(operations, step)
    if not step.back:
        live.begin()
        for column in step.columns:
            operations.add_column(step.table, Column(sealed_name(column), LargeBinary(), nullable=True))
            for searched in search_names(column) if column in step.search else ():
                operations.add_column(step.table, Column(searched, LargeBinary(16), nullable=True))
        _make_indexes(operations, step.table, step.indexes)
        live.set_triggers("lenient", step.search)
        return
    with live.looking():
        for column in step.columns:
            live.refuse_only_sealed(column)
    live.drop_triggers()
    for name in step.indexes:
        operations.drop_index(name, step.table)
    for column in step.columns:
        for searched in search_names(column) if column in step.search else ():
            operations.drop_column(step.table, searched)
        operations.drop_column(step.table, sealed_name(column))


@Operations.implementation_for(ReadColumns)
def read_columns(operations: Operations, step: ReadColumns) -> None:
    """Make the sealed columns fit to be read, or the plain ones again."""
    live = LiveTable(operations, step)
    with live.looking():
        if step.back:
            for column in step.columns:
                live.refuse_only_sealed(column)
        else:
            for column in step.columns:
                live.refuse_not_sealed(column, searched=column in step.search)
            for columns in step.unique.values():
                live.refuse_repeated(columns)
    if step.back:
        for name in step.unique:
            operations.drop_index(name, step.table)
    else:
        _make_indexes(operations, step.table, step.unique, unique=True)
    live.set_triggers("lenient" if step.back else "strict", step.search)


@Operations.implementation_for(ReleasedColumns)
def released_columns(operations: Operations, step: ReleasedColumns) -> None:
    """Move what is demanded of the plain columns to the sealed ones, or back."""
    live = LiveTable(operations, step)
    if not live.postgresql:
        check_foreign_keys(live.connection, step.table)
    with live.looking():
        for column in step.columns:
            (live.refuse_only_sealed if step.back else live.refuse_not_sealed)(column)
        for column in step.required:
            live.refuse_without_value(column, in_column=column if step.back else sealed_name(column))
        if step.back:
            for columns in step.unique.values():
                live.refuse_repeated(columns)
    live.drop_triggers()
    (_move_postgresql if live.postgresql else _move_sqlite)(operations, live, step)
    live.set_triggers("strict" if step.back else "released")


def _move_postgresql(operations: Operations, live: LiveTable, step: ReleasedColumns) -> None:
    table = step.table
    for column in step.columns:
        required = column in step.required
        if required or not step.back:
            operations.alter_column(table, column, nullable=not step.back)
        if required:
            operations.alter_column(table, sealed_name(column), nullable=step.back)
    for name, columns in step.unique.items():
        if step.back:
            operations.create_unique_constraint(name, table, list(columns))
        else:
            operations.drop_constraint(name, table, type_="unique")
    if step.back:
        _make_indexes(operations, table, step.indexes, live=live)
    else:
        for name in step.indexes:
            operations.drop_index(name, table)


def _move_sqlite(operations: Operations, live: LiveTable, step: ReleasedColumns) -> None:
    words = words_of(live.connection, step.table)
    quote = live.quote
    for column in step.columns:
        if not step.back:
            words.let_be_null(column)
    for column in step.required:
        if step.back:
            words.let_be_null(sealed_name(column))
            words.demand(column)
        else:
            words.demand(sealed_name(column))
    for name, columns in step.unique.items():
        if step.back:
            words.add_unique(quote(name), map(quote, columns))
        else:
            words.drop_unique(columns)
    rebuild(live.connection, step.table, words, without=() if step.back else tuple(step.indexes))
    if step.back:
        _make_indexes(operations, step.table, step.indexes, live=live)


@Operations.implementation_for(PlainColumns)
def plain_columns(operations: Operations, step: PlainColumns) -> None:
    """Drop the plain columns, or add them again, empty."""
    live = LiveTable(operations, step)
    if step.back:
        live.begin()
        for column, type_ in step.types.items():
            operations.add_column(step.table, Column(column, type_, nullable=True))
        live.set_triggers("released")
        return
    with live.looking():
        for column in step.columns:
            live.refuse_not_sealed(column)
    live.drop_triggers()
    for column in step.columns:
        operations.drop_column(step.table, column)


def _make_indexes(
    operations: Operations,
    table: str,
    indexes: Mapping[str, Sequence[str] | str],
    *,
    unique: bool = False,
    live: LiveTable | None = None,
) -> None:
    for name, over in indexes.items():
        if not isinstance(over, str):
            operations.create_index(name, table, list(over), unique=unique)
        elif live is not None:
            live.run(over)
