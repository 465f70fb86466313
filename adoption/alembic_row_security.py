"""Row-level security as operations of the application's own Alembic: the second wall between tenants.

``import amanah.operations`` in a migration gives ``op`` the operation and its way back. On other databases than
PostgreSQL they do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, Operations

from ..errors import ConfigurationError
from ..middleware.row_security import SIGN_IN_POLICY, TENANT_POLICY, RowSecurity
from .alembic_rendering import IMPORT, call
from .autogenerate import INDEXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

_LEADING: Final = (
    "SELECT 1 FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid "
    "AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass('{table}') AND a.attname = '{column}' "
    "AND i.indpred IS NULL"
)
"""Whether an index begins with the column."""


@Operations.register_operation("enable_row_security")
@Operations.register_operation("disable_row_security")
class RowSecurityStep(MigrateOperation):
    """The wall in front of one table, or the way back from it."""

    def __init__(self, wall: RowSecurity, *, back: bool = False, before: RowSecurity | None = None) -> None:
        """``before``: the wall that is there now, to which the way back leads."""
        self.wall = wall
        self.table = wall.table
        self.back = back
        self.before = before

    @classmethod
    def enable_row_security(
        cls,
        operations: Operations,
        table: str,
        *,
        tenant: str | None = None,
        type_: TypeEngine[Any] | None = None,
        via: Sequence[str] = (),
        fixed: str | None = None,
        sign_in: bool = False,
        schema: str | None = None,
    ) -> None:
        """PostgreSQL shows and takes rows of the transaction's tenant only, also to the table's owner.

        Where no index begins with the tenant's column one is made, ``ix_amanah_<table>``, which keeps writers out
        meanwhile; make one with CONCURRENTLY before, where the table is large.

        Args:
            operations: Alembic's.
            table: whose rows they are.
            tenant: the column that says to which tenant a row belongs; with ``via``, the last parent's.
            type_: that column's type, unless it is text.
            via: the way from the table to that parent, each step as ``"order_id=order.id"``.
            fixed: the one tenant of all rows, instead of ``tenant``.
            sign_in: whoever signs in sees all rows, as ``declare(…, sign_in=True)`` says.
            schema: where the table and its parents are, if it is not on the search path.

        Raises `ConfigurationError` for arguments that do not say whose the rows are.
        """
        operations.invoke(cls(_wall(table, tenant, type_, via, fixed, sign_in=sign_in, schema=schema)))

    @classmethod
    def disable_row_security(
        cls,
        operations: Operations,
        table: str,
        *,
        tenant: str | None = None,
        type_: TypeEngine[Any] | None = None,
        via: Sequence[str] = (),
        fixed: str | None = None,
        sign_in: bool = False,
        schema: str | None = None,
    ) -> None:
        """The way back from `enable_row_security`, with the same arguments."""
        wall = _wall(table, tenant, type_, via, fixed, sign_in=sign_in, schema=schema)
        operations.invoke(cls(wall, back=True))

    def reverse(self) -> RowSecurityStep:
        """The way back from it."""
        if self.before is not None:
            return RowSecurityStep(self.before, before=self.wall)
        return RowSecurityStep(self.wall, back=not self.back)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What Alembic shows of it."""
        return ("disable_row_security" if self.back else "enable_row_security", self.table)

    def facts(self) -> dict[str, Any]:
        """The arguments that stand in the migration."""
        wall = self.wall
        return {
            "tenant": wall.tenant,
            "type_": wall.kind,
            "via": [f"{column}={parent}.{key}" for column, parent, key in wall.via],
            "fixed": wall.fixed,
            "sign_in": wall.sign_in,
            "schema": wall.schema,
        }


def _wall(
    table: str,
    tenant: str | None,
    type_: TypeEngine[Any] | None,
    via: Sequence[str],
    fixed: str | None,
    *,
    sign_in: bool,
    schema: str | None,
) -> RowSecurity:
    if (tenant is None) == (fixed is None):
        raise ConfigurationError(detail=f"row security of {table} takes tenant= or fixed=")
    steps = []
    for step in via:
        column, _, parent = step.partition("=")
        parent, _, key = parent.rpartition(".")
        if not (column and parent and key):
            raise ConfigurationError(detail=f"row security of {table}: via takes steps as 'order_id=order.id'")
        steps.append((column, parent, key))
    return RowSecurity(table, tenant=tenant, kind=type_, via=tuple(steps), fixed=fixed, sign_in=sign_in, schema=schema)


@renderers.dispatch_for(RowSecurityStep)
def _render(context: AutogenContext, step: RowSecurityStep) -> str:
    context.imports.add(IMPORT)
    return call(context, step.to_diff_tuple()[0], step.table, None, step.facts())


@Operations.implementation_for(RowSecurityStep)
def row_security_step(operations: Operations, step: RowSecurityStep) -> None:
    """See `RowSecurityStep.enable_row_security`. Taken again it sets what the arguments say now."""
    dialect = operations.get_context().dialect
    if dialect.name != "postgresql":
        return
    name = step.wall.name(dialect)
    for index in _indexes(step.wall, dialect, back=step.back):
        operations.execute(index)
    for policy in (TENANT_POLICY, SIGN_IN_POLICY):
        operations.execute(f"DROP POLICY IF EXISTS {policy} ON {name}")
    if step.back:
        operations.execute(f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
        return
    for policy, condition in step.wall.policies(dialect).items():
        words = condition.replace(":", "\\:")  # Alembic takes it for a text with parameters
        operations.execute(f"CREATE POLICY {policy} ON {name} USING ({words}) WITH CHECK ({words})")
    operations.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def _indexes(wall: RowSecurity, dialect: Dialect, *, back: bool) -> Iterator[str]:
    """An index that begins with the tenant's column of this very table, unless there is one; the way back drops it."""
    if wall.tenant is None or wall.via:
        return
    quote = dialect.identifier_preparer.quote_identifier
    index = f"{INDEXES}{wall.table}"[:63]
    if back:
        yield f"DROP INDEX IF EXISTS {'.'.join(map(quote, filter(None, [wall.schema, index])))}"
        return
    name = wall.name(dialect)
    said, column = (value.replace("'", "''") for value in (name, wall.tenant))
    there = _LEADING.format(table=said, column=column)
    made = f"CREATE INDEX {quote(index)} ON {name} ({quote(wall.tenant)})"
    yield f"DO $amanah$ BEGIN IF NOT EXISTS ({there}) THEN {made}; END IF; END $amanah$".replace(":", "\\:")


__all__ = ["RowSecurityStep"]
