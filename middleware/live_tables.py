"""The doctor's comparison of the tables in the database with those that the guard was given."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, LargeBinary, MetaData, Table, inspect
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SAWarning

from .checks_of_installation import (
    COLUMN_MISSING,
    COLUMN_UNKNOWN,
    NOT_BYTES,
    PERSONAL_UNKNOWN,
    SEARCH_MISSING,
    TABLE_MISSING,
    TABLE_UNKNOWN,
)
from .personal_names import guesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Engine

    from .fields import Protected, Register
    from .finding import Finding

    Live = Mapping[str, Mapping[str, Any]]
    """Column → type, by table or view."""


def live_tables(register: Register, metadata: MetaData, engine: Engine) -> Iterator[Finding]:
    """Where database and models differ. Only names and types are read. Tables in a named schema are left alone."""
    live, tables = _look(engine)
    known = {table.name: table for table in metadata.sorted_tables if table.schema is None}
    for name, table in known.items():
        if name in live:
            yield from _columns(register, table, live[name])
        else:
            yield TABLE_MISSING(name)
    for name in sorted(tables - known.keys()):
        # Amanah's own, and Alembic's, which may have any name and has this one column.
        if not name.startswith("amanah_") and list(live[name]) != ["version_num"]:
            yield TABLE_UNKNOWN(name)
            yield from _unknown_columns(name, live[name], ())


def _look(engine: Engine) -> tuple[Live, set[str]]:
    """Tables and views with their columns, and which of them are tables."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # a type of an extension's; its name is all that is lost
        inspector = inspect(engine)
        found = inspector.get_multi_columns(kind=ObjectKind.ANY)
    live = {name: {column["name"]: column["type"] for column in columns} for (_, name), columns in found.items()}
    return live, set(inspector.get_table_names())


def _columns(register: Register, table: Table, live: Mapping[str, Any]) -> Iterator[Finding]:
    protected = register.by_name(table.name)
    fields = protected.fields if protected is not None else {}
    searching = {name: one for one in fields.values() if one.search for name in one.index_columns}
    envelopes = {one.sealed_column: one for one in fields.values() if one.writes_sealed}
    for column in table.columns:
        if column.name not in live:
            if column.system:  # the plain column beside its sealed one: it may be gone
                continue
            if protected is not None and column.name in searching:
                indexed = ", ".join(filter(None, [protected.tenant, column.name]))
                yield SEARCH_MISSING(searching[column.name].name, index=column.name, columns=indexed)
            else:
                yield COLUMN_MISSING(f"{table.name}.{column.name}")
        elif column.name in envelopes and not isinstance(live[column.name], LargeBinary):
            yield NOT_BYTES(envelopes[column.name].name, type=str(live[column.name]))
    yield from _unknown_columns(table.name, live, [column.name for column in table.columns], protected)


def _unknown_columns(
    name: str, live: Mapping[str, Any], known: Iterable[str], protected: Protected | None = None
) -> Iterator[Finding]:
    """What the models do not have. In a table that they do not have either, only what looks personal."""
    modelled = set(known)
    twin = Table(name, MetaData(), *(Column(column, type_) for column, type_ in live.items()))
    subject = protected.subject if protected is not None else None
    personal = {guess.column: guess.category for guess in guesses(twin, modelled, subject=subject)}
    for column in live:
        if column in personal:
            yield PERSONAL_UNKNOWN(f"{name}.{column}", category=personal[column])
        elif modelled and column not in modelled:
            yield COLUMN_UNKNOWN(f"{name}.{column}")
