"""``alembic revision --autogenerate`` compares the second wall, too: what is declared with what the database has.

In their env.py: ``context.configure(…, **amanah.compare_walls(guard))``. A protected table without its wall, with
another one, or made by this very migration, gets `op.enable_row_security`; a table that has a wall and is not protected
any more gets `op.disable_row_security`. The way back is what the database has now, read from its policies, and read
with care: only what says again exactly what is there counts. A wall that says something else and is nobody's stays.

Without that argument nothing is compared: a wall is turned on when somebody means it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from alembic import util
from alembic.autogenerate import comparators
from alembic.operations.ops import CreateTableOp
from sqlalchemy import String, inspect

from ..middleware.live_row_security import found_policies, said_alike
from ..middleware.row_security import SIGN_IN_POLICY, TENANT_POLICY, RowSecurity, row_security
from ..migrations import OWN_TABLES
from .alembic_row_security import RowSecurityStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps
    from sqlalchemy import Connection, Inspector

    from ..middleware.fields import Register

_PRIORITY: Final[Any] = getattr(util, "DispatchPriority", None)  # before Alembic 1.18 who came last was the last
_LAST: Final[dict[str, Any]] = {} if _PRIORITY is None else {"priority": _PRIORITY.LAST}

_NOISE: Final = re.compile(r"::[a-z_][a-z_ ]*(?:\(\d+\))?|[()\"]")
"""Casts, parentheses and quotes: PostgreSQL adds some of its own."""
_STEP: Final = re.compile(r"FROM (?:\w+\.)?(\w+) amanah_up\d+\s+WHERE amanah_up\d+\.(\w+)\s*=\s*\w+\.(\w+)\s*AND")
_OWNER: Final = re.compile(r"(\w+)\s*=\s*SELECT\s+NULLIF")
_FIXED: Final = re.compile(r"AS \w+\s*=\s*'((?:[^']|'')*)'")


@comparators.dispatch_for("schema", **_LAST)
def _compare(context: AutogenContext, upgrade: UpgradeOps, _schemas: Any) -> None:
    """Add the operations of the walls behind those of the tables."""
    guard = context.opts.get("amanah_walls")
    if guard is None or context.connection is None or context.connection.dialect.name != "postgresql":
        return
    made = {one.table_name for one in upgrade.ops if isinstance(one, CreateTableOp)}
    upgrade.ops.extend(due(guard.register, context.connection, made))


def due(register: Register, connection: Connection, made: set[str]) -> Iterator[RowSecurityStep]:
    """What is to be done for the tables that are there, and for those that are ``made`` before it is."""
    inspector = inspect(connection)
    there: set[tuple[str | None, str]] = {(None, name) for name in inspector.get_table_names()}
    there |= {(t.table.schema, t.name) for t in register.tables.values() if t.table.schema is not None}
    for table in register.tables.values():
        wall = row_security(table)
        if table.name in made:
            yield RowSecurityStep(wall)
        elif (table.table.schema, table.name) in there:
            before, whole = _now(connection, inspector, wall)
            if not whole:
                yield RowSecurityStep(wall, before=before)
    for schema, name in sorted(there, key=str):
        if register.by_name(name) is None and schema is None and not name.startswith(OWN_TABLES):
            old = read_wall(connection, inspector, name)
            if old is not None:
                yield RowSecurityStep(old, back=True)


def _now(connection: Connection, inspector: Inspector, wall: RowSecurity) -> tuple[RowSecurity | None, bool]:
    """The wall that is there, if it can be read, and whether it is this one."""
    forced, policies = found_policies(connection, wall.name(connection.dialect))
    whole = forced and said_alike(wall, connection.dialect, policies)
    return (None if whole or not forced else read_wall(connection, inspector, wall.table, wall.schema)), whole


def read_wall(
    connection: Connection, inspector: Inspector, table: str, schema: str | None = None
) -> RowSecurity | None:
    """The wall of a table as its policies say it; None where there is none, or one that says something of its own."""
    name = RowSecurity(table, fixed="", schema=schema).name(connection.dialect)
    forced, policies = found_policies(connection, name)
    using = next((one.using for one in policies if one.name == TENANT_POLICY), None)
    if not forced or using is None:
        return None
    sign_in = any(one.name == SIGN_IN_POLICY for one in policies)
    bare = _NOISE.sub("", using)
    steps = [(column, parent, key) for parent, key, column in _STEP.findall(bare)]
    owner = steps[-1][1] if steps else table
    fixed, column = _FIXED.search(bare), _OWNER.search(bare)
    if fixed is not None:
        read = RowSecurity(table, fixed=fixed[1].replace("''", "'"), via=tuple(steps), sign_in=sign_in, schema=schema)
    elif column is not None:
        kinds = {one["name"]: one["type"] for one in inspector.get_columns(owner, schema=schema)}
        kind = kinds.get(column[1])
        read = RowSecurity(
            table,
            tenant=column[1],
            kind=None if isinstance(kind, String) else kind,
            via=tuple(steps),
            sign_in=sign_in,
            schema=schema,
        )
    else:
        return None
    return read if said_alike(read, connection.dialect, policies) else None


__all__ = ["due", "read_wall"]
