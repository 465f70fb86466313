"""`amanah revision`: which columns are due for a step of sealing, and what their migration has to say.

What is declared says how far the application is to come; the live database says how far each column has come, by its
triggers. A step is due for a column that stands right before it. A declaration may be one step ahead of the database,
because a migration runs before the processes that need it; the guard can be built though the database lacks columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from sqlalchemy import inspect, text
from sqlalchemy.exc import ProgrammingError

from ..errors import StepNotDue
from ..middleware.siblings import STEPS, sealed_name, search_names, trigger_name
from .alembic_operations import PlainColumns, ReadColumns, ReleasedColumns, SealedColumns
from .alembic_triggers import STATES
from .revision_facts import indexes_going, token_indexes, types_of, unique_going, unique_tokens
from .sealing_targets import chosen, engine_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Inspector

    from ..guard import Guard
    from ..middleware.fields import Field, Protected
    from ..middleware.siblings import Step
    from .alembic_step import SealingStep

Migration: TypeAlias = Literal["add", "read", "release", "drop"]

MIGRATIONS: Final[tuple[Migration, ...]] = get_args(Migration)

_DECLARED: Final[Mapping[Migration, Sequence[Step]]] = {
    "add": STEPS,
    "read": STEPS,
    "release": STEPS[1:],
    "drop": STEPS[2:],
}
"""What a column must be declared as: the processes that run must bear what the migration does."""

_BEFORE: Final[Mapping[Migration, str]] = {"add": "plain", "read": "lenient", "release": "strict", "drop": "released"}
"""Where a column must stand in the database."""

_STANDS: Final = {
    "plain": "has no sealed column yet: the next step is add",
    "lenient": "has its sealed column: the next step is read",
    "strict": "can be read sealed: the next step is release",
    "released": "is released: the next step is drop",
    "dropped": "is dropped: all steps are done",
    "unwatched": "has a sealed column and no trigger of Amanah's: it was not made by op.add_sealed_columns",
}


def due(guard: Guard, migration: Migration, names: Sequence[str] = ()) -> list[SealingStep]:
    """The operations of a step, one a table, for columns named ``table`` or ``table.column``; default: all.

    Raises `StepNotDue` where no column stands right before the step, or a named one does not, or rows are left to be
    sealed; `SealingStepWrong`, `NothingToSeal` and `InvalidInput` as `sealing_targets.chosen`; SQLAlchemy's errors.
    """
    fields = chosen(guard, names, _DECLARED[migration])
    with engine_for(guard) as engine, engine.connect() as connection:
        inspector = inspect(connection)
        stands = _stands(connection, inspector, fields)
        ready = [one for one in fields if stands[one.name] == _BEFORE[migration]]
        late = [one for one in fields if one not in ready and (one.name in names or not ready)]
        if late:
            raise StepNotDue(detail="; ".join(f"{one.name} {_STANDS[stands[one.name]]}" for one in late) + ".")
        if migration == "read":
            _check_rows(connection, inspector, ready)
        tables = {one.table.name: one.table for one in ready}
        return [
            _operation(connection, inspector, migration, table, [one for one in ready if one.table is table])
            for table in tables.values()
        ]


def _stands(connection: Connection, inspector: Inspector, fields: Sequence[Field]) -> dict[str, str]:
    """How far each column has come."""
    if connection.dialect.name == "postgresql":
        triggers = set(connection.scalars(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")))
    else:
        triggers = set(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
    found = {}
    for name in {one.table.name for one in fields}:
        if not inspector.has_table(name):
            raise StepNotDue(detail=f"the database has no table {name}.")
        columns = {one["name"] for one in inspector.get_columns(name)}
        for field in (one for one in fields if one.table.name == name):
            found[field.name] = _stand(field, columns, triggers)
    return found


def _stand(field: Field, columns: set[str], triggers: set[str]) -> str:
    if sealed_name(field.column) not in columns:
        return "plain"
    if field.column not in columns:
        return "dropped"
    state = next((one for one in STATES if trigger_name(field.table.name, field.column, one) in triggers), "unwatched")
    lacking = [one for one in search_names(field.column) if field.search and one not in columns]
    if state != "unwatched" and lacking:
        raise StepNotDue(
            detail=f"{field.name} is declared with search= and has no {lacking[0]}: take the step add back, and take "
            "it again."
        )
    return state


def _check_rows(connection: Connection, inspector: Inspector, fields: Sequence[Field]) -> None:
    """Raise `StepNotDue` while rows are left. The operation asks again, with writers kept out."""
    quote = inspector.dialect.identifier_preparer.quote_identifier
    for field in fields:
        lacking = [quote(field.sealed_column) + " IS NULL"]
        if field.search:  # one of the two, whichever the index key in use fills
            lacking.append(f"({' AND '.join(quote(one) + ' IS NULL' for one in field.index_columns)})")
        where = f"{quote(field.column)} IS NOT NULL AND ({' OR '.join(lacking)})"
        try:
            with connection.begin_nested():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SET LOCAL row_security = off")  # hidden rows are then an error
                count = connection.exec_driver_sql(
                    f"SELECT count(*) FROM {quote(field.table.name)} WHERE {where}"  # noqa: S608 - names, quoted
                ).scalar()
        except ProgrammingError:
            continue  # not all rows are to be seen with these rights; those of the migration do
        if count:
            raise StepNotDue(detail=f"{count} rows of {field.name} are left to be sealed; run: amanah encrypt.")


def _operation(
    connection: Connection, inspector: Inspector, migration: Migration, table: Protected, fields: Sequence[Field]
) -> SealingStep:
    name, columns = table.name, [one.column for one in fields]
    row = list(dict.fromkeys([*filter(None, [table.owner_column]), *table.key]))
    search = [one.column for one in fields if one.search]
    if migration == "add":
        return SealedColumns(name, columns, row=row, search=search, indexes=token_indexes(table, fields))
    if migration == "read":
        return ReadColumns(name, columns, row=row, search=search, unique=unique_tokens(table, fields))
    if migration == "release":
        return ReleasedColumns(
            name,
            columns,
            row=row,
            required=[one.column for one in fields if one.required],
            unique=unique_going(inspector, table, fields),
            indexes=indexes_going(connection, inspector, table, fields),
        )
    return PlainColumns(name, types_of(inspector, table, fields), row=row)
