"""All tables of a migration are taken at once, or none of them: neither it nor the application waits for the other.

A migration that holds one table and waits for the next meets a request that holds that one and waits for the first.
PostgreSQL then ends whoever notices, which is mostly the request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ..database import sqlstate
from ..errors import TablesHeld
from .alembic_rendering import IMPORT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.autogenerate.api import AutogenContext

_PATIENCE: Final = 60.0
"""Seconds for which the tables are asked for."""
_QUEUE: Final = "100ms"
"""How long others stand behind the migration while it waits for one table; far below PostgreSQL's deadlock_timeout."""
_PAUSE: Final = 0.05
_HELD: Final = ("55P03", "40P01")
"""SQLSTATE of a lock that was not to be had in time, or not at all: a deadlock. PostgreSQL's appendix A."""


@Operations.register_operation("lock_tables")
class LockedTables(MigrateOperation):
    """Tables that belong to the migration to the end of its transaction."""

    def __init__(self, tables: Sequence[str]) -> None:
        self.tables = tuple(tables)

    @classmethod
    def lock_tables(cls, operations: Operations, tables: Sequence[str]) -> None:
        """Take all of ``tables``, or wait with none of them in hand. SQLite has one writer at a time anyhow.

        Raises `TablesHeld` where others hold them for longer than a minute.
        """
        operations.invoke(cls(tables))

    def reverse(self) -> LockedTables:
        """The way back takes the same."""
        return self

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What Alembic shows of it."""
        return ("lock_tables", self.tables)


@renderers.dispatch_for(LockedTables)
def _render(context: AutogenContext, step: LockedTables) -> str:
    context.imports.add(IMPORT)
    names = ", ".join(f'"{name}"' for name in step.tables)
    return f"{context.opts.get('alembic_module_prefix') or 'op.'}lock_tables([{names}])"


@Operations.implementation_for(LockedTables)
def lock_tables(operations: Operations, step: LockedTables) -> None:
    """See `LockedTables.lock_tables`."""
    context = operations.get_context()
    if context.dialect.name != "postgresql":
        return
    names = ", ".join(map(context.dialect.identifier_preparer.quote_identifier, step.tables))
    take = f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"
    if context.as_sql:
        operations.execute(take)
        return
    connection = operations.get_bind()
    patience = time.monotonic() + _PATIENCE
    waited = connection.execute(text("SHOW lock_timeout")).scalar_one()
    setting = text("SELECT set_config('lock_timeout', :value, true)")
    while True:
        savepoint = connection.begin_nested()
        try:
            connection.execute(setting, {"value": _QUEUE})
            connection.execute(text(take.replace(":", "\\:")))
            connection.execute(setting, {"value": waited})
        except DBAPIError as error:  # by asyncpg, no OperationalError
            savepoint.rollback()
            if sqlstate(error) not in _HELD:
                raise
            if time.monotonic() > patience:
                raise TablesHeld(table=", ".join(step.tables)) from None
            time.sleep(_PAUSE)
        else:
            savepoint.commit()
            return


__all__ = ["LockedTables"]
