"""Which columns are worked on: named by people, declared in the right step, and there in the database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from ..database import own_engine, own_url, sqlstate
from ..errors import (
    ConfigurationError,
    InvalidInput,
    NothingToSeal,
    RowsHidden,
    SealingStepWrong,
    SiblingsMissing,
)
from ..i18n import N_
from ..middleware.binding import see_all
from ..middleware.engines import place_of
from .sealing_tables import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Engine

    from ..guard import Guard
    from ..middleware.fields import Field, Protected
    from ..middleware.siblings import Step

_HELD: Final = "42501"
"""SQLSTATE insufficient_privilege, PostgreSQL's appendix A."""


def chosen(guard: Guard, names: Sequence[str], steps: Sequence[Step]) -> list[Field]:
    """The columns that ``names`` name as ``table`` or ``table.column``; without names all that are in one of ``steps``.

    Of a whole table those that are in one of the steps. Raises `InvalidInput` for an unknown name, `SealingStepWrong`
    for a column or table that is in another step, `NothingToSeal` where no column is in one.
    """
    return _chosen(guard, names, lambda one: one.sealing in steps, " / ".join(steps))


def sealed(guard: Guard, names: Sequence[str]) -> list[Field]:
    """The columns that hold envelopes, in place or beside, in the same way; there may be none.

    Raises `InvalidInput` for a name that is unknown or not of a sealed column or table.
    """
    try:
        return _chosen(guard, names, lambda one: one.writes_sealed, "")
    except SealingStepWrong as error:
        raise InvalidInput(detail=f"{error.facts['field']} is not sealed") from None
    except NothingToSeal:
        return []


def _chosen(guard: Guard, names: Sequence[str], is_ready: Callable[[Field], bool], wanted: str) -> list[Field]:
    register = guard.register
    found: dict[str, Field] = {}
    everything = [f for known in register.tables.values() for f in known.fields.values()]
    for name in names:
        table_name, _, column = name.partition(".")
        table = register.by_name(table_name)
        if table is None:
            raise InvalidInput(detail=f"there is no protected table {_shown(table_name)}")
        mine = [f for f in table.fields.values() if not column or f.column == column]
        if not mine:
            what = f"{_shown(name)} is not declared personal" if column else f"{table.name} has no personal column"
            raise InvalidInput(detail=what)
        ready = [f for f in mine if is_ready(f)]
        if not ready:
            raise SealingStepWrong(field=name if column else table.name, step=_step(mine[0]), wanted=wanted)
        found |= {f.name: f for f in ready}
    if not names:
        found = {f.name: f for f in everything if is_ready(f)}
    if not found:
        raise NothingToSeal(wanted=wanted)
    return [found[name] for name in sorted(found)]


def _shown(name: str) -> str:
    return repr(name)[1:-1][:80]


def _step(field: Field) -> str:
    if field.sealing is not None:
        return f"sealing={field.sealing}"
    return "sealed in place" if field.sealed else "sealed=False"


@contextmanager
def engine_for(guard: Guard) -> Iterator[Engine]:
    """An engine of Amanah's own on the application's database; what goes through it meets no gate.

    By the URL of ``AMANAH_OWNER_URL`` where there is one. Raises `RowsHidden` where the role does not see the rows
    of all tenants, and `ConfigurationError` for a URL that leads elsewhere.
    """
    url = guard.engine.url
    if guard.settings.owner_url:
        url = own_url(guard.settings.owner_url)
        if place_of(url) != place_of(guard.engine.url):
            raise ConfigurationError(detail=N_("AMANAH_OWNER_URL leads to another database than the guard's engine"))
    isolation = {} if url.get_backend_name() == "sqlite" else {"isolation_level": "READ COMMITTED"}
    engine = own_engine(url, **isolation)
    see_all(engine.dialect)
    try:
        yield engine
    except DBAPIError as error:
        if sqlstate(error) == _HELD and "row-level security" in str(error.orig):
            raise RowsHidden from error
        raise
    finally:
        engine.dispose()


def stored_tables(engine: Engine, fields: Sequence[Field]) -> list[Stored]:
    """The tables of ``fields``. Raises `SiblingsMissing` where the database has not all of their columns."""
    return [Stored(table, mine, engine.dialect) for table, mine in tables_there(engine, fields)]


def tables_there(engine: Engine, fields: Sequence[Field]) -> list[tuple[Protected, list[Field]]]:
    """Each table of ``fields`` with its own of them. Raises as `stored_tables`."""
    there = inspect(engine)
    tables = {f.table.name: f.table for f in fields}
    missing = []
    for name in tables:
        columns = {one["name"] for one in there.get_columns(name)} if there.has_table(name) else set()
        missing += [
            f"{name}.{needed}"
            for one in fields
            if one.table.name == name
            for needed in one.columns
            if needed not in columns
        ]
    if missing:
        raise SiblingsMissing(columns=", ".join(missing))
    return [(table, [f for f in fields if f.table is table]) for table in tables.values()]


__all__ = ["chosen", "engine_for", "sealed", "stored_tables", "tables_there"]
