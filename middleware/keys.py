"""Integer keys that the database assigns, reserved before the INSERT, because a value is sealed for its row.

PostgreSQL: ``nextval`` of the column's own sequence, as often as rows are to come. SQLite: a counter row, never below
the highest key in the table, taken under SQLite's one write lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Connection, Sequence, String, Table, func, select

from ..database import core
from ..errors import SealedWriteRefused

if TYPE_CHECKING:
    from typing import Final

INTERNAL: Final = object()
"""As the execution option ``amanah_internal`` it marks Amanah's own statements on the application's connection."""

counter = Table(
    "amanah_counter",
    core,
    Column("name", String(128), primary_key=True),
    Column("last", BigInteger, nullable=False),
)


def _quoted(connection: Connection, sequence: Sequence) -> str:
    return str(connection.dialect.identifier_preparer.format_sequence(sequence))


def reserve(connection: Connection, column: Column[Any], count: int) -> list[int]:
    """``count`` fresh values for the integer key ``column``; they are never handed out again, used or not."""
    table = column.table
    if not isinstance(table, Table):
        raise SealedWriteRefused(field=column.name, detail="its table is not known")
    if connection.dialect.name == "postgresql":
        name: Any = (
            _quoted(connection, column.default)
            if isinstance(column.default, Sequence)
            else func.pg_get_serial_sequence(connection.dialect.identifier_preparer.format_table(table), column.name)
        )
        numbers = func.generate_series(1, count).table_valued("n")
        values = list(connection.execute(select(func.nextval(name)).select_from(numbers)).scalars())
        if None in values:
            raise SealedWriteRefused(field=table.name, detail=f"{column.name} has no sequence of its own")
        return [int(v) for v in values]
    options = {"amanah_internal": INTERNAL}
    label = f"{table.name}.{column.name}"
    moved = connection.execute(
        counter.update().where(counter.c.name == label).values(last=counter.c.last), execution_options=options
    )
    if not moved.rowcount:
        connection.execute(counter.insert().values(name=label, last=0), execution_options=options)
    quote = connection.dialect.identifier_preparer.quote
    highest = connection.exec_driver_sql(
        f"SELECT max({quote(column.name)}) FROM {quote(table.name)}",  # noqa: S608 - names from the metadata, quoted
        execution_options=options,
    ).scalar()
    last = connection.execute(
        select(counter.c.last).where(counter.c.name == label), execution_options=options
    ).scalar_one()
    first = max(int(last), int(highest or 0)) + 1
    connection.execute(
        counter.update().where(counter.c.name == label).values(last=first + count - 1), execution_options=options
    )
    return list(range(first, first + count))
