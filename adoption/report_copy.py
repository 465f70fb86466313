"""``amanah report-copy``: a masked copy of one tenant's data for tools that read a database by themselves.

A BI tool that reads the application's database sees ciphertext, other tenants' rows, and leaves no trace. This is its
way out:

1. An access of its own is opened and recorded; the policy decides what it sees, and it narrows itself to masks.
2. The place is looked at before anything is read.
3. Each table is read through the gate, behind the walls, all of them as of one moment, a batch at a time. What was seen
   of a batch is on record before the next one is read.
4. An entry for each table says what was copied, and where to. Then the new copy takes the old one's place, whole.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, Table, func, insert, null, select

from ..audit.entries import What
from ..audit.staging import Staging
from ..database import own_engine
from ..errors import InvalidInput
from ..middleware.hooks import Gate
from ..middleware.keys import INTERNAL
from .report_copy_place import Place, marker, telling
from .report_copy_plan import Plan, plan
from .report_copy_postgresql import PostgresqlPlace
from .report_copy_sqlite import SqlitePlace
from .report_copy_types import plain, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, ColumnElement, Connection

    from ..guard import Guard
    from ..middleware.access import Access
    from .report_copy_place import Target
    from .report_copy_plan import TablePlan

    Progress = Callable[[str, int, int], None]
    """Table, rows copied so far, rows in all."""

ACTOR: Final = "report-copy"
PURPOSE: Final = "analytics.reporting"
REASON: Final = "reporting copy"
SCHEMA: Final = "reporting"

_BATCH: Final = 1000
"""Rows at a time: in memory, and in one entry of the trail."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to copy, for whom and where to. ``tables``: only these. ``clear``: ``table.column``, not to be masked.

    ``actor`` is the service account whose grants decide; ``schema`` the copy's in a PostgreSQL database.
    """

    tenant: str
    to: URL
    tables: frozenset[str] = frozenset()
    clear: frozenset[str] = frozenset()
    actor: str = ACTOR
    purpose: str = PURPOSE
    reason: str = REASON
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, or would be: ``rows`` by table; None where nothing was written."""

    plan: Plan
    place: str
    as_of: datetime
    rows: dict[str, int] | None = None


def report_copy(guard: Guard, order: Order, *, dry_run: bool = False, progress: Progress | None = None) -> Copied:
    """Write the copy, or with ``dry_run`` find out what would be written.

    Raises the refusals of admission, `Forbidden` and `InvalidInput` for what may not be copied, the errors below
    `CopyNotWritten`, and `TrailUnavailable`. Whatever is raised: an older copy stays as it was.
    """
    place = place_of(guard, order)
    with guard.access(
        tenant=order.tenant, actor=order.actor, purpose=order.purpose, reason=order.reason, kind="service"
    ) as access:  # 1
        planned = plan(guard, access, order.tables, order.clear)
        if not any(one.protected or one.table.name in order.tables for one in planned.tables):
            raise InvalidInput(detail="there is no table that this account may copy for this purpose")
        if dry_run:
            place.check(order.tenant)
            return Copied(planned, place.name, datetime.now(UTC))
        with place.replacing(order.tenant) as target, _snapshot(guard) as source:  # 2
            as_of = datetime.now(UTC)
            rows = {
                one.table.name: _Copying(guard, access, one, source, target).run(progress) for one in planned.tables
            }  # 3
            _mark(guard, access, planned, rows, target, as_of)
            for one in planned.tables:
                _record(guard, access, one, rows[one.table.name], place)  # 4
        return Copied(planned, place.name, as_of, rows)


def place_of(guard: Guard, order: Order) -> Place:
    """Where the copy goes. Raises `InvalidInput` for an address that is none."""
    url = order.to
    if url.get_backend_name() == "postgresql":
        return PostgresqlPlace(url, order.schema)
    name = url.database
    if url.get_backend_name() != "sqlite" or name in (None, "", ":memory:") or name.startswith("file:") or url.query:
        raise InvalidInput(detail="a copy goes to a SQLite file or to PostgreSQL: sqlite:////path, postgresql://…")
    own = [one.url.database for one in (guard.engine, guard.trail_engine) if one.dialect.name == "sqlite"]
    return SqlitePlace(Path(name), [Path(one) for one in own if one])


