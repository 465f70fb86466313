"""Foreign keys that do not carry the tenant: what they lead to has to be the access's tenant's own.

The database checks such a key across all tenants. A row that refers to another tenant's would keep that one from being
deleted, go with it, and tell by an error whether it exists. So whoever sets such a key names a row of the own tenant;
another tenant's row and one that is nowhere are refused alike.

Asked before the statement, on its own connection and so in its transaction: rows that were inserted in it count, and so
do those of the statement itself. One query per key and statement; none where the key carries the tenant, which is what
the database then checks by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import Integer, ScalarSelect, Select, and_, bindparam, or_, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.sql.elements import ColumnClause, Null
from sqlalchemy.sql.selectable import AliasedReturnsRows

from ..errors import AmanahError, ReferenceCrossed
from .compiler_state import SIGN_IN, plain_of
from .fields import key_text
from .keys import INTERNAL
from .parent_rows import owned
from .shape import refuse
from .write_values import EXPRESSION, client_default, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Column, ColumnElement, Connection

    from .access import Access
    from .fields import Protected, Register

_OURS: Final = {"amanah_internal": INTERNAL}
_KINDS: Final = (int, str, UUID)
_AT_ONCE: Final = 250
"""Rows per query."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of a table: its ``columns`` lead to the ``keys`` of ``parent``, and the tenant is none of them."""

    columns: tuple[str, ...]
    parent: Protected
    keys: tuple[str, ...]


def find_references(register: Register) -> None:
    """Remember each protected table's foreign keys to protected tables that do not carry the tenant."""
    for table in register.tables.values():
        table.references = tuple(_references(register, table))


def _references(register: Register, table: Protected) -> Iterator[Reference]:
    for constraint in table.table.foreign_key_constraints:
        try:
            targets = [element.column for element in constraint.elements]
        except InvalidRequestError:  # it leads out of the metadata
            continue
        parent = register.by_name(targets[0].table.name)
        columns = tuple(column.name for column in constraint.columns)
        if parent is None or parent.fixed is not None or table.fixed is not None:
            continue
        if table.via is not None and columns == (table.via.column,) and parent is table.via.parent:
            continue
        if table.tenant is not None and table.tenant in columns:
            carried = targets[columns.index(table.tenant)].name
            if carried == parent.tenant or len(columns) == 1:
                continue
        yield Reference(columns, parent, tuple(target.name for target in targets))


def demand_inserted(
    connection: Connection,
    access: Access,
    table: Protected,
    rows: list[dict[str, Any]],
    expressions: Mapping[str, Any],
    *,
    sure: bool,
) -> None:
    """What the new ``rows`` refer to is the access's tenant's. ``expressions``: columns whose value is SQL.

    ``sure``: each of the rows will be there, so that others of them may refer to it. Raises `ReferenceCrossed`.
    """
    for reference in table.references:
        columns = [table.table.c[name] for name in reference.columns]
        for column in columns:
            if column.name in expressions:
                _check_expression(table, reference, column, expressions[column.name])
        if any(column.name in expressions for column in columns):
            continue
        asked: dict[Any, list[tuple[Any, ...]]] = {}
        for row in rows:
            for column in columns:
                if column.key not in row and (value := client_default(connection, column, row)) is not EXPRESSION:
                    row[column.key] = value
            values = tuple(value_of(row.get(column.key)) for column in columns)
            if None in values:
                continue
            tenant = access.tenant
            if tenant is None and table.tenant is not None:  # who signs in says it in the row
                tenant = row.get(table.table.c[table.tenant].key)
            asked.setdefault(tenant, []).append(values)
        own = _keys_of(table, rows) if sure and reference.parent is table else set()
        for tenant, wanted in asked.items():
            _demand(connection, access, table, reference, tenant, wanted, own)


def demand_set(
    connection: Connection,
    access: Access,
    table: Protected,
    rows: Iterable[Mapping[str, Any]],
    given: Mapping[str, Any],
) -> None:
    """What an UPDATE lets rows of ``table`` refer to is the access's tenant's.

    ``rows``: for each set of parameters, the values by column; ``given``: as they stand in ``values()``, SQL and all.
    Raises `ReferenceCrossed`.
    """
    for reference in table.references:
        wanted = []
        for row in rows:
            said = [row[name] for name in reference.columns if name in row]
            if not said or None in said:
                continue
            if EXPRESSION in said:
                for name in reference.columns:
                    _check_expression(table, reference, table.table.c[name], given.get(name))
                continue
            if len(said) < len(reference.columns):  # the other part is the row's own, and unknown
                refuse(ReferenceCrossed(resource=table.resource))
            wanted.append(tuple(said))
        _demand(connection, access, table, reference, access.tenant, wanted, set())


