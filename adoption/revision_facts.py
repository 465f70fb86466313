"""What a migration has to say of constraints, indexes and types: new ones as the models have them, and those that go as
the live database has them.
"""  # noqa: D205

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.exc import SAWarning

from ..errors import StepNotDue
from ..middleware.constraints import moved_to_tokens
from ..middleware.siblings import search_index_names, unique_index_name
from .sealing_tables import inner_type
from .sqlite_rebuild import bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Inspector
    from sqlalchemy.engine.interfaces import ReflectedIndex
    from sqlalchemy.types import TypeEngine

    from ..middleware.fields import Field, Protected


def token_indexes(table: Protected, fields: Sequence[Field]) -> dict[str, list[str]]:
    """The indexes over search tokens that the declarations ask for."""
    wanted = {name for one in fields if one.search for name in search_index_names(table.name, one.column)}
    return {str(i.name): [c.name for c in i.columns] for i in table.table.indexes if i.name in wanted}


def unique_tokens(table: Protected, fields: Sequence[Field]) -> dict[str, list[str]]:
    """The unique indexes over search tokens. Raises `StepNotDue` where only a part of one is due."""
    due = {one.column for one in fields}
    moved = {token for one in fields for token in one.index_columns}
    found: dict[str, list[str]] = {}
    for names in _unique_sets(table):
        if not (due | moved) & set(names):
            continue
        searched = {}
        for name in names:
            other = table.fields.get(name)
            if name not in due and other is not None and other.sealing == "write_both":
                raise StepNotDue(detail=f"{', '.join(names)} of {table.name} are unique together: name them together.")
            if other is not None and (name in due or other.sealed):
                searched[name] = other
        for tokens in moved_to_tokens(searched, names):
            found[unique_index_name(table.name, tokens)] = tokens
    return found


def _unique_sets(table: Protected) -> Iterator[list[str]]:
    for constraint in table.table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.table.indexes:
        if index.unique:
            yield [column.name for column in index.columns]


def unique_going(inspector: Inspector, table: Protected, fields: Sequence[Field]) -> dict[str, list[str]]:
    """The UNIQUE constraints of the live table over plain columns. Raises `StepNotDue` where only a part is due."""
    due = {one.column for one in fields}
    found = {}
    for constraint in inspector.get_unique_constraints(table.name):
        names = constraint["column_names"]
        if due & set(names):
            _check_whole(table, names, due)
            found[constraint["name"] or unique_index_name(table.name, names)] = names
    return found


def indexes_going(
    connection: Connection, inspector: Inspector, table: Protected, fields: Sequence[Field]
) -> dict[str, list[str] | str]:
    """The indexes of the live table over plain columns: name to columns, or to its own words where it says more."""
    due = {one.column for one in fields}
    found: dict[str, list[str] | str] = {}
    for name, words, names in _indexes(connection, inspector, table.name):
        over = due & (set(names) if names is not None else set(re.findall(r"\w+", words)))
        if over:
            found[name] = names if names is not None and _says_no_more(words, names) else words
    return found


def _indexes(connection: Connection, inspector: Inspector, table: str) -> Iterator[tuple[str, str, list[str] | None]]:
    """Name, CREATE INDEX and columns of each index that is not a constraint's; None for columns with expressions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # SQLite's reflection passes over indexes on expressions
        reflected = {one["name"]: one for one in inspector.get_indexes(table)}
    if connection.dialect.name == "postgresql":
        sql = "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        sql += "WHERE i.indrelid = to_regclass(:name) AND NOT EXISTS "
        sql += "(SELECT 1 FROM pg_constraint WHERE conindid = c.oid)"
        name = inspector.dialect.identifier_preparer.quote_identifier(table)
    else:
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL"
        name = table
    for index, words in connection.execute(text(sql + " ORDER BY 1"), {"name": name}):
        yield index, words, _columns(reflected.get(index))


def _columns(index: ReflectedIndex | None) -> list[str] | None:
    names = [] if index is None else [name for name in index["column_names"] if name is not None]
    return names if index is not None and len(names) == len(index["column_names"]) else None


def _says_no_more(words: str, names: Iterable[str]) -> bool:
    """Whether a CREATE INDEX says no more than which columns: not unique, no order, condition, method or class."""
    found = re.fullmatch(r"CREATE INDEX [^(]*?(?: USING btree)? ?\(([^()]*)\)\s*", words, re.IGNORECASE | re.DOTALL)
    return found is not None and [bare(part.strip()) for part in found[1].split(",")] == list(names)


def _check_whole(table: Protected, names: Sequence[str], due: set[str]) -> None:
    for name in set(names) - due:
        other = table.fields.get(name)
        if other is not None and other.writes_plain and other.beside:
            raise StepNotDue(detail=f"{', '.join(names)} of {table.name} are unique together: name them together.")


def types_of(inspector: Inspector, table: Protected, fields: Sequence[Field]) -> dict[str, TypeEngine[Any]]:
    """The plain columns' types, for the way back: the model's own, or the live one where that is not SQLAlchemy's."""
    live = {one["name"]: one["type"] for one in inspector.get_columns(table.name)}
    found = {}
    for field in fields:
        own = inner_type(field)
        found[field.column] = own if type(own).__module__ == "sqlalchemy.sql.sqltypes" else live[field.column]
    return found