@contextmanager
def _snapshot(guard: Guard) -> Iterator[Connection]:
    """The application's database behind the gate, all of it as of one moment, and only to be read.

    The gate is a whole one also where the guard only observes: what is not enforced yet is not copied.
    """
    engine = own_engine(guard.engine.url)
    Gate(guard.register, Staging(guard.trail_engine)).protect(engine)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.exec_driver_sql("BEGIN", execution_options={"amanah_internal": INTERNAL})
            yield connection
    finally:
        engine.dispose()


class _Copying:
    """One table on its way."""

    def __init__(self, guard: Guard, access: Access, table: TablePlan, source: Connection, target: Target) -> None:
        self._guard = guard
        self._access = access
        self._table = table
        self._source = source
        self._target = target

    def run(self, progress: Progress | None) -> int:
        """Copy all rows that this access reaches; how many there were."""
        name = self._table.table.name
        with telling(name):
            made = self._made()
            total = self._source.scalar(select(func.count()).select_from(self._table.table)) or 0
            done = 0
            for batch in self._batches():
                if self._access.notes.pending:
                    self._guard.writer.record(self._access.entry("job", "answered"))
                self._target.connection.execute(insert(made), batch)
                done += len(batch)
                if progress is not None:
                    progress(name, done, max(done, total))
            if progress is not None and not done:
                progress(name, 0, 0)
        return done

    def _made(self) -> Table:
        """The new table: plain types, nothing personal demanded, the primary key where all of it is there."""
        withheld = set(self._table.named("withheld"))
        source = self._table.table
        keyed = not withheld & {column.name for column in source.primary_key.columns}
        columns = []
        for one in self._table.columns:
            key = keyed and one.column.primary_key
            type_ = plain(one.column, sqlite=self._target.sqlite).type
            columns.append(Column(one.column.name, type_, primary_key=key, autoincrement=False, nullable=not key))
        made = Table(source.name, MetaData(schema=self._target.schema), *columns)
        made.create(self._target.connection)
        return made

    def _batches(self) -> Iterator[list[dict[str, Any]]]:
        """The rows as they go into the copy. What is withheld is not even selected."""
        shown = [one.column for one in self._table.columns if one.seen != "withheld"]
        values = [(column.name, plain(column, sqlite=self._target.sqlite).value) for column in shown]
        cells: list[ColumnElement[Any]] = [readable(column) for column in shown]
        if not shown:  # there are rows all the same
            values, cells = [(self._table.columns[0].column.name, str)], [null()]
        statement = select(*cells).select_from(self._table.table)
        with self._source.execution_options(yield_per=_BATCH).execute(statement) as result:
            for rows in result.partitions():
                yield [
                    {
                        name: None if cell is None else value(cell)
                        for (name, value), cell in zip(values, row, strict=True)
                    }
                    for row in rows
                ]


def _mark(guard: Guard, access: Access, planned: Plan, rows: dict[str, int], target: Target, as_of: datetime) -> None:
    """Write down in the copy what it is."""
    known = marker(MetaData(schema=target.schema))
    with telling(known.name):
        known.create(target.connection)
        target.connection.execute(
            insert(known),
            [
                {
                    "table_name": one.table.name,
                    "tenant": access.tenant,
                    "as_of": as_of.replace(tzinfo=None) if target.sqlite else as_of,
                    "posture": _posture(guard),
                    "purpose": access.purpose,
                    "row_count": rows[one.table.name],
                    "clear_columns": ", ".join(one.named("clear")),
                    "masked_columns": ", ".join(one.named("masked")),
                    "withheld_columns": ", ".join(one.named("withheld")),
                }
                for one in planned.tables
            ],
        )


def _posture(guard: Guard) -> str:
    if guard.posture is not None and not guard.posture.over:
        return f"observing until {guard.posture.until.isoformat()}"
    return "development" if guard.is_development else "production"


def _record(guard: Guard, access: Access, table: TablePlan, count: int, place: Place) -> None:
    """One entry for the table as a whole: what left the walls, and where to."""
    resource = table.protected.resource if table.protected is not None else table.table.name
    what = What(resource, "copy", columns=table.named("clear"), masked=table.named("masked"), count=count)
    detail = {
        "act": "report-copy",
        "table": table.table.name,
        "to": place.name,
        "withheld": ", ".join(table.named("withheld")),
    }
    entry = access.entry("job", "answered", what=(what,))
    guard.writer.record(replace(entry, detail={**entry.detail, **detail}))


__all__ = ["ACTOR", "PURPOSE", "REASON", "SCHEMA", "Copied", "Order", "place_of", "report_copy"]
