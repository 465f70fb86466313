"""One live table in one migration: its transaction, what is looked for in its rows, and its triggers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import text

from ..errors import RowsNotSealed, RowsOnlySealed, RowsUnseen, RowsWithoutValue, ValuesRepeated
from ..middleware.siblings import sealed_name, search_names
from .alembic_triggers import Triggers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations import Operations
    from sqlalchemy import Connection

    from .alembic_step import SealingStep
    from .alembic_triggers import State


class LiveTable:
    """The table of a step. Nothing that it raises names a value."""

    def __init__(self, operations: Operations, step: SealingStep) -> None:
        self._operations = operations
        self._step = step
        dialect = operations.get_context().dialect
        self.postgresql = dialect.name == "postgresql"
        self.quote = dialect.identifier_preparer.quote_identifier

    @property
    def connection(self) -> Connection:
        """The database. Raises `RowsUnseen` where the migration is only written down as SQL."""
        if self._operations.get_context().as_sql:
            raise RowsUnseen(table=self._step.table)
        return self._operations.get_bind()

    def run(self, sql: str) -> None:
        """Execute a statement, or write it down."""
        self._operations.execute(text(sql.replace(":", "\\:")))

    def begin(self) -> None:
        """On SQLite, begin what the driver would begin at the first INSERT only: DDL is then a part of it."""
        if self.postgresql or self._operations.get_context().as_sql:
            return
        driver = self.connection.connection.driver_connection
        if driver is not None and not driver.in_transaction:
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Keep writers out to the end of the transaction, and see every row."""
        connection, table = self.connection, self.quote(self._step.table)
        self.begin()
        if not self.postgresql:
            yield
            return
        # At once what the triggers need: a lock that grows meets those who read first and then write.
        connection.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        # Row-level security would hide rows of the tenants, and the owner is no exception where it is forced.
        forced = connection.execute(
            text("SELECT relforcerowsecurity FROM pg_class WHERE oid = to_regclass(:name)"), {"name": table}
        ).scalar()
        if forced:
            connection.exec_driver_sql(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        connection.exec_driver_sql("SET LOCAL row_security = off")  # hidden rows are then an error
        yield
        connection.exec_driver_sql("SET LOCAL row_security = on")
        if forced:
            connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")

    # -- what stops a step --

    def refuse_not_sealed(self, column: str, *, searched: bool = False) -> None:
        """Raise `RowsNotSealed` for rows with a plain value and no sealed one, or no token where it is searched."""
        lacking = f"{self.quote(sealed_name(column))} IS NULL"
        if searched:
            lacking += f" OR ({' AND '.join(f'{self.quote(one)} IS NULL' for one in search_names(column))})"
        if count := self._count(f"{self.quote(column)} IS NOT NULL AND ({lacking})"):
            raise RowsNotSealed(table=self._step.table, field=f"{self._step.table}.{column}", count=count)

    def refuse_only_sealed(self, column: str) -> None:
        """Raise `RowsOnlySealed` for rows with a sealed value and no plain one."""
        if count := self._count(f"{self.quote(column)} IS NULL AND {self.quote(sealed_name(column))} IS NOT NULL"):
            raise RowsOnlySealed(table=self._step.table, field=f"{self._step.table}.{column}", count=count)

    def refuse_without_value(self, column: str, *, in_column: str) -> None:
        """Raise `RowsWithoutValue` for rows in which ``in_column`` is to be NOT NULL and is not."""
        if count := self._count(f"{self.quote(in_column)} IS NULL"):
            raise RowsWithoutValue(table=self._step.table, field=f"{self._step.table}.{column}", count=count)

    def refuse_repeated(self, columns: Sequence[str]) -> None:
        """Raise `ValuesRepeated` where ``columns`` together are not unique."""
        names = ", ".join(map(self.quote, columns))
        there = " AND ".join(f"{self.quote(one)} IS NOT NULL" for one in columns)
        groups = f"SELECT 1 FROM {self.quote(self._step.table)} WHERE {there} GROUP BY {names} HAVING count(*) > 1"  # noqa: S608 - names, quoted
        if count := self._scalar(f"SELECT count(*) FROM ({groups}) AS repeated"):  # noqa: S608
            raise ValuesRepeated(table=self._step.table, field=f"{self._step.table}({', '.join(columns)})", count=count)

    def _count(self, condition: str) -> int:
        sql = f"SELECT count(*) FROM {self.quote(self._step.table)} WHERE {condition}"  # noqa: S608 - names, quoted
        return self._scalar(sql)

    def _scalar(self, sql: str) -> int:
        return int(self.connection.execute(text(sql.replace(":", "\\:"))).scalar_one())

    # -- triggers --

    def set_triggers(self, state: State, search: Sequence[str] = ()) -> None:
        """Put the triggers of a state in place of those that are there."""
        self.drop_triggers()
        for column in self._step.columns:
            for sql in self._triggers(column).make(state, search=column in search):
                self.run(sql)

    def drop_triggers(self) -> None:
        """Take the triggers of these columns away."""
        there = self._triggers_there()
        for column in self._step.columns:
            for sql in self._triggers(column).drop():
                if there is None or any(name in sql for name in there):
                    self.run(sql)

    def _triggers_there(self) -> list[str] | None:
        """The triggers that the table has; None where that is not asked. Each DROP is a statement, most for nothing."""
        if self.postgresql or self._operations.get_context().as_sql:
            return None
        sql = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table COLLATE NOCASE")
        return list(self.connection.execute(sql, {"table": self._step.table}).scalars())

    def _triggers(self, column: str) -> Triggers:
        step = self._step
        return Triggers(self.quote, postgresql=self.postgresql, table=step.table, column=column, row=step.row)
