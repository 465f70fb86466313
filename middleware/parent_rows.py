"""Whose a new row is that belongs to its tenant by a parent: the parent has to be the access's tenant's own.

Checked before the statement, on its own connection and so in its transaction: parents that were inserted in it count.
One query asks for all rows of a statement. It says itself what "own" means, also where the parents' table is not behind
the wall yet (`Guard.observing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, bindparam, literal, select

from ..errors import AmanahError, ForeignKeysUnchecked, TenantCrossed
from .compiler import SIGN_IN
from .fields import key_text
from .keys import INTERNAL
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, ColumnElement, Connection

    from .access import Access
    from .fields import Protected

_OURS = {"amanah_internal": INTERNAL}
_AT_ONCE = 10_000
"""Parents per query: drivers take 32,766 parameters and more."""


def demand_parents(connection: Connection, access: Access, table: Protected, values: Iterable[Any]) -> None:
    """Each of ``values``, by which rows of ``table`` shall belong to their tenant, names a row of the access's tenant.

    Sign-in, which has no tenant yet, may name any that is there, if it may touch all of the tables on the way.
    Raises `TenantCrossed`.
    """
    if table.via is None:
        return
    parent = table.via.parent
    key = parent.key_columns()[0]
    wanted: dict[str, Any] = {}
    for value in values:
        wanted[_spelled(table, key, value)] = value
    statement = select(parent.table.c[key.name])
    if access.tenant is None:
        if access.kind != "sign_in" or not _sign_in_all_the_way(table):
            refuse(TenantCrossed(resource=table.resource))
        statement = statement.with_statement_hint(SIGN_IN, "amanah")
    else:
        statement = statement.where(owned(parent, access.tenant))
    asked = list(wanted.values())
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        keys = bindparam("keys", some, expanding=True, type_=key.type)  # of the key's type, also for numbers as text
        found = connection.execute(statement.where(key.in_(keys)), execution_options=_OURS).scalars()
        for value in found:
            wanted.pop(key_text(key, value), None)
    if wanted:
        refuse(TenantCrossed(resource=table.resource))


def owned(table: Protected, tenant: str) -> ColumnElement[bool]:
    """The condition that a row of ``table`` is the tenant's."""
    columns = table.table.c
    if table.tenant is not None:
        ours: ColumnElement[bool] = columns[table.tenant] == table.tenant_value(tenant)
        return ours
    if table.via is None:
        fixed: ColumnElement[bool] = literal(tenant) == literal(table.fixed)
        return fixed
    parent = table.via.parent
    return columns[table.via.column].in_(select(*parent.key_columns()).where(owned(parent, tenant)))


def _spelled(table: Protected, key: Column[Any], value: Any) -> str:
    """``value`` as the database will understand it. What it might round to another row's key is refused."""
    if isinstance(key.type, Integer) and not isinstance(value, int | str):
        refuse(TenantCrossed(resource=table.resource))
    try:
        return key_text(key, value)
    except AmanahError:
        refuse(TenantCrossed(resource=table.resource))


def _sign_in_all_the_way(table: Protected | None) -> bool:
    while table is not None:
        if not table.sign_in:
            return False
        table = table.via.parent if table.via is not None else None
    return True


def demand_foreign_keys(connection: Connection, table: Protected) -> None:
    """Before a key of ``table`` is given to a row: no row of another table may be waiting for it.

    SQLite hands out the key of a deleted last row again, and keeps its children where it does not check foreign keys.
    Raises `ForeignKeysUnchecked`.
    """
    if table.has_children and connection.dialect.name == "sqlite":
        checked = connection.exec_driver_sql("PRAGMA foreign_keys", execution_options=_OURS).scalar()
        if not checked:
            refuse(ForeignKeysUnchecked(resource=table.resource))


__all__ = ["demand_foreign_keys", "demand_parents", "owned"]
