"""The column that says to which tenant a row belongs, as an operation of the application's own Alembic.

``op.add_tenant_column("note", "tenant_id", sa.String(64), fill="sinar-jaya")`` adds it to a table that has rows: all of
one tenant, or each of its parent's (``parent="customer_id=customer.id"``). It is NOT NULL from then on and has no
default, so that no row is somebody's by having been forgotten, and an index begins with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Column, String, text

from ..errors import ConfigurationError
from .alembic_rendering import IMPORT, call
from .alembic_table import LiveTable
from .autogenerate import INDEXES
from .sqlite_rebuild import check_foreign_keys, rebuild, words_of

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.types import TypeEngine


@Operations.register_operation("add_tenant_column")
@Operations.register_operation("drop_tenant_column")
class TenantColumnStep(MigrateOperation):
    """The tenant's column of one table, or the way back from it."""

    def __init__(
        self, table: str, column: str, type_: TypeEngine[Any], fill: str | int | None, parent: str | None, *, back: bool
    ) -> None:
        self.table = table
        self.column = column
        self.type_ = type_
        self.fill = fill
        self.parent = parent
        self.back = back
        if not back and (fill is None) == (parent is None):
            raise ConfigurationError(detail=f"add_tenant_column of {table} takes fill= or parent=")
        if parent is not None:
            own, _, far = parent.partition("=")
            owner, _, key = far.rpartition(".")
            if not (own and owner and key):
                raise ConfigurationError(detail=f"add_tenant_column of {table}: parent is said as 'order_id=order.id'")
            self.way = own, owner, key

    @classmethod
    def add_tenant_column(
        cls,
        operations: Operations,
        table: str,
        column: str,
        type_: TypeEngine[Any] | None = None,
        *,
        fill: str | int | None = None,
        parent: str | None = None,
    ) -> None:
        """Add the column to a table that has rows.

        Args:
            operations: Alembic's.
            table: the table.
            column: the new column.
            type_: its type; ``String(64)`` unless said.
            fill: the tenant of all rows that are there.
            parent: whose tenant each row takes instead, as ``"order_id=order.id"``; the parent has a column of the same
                name.

        Raises `ConfigurationError`, and `RowsWithoutValue` for rows without a parent.
        """
        operations.invoke(cls(table, column, type_ or String(64), fill, parent, back=False))

    @classmethod
    def drop_tenant_column(
        cls,
        operations: Operations,
        table: str,
        column: str,
        type_: TypeEngine[Any] | None = None,
        *,
        fill: str | int | None = None,
        parent: str | None = None,
    ) -> None:
        """The way back from `add_tenant_column`, with the same arguments."""
        operations.invoke(cls(table, column, type_ or String(64), fill, parent, back=True))

    def reverse(self) -> TenantColumnStep:
        """The way back from it."""
        return TenantColumnStep(self.table, self.column, self.type_, self.fill, self.parent, back=not self.back)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What Alembic shows of it."""
        return ("drop_tenant_column" if self.back else "add_tenant_column", self.table, self.column)


@renderers.dispatch_for(TenantColumnStep)
def _render(context: AutogenContext, step: TenantColumnStep) -> str:
    context.imports.add(IMPORT)
    facts = {"type_": step.type_, "fill": step.fill, "parent": step.parent}
    return call(context, step.to_diff_tuple()[0], step.table, step.column, facts)


@Operations.implementation_for(TenantColumnStep)
def tenant_column_step(operations: Operations, step: TenantColumnStep) -> None:
    """See `TenantColumnStep.add_tenant_column`."""
    index = f"{INDEXES}{step.table}"[:63]
    known: Any = step  # whose name is all that is asked of it
    live = LiveTable(operations, known)
    live.begin()
    if step.back:
        operations.drop_index(index, step.table, if_exists=True)
        operations.drop_column(step.table, step.column)
        return
    operations.add_column(step.table, Column(step.column, step.type_, nullable=True))
    table, column = live.quote(step.table), live.quote(step.column)
    with live.looking():
        if step.parent is None:
            statement = text(f"UPDATE {table} SET {column} = :tenant")  # noqa: S608 - names, quoted
            live.connection.execute(statement, {"tenant": step.fill})
        else:
            own, owner, key = (live.quote(one) for one in step.way)
            whose = f"SELECT amanah_up.{column} FROM {owner} AS amanah_up WHERE amanah_up.{key} = {table}.{own}"  # noqa: S608
            live.run(f"UPDATE {table} SET {column} = ({whose})")  # noqa: S608
        live.refuse_without_value(step.column, in_column=step.column)
    if live.postgresql:
        operations.alter_column(step.table, step.column, nullable=False)
    else:
        check_foreign_keys(live.connection, step.table)
        words = words_of(live.connection, step.table)
        words.demand(step.column)
        rebuild(live.connection, step.table, words)
    operations.create_index(index, step.table, [step.column])


__all__ = ["TenantColumnStep"]
