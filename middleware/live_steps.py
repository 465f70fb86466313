"""The doctor's look at live columns on their way to being sealed: is the database where the declaration is?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Integer, MetaData, Table, and_, func, inspect, select, text

from .checks_of_installation import PLAIN_LEFT, STEP_BEHIND
from .siblings import trigger_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Engine

    from .fields import Field, Register
    from .finding import Finding

STATES: Final = ("lenient", "strict", "released")
_FITTING: Final[Mapping[str, frozenset[str]]] = {
    "write_both": frozenset({"lenient", "strict"}),
    "read_sealed": frozenset({"strict", "released"}),
    "sealed_only": frozenset({"released"}),
}
"""In which states of the database's triggers a step is safe: its own, and that of the step to come."""
_OPERATIONS: Final = {
    "write_both": "op.add_sealed_columns",
    "read_sealed": "op.read_sealed_columns",
    "sealed_only": "op.release_plain_columns",
}
_TRIGGERS: Final = {
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def live_steps(register: Register, engine: Engine) -> Iterator[Finding]:
    """Where the database is at another step, and how many rows are still stored in plain only. Rows are counted."""
    beside = [one for one in register.fields.values() if one.sealing is not None]
    if not beside or engine.dialect.name not in _TRIGGERS:
        return
    inspector = inspect(engine)
    with engine.connect() as connection:
        triggers = set(connection.scalars(text(_TRIGGERS[engine.dialect.name])))
        for one in sorted(beside, key=lambda field: field.name):
            table = one.table.table
            there = (
                {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
                if inspector.has_table(table.name, schema=table.schema)
                else set()
            )
            if one.sealed_column in there:  # where it is missing, that is what is told
                yield from _step(connection, one, triggers, plain=one.column in there)


def _step(connection: Connection, one: Field, triggers: set[str], *, plain: bool) -> Iterator[Finding]:
    step = str(one.sealing)
    state = next((s for s in STATES if trigger_name(one.table.name, one.column, s) in triggers), "none")
    if plain and state not in _FITTING[step]:
        yield STEP_BEHIND(one.name, step=step, state=state, operation=_OPERATIONS[step])
    if plain and step != "sealed_only":
        left = _left(connection, one)
        if left:
            yield PLAIN_LEFT(one.name, count=str(left))


def _left(connection: Connection, one: Field) -> int:
    """How many rows have the plain value and no sealed one. Bare names: nothing of the values is looked at."""
    names = (Column(name, Integer) for name in (one.column, one.sealed_column))
    bare = Table(one.table.name, MetaData(), *names, schema=one.table.table.schema)
    plain_only = and_(bare.c[one.column].is_not(None), bare.c[one.sealed_column].is_(None))
    return int(connection.scalar(select(func.count()).select_from(bare).where(plain_only)) or 0)


__all__ = ["live_steps"]