def _demand(
    connection: Connection,
    access: Access,
    table: Protected,
    reference: Reference,
    tenant: Any,
    wanted: list[tuple[Any, ...]],
    own: set[tuple[str, ...]],
) -> None:
    """Each of ``wanted`` is the key of a row of the tenant's, or among ``own``."""
    parent = reference.parent
    keys = [parent.table.c[name] for name in reference.keys]
    asked = {_spelled(table, keys, values): values for values in wanted}
    if reference.keys == parent.key:
        asked = {name: values for name, values in asked.items() if name not in own}
    if not asked:
        return
    statement = select(*keys)
    if access.tenant is None:
        if not parent.sign_in:
            return  # sign-in sees nothing of it, and the tables that it writes are few and named
        statement = statement.with_statement_hint(SIGN_IN, "amanah")
    if tenant is not None:
        statement = statement.where(owned(parent, str(tenant)))
    values = list(asked.values())
    for start in range(0, len(values), _AT_ONCE):
        some = values[start : start + _AT_ONCE]
        for found in connection.execute(statement.where(_are(keys, some)), execution_options=_OURS):
            asked.pop(_spelled(table, keys, found), None)
    if asked:
        refuse(ReferenceCrossed(resource=table.resource))


def _are(keys: list[Column[Any]], values: list[tuple[Any, ...]]) -> ColumnElement[bool]:
    """The keys are one of ``values``, which go out in the types of the keys, also numbers as text."""
    if len(keys) == 1:
        asked = bindparam("keys", [value for (value,) in values], expanding=True, type_=keys[0].type)
        return keys[0].in_(asked)
    rows = ([key == bindparam(None, one, type_=key.type) for key, one in zip(keys, row, strict=True)] for row in values)
    return or_(*(and_(*row) for row in rows))


def _keys_of(table: Protected, rows: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    columns = table.key_columns()
    return {
        _spelled(table, columns, [row[column.key] for column in columns])
        for row in rows
        if all(row.get(column.key) is not None and value_of(row[column.key]) is not EXPRESSION for column in columns)
    }


def _spelled(table: Protected, keys: Iterable[Column[Any]], values: Iterable[Any]) -> tuple[str, ...]:
    try:
        return tuple(_text(key, value) for key, value in zip(keys, values, strict=True))
    except AmanahError:
        refuse(ReferenceCrossed(resource=table.resource))


def _text(key: Column[Any], value: Any) -> str:
    """As the database will understand it; what is of no type that keys are commonly of, as Python says it.

    What the database might round to another row's key is refused.
    """
    if isinstance(key.type, Integer) and not isinstance(value, int | str):
        refuse(ReferenceCrossed(resource=str(key.table)))
    return key_text(key, value) if key.type.python_type in _KINDS else str(value)


def _check_expression(table: Protected, reference: Reference, column: Column[Any], candidate: Any) -> None:
    """SQL that can only give a key that the wall let through: the parent's key column itself, or NULL.

    Alone, as a scalar subquery, or the very column that is set; of a key of several columns none, since they could be
    of several rows. Raises `ReferenceCrossed` for anything else.
    """
    if len(reference.columns) > 1:
        refuse(ReferenceCrossed(resource=table.resource))
    if hasattr(candidate, "__clause_element__"):
        candidate = candidate.__clause_element__()
    candidate = plain_of(candidate)
    if isinstance(candidate, ScalarSelect) and isinstance(candidate.element, Select):
        selected = list(candidate.element.selected_columns)
        candidate = plain_of(selected[0]) if len(selected) == 1 else None
    if isinstance(candidate, Null):
        return
    if isinstance(candidate, ColumnClause) and not candidate.is_literal:
        source: Any = candidate.table
        while isinstance(source, AliasedReturnsRows):
            source = source.element
        key = reference.keys[reference.columns.index(column.name)]
        name = str(getattr(source, "name", "")).lower()
        if (name, candidate.name) in ((reference.parent.name.lower(), key), (table.name.lower(), column.name)):
            return
    refuse(ReferenceCrossed(resource=table.resource))


__all__ = ["Reference", "demand_inserted", "demand_set", "find_references"]
