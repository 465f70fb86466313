"""Writing personal columns: values are sealed before SQLAlchemy holds them as parameters.

`prepare` runs in ``before_execute``. It moves a statement's values into its parameter dictionaries, fills in what the
row key needs (client-side defaults, reserved integers), checks whose row it is, and puts sealed bytes and search
tokens where the values were. A sealed column is written only from a value whose row is known; everything else is
refused, because it was accepted and unreadable afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Insert, Table, Update
from sqlalchemy.sql.selectable import AliasedReturnsRows

from ..errors import SealedWriteRefused, TenantCrossed
from .row_seals import SEAL_COLUMN
from .shape import refuse
from .write_insert import Inserting
from .write_update import Updating
from .write_values import Rows, column_of, key_binds, value_of

if TYPE_CHECKING:
    from .access import Access
    from .fields import Protected, Register

_HARMLESS_PREFIXES = frozenset({"or ignore", "or abort"})


def target_of(register: Register, statement: Any) -> Protected | None:
    """The protected table that an INSERT or UPDATE is about to write, or None.

    Raises `SealedWriteRefused` where it goes by an alias or by another Table object of that name: whose columns these
    are could only be guessed.
    """
    target = statement.table
    while isinstance(target, AliasedReturnsRows):
        target = target.element
    table = register.by_name(getattr(target, "name", ""))
    if table is None:
        return None
    if not isinstance(statement.table, Table) or statement.table != table.table:
        detail = "it is written by an alias or by a Table that is not the declared one"
        refuse(SealedWriteRefused(field=table.name, detail=detail))
    return table


def prepare(
    connection: Connection, table: Protected, access: Access, statement: Insert | Update, rows: Rows
) -> tuple[Any, Rows, frozenset[str]]:
    """The INSERT or UPDATE of ``table`` and its parameters as they may be compiled and executed; the columns looked at.

    ``rows`` are parameter dictionaries (empty for none). Raises the refusals of `errors` that end in ``Refused``,
    `TenantCrossed` and `MaskedWrite`.
    """
    _check_prefixes(table, statement)
    if isinstance(statement, Insert):
        ready, rows = Inserting(connection, table, access).run(statement, rows)
        return ready, rows, frozenset(c.name for c in table.table.columns)
    updating = Updating(connection, table, access)
    ready, rows = updating.run(statement, rows)
    return ready, rows, frozenset(updating.looked_at)


def foresee(connection: Connection, table: Protected, access: Access, statement: Insert | Update, rows: Rows) -> None:
    """Raise what `prepare` would refuse, as far as the statement alone tells: the database is not asked.

    For a table without sealed columns that is only observed. ``rows`` are left as they are.
    """
    rows = [dict(row) for row in rows]
    if isinstance(statement, Insert):
        Inserting(connection, table, access).foresee(statement, rows)
    elif table.tenant is not None:
        tenant = table.table.c[table.tenant].key
        where = {bind.key for bind in key_binds(statement, table).values()}
        values = {column_of(statement, table, given).key: value for given, value in (statement._values or {}).items()}  # noqa: SLF001
        given = [value_of(row[tenant]) for row in [values, *rows] if tenant in row and tenant not in where]
        if any(str(value) != access.tenant for value in given):
            refuse(TenantCrossed(resource=table.resource))


def _check_prefixes(table: Protected, statement: Insert | Update) -> None:
    """``OR REPLACE`` (SQLite) would delete whatever row has the key, another tenant's or one of its children, too."""
    for prefix, _ in statement._prefixes:  # noqa: SLF001
        if " ".join(str(prefix).lower().split()) not in _HARMLESS_PREFIXES:
            refuse(SealedWriteRefused(field=table.name, detail="a prefix such as OR REPLACE reaches other rows"))


def delicate(table: Protected) -> frozenset[str]:
    """The columns that an UPDATE may set only after a look: whose row it is, what is personal, and the row's place."""
    place = (*table.key, table.subject) if table.writes_sealed or table.has_children else ()
    sealed = (*table.sealed_rows.columns, SEAL_COLUMN) if table.sealed_rows is not None else ()
    refers = (name for reference in table.references for name in reference.columns)
    return frozenset(name for name in (table.owner_column, *table.fields, *place, *sealed, *refers) if name is not None)


__all__ = ["Rows", "delicate", "foresee", "key_binds", "prepare", "target_of"]
