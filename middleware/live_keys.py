"""The doctor's look at what the walls lean on in the database: the way from a row to its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text

from .checks_of_installation import REPLACES, SHADOWED, VIA_UNBOUND, VIA_UNINDEXED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine, Inspector

    from .fields import Protected, Register
    from .finding import Finding

_REACHED: Final = """
SELECT c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
AND NOT pg_table_is_visible(c.oid) ORDER BY 1, 2
"""
"""What is in the search path and hidden by another of the same name that comes before it."""
_HERE: Final = frozenset({None, "", "localhost", "127.0.0.1", "::1"})


def live_parents(register: Register, engine: Engine) -> Iterator[Finding]:
    """Where rows belong to their tenant by a parent: whether the database keeps to it, and finds it without a scan."""
    inspector = inspect(engine)
    for table in register.tables.values():
        if table.via is None or not inspector.has_table(table.name, schema=table.table.schema):
            continue
        column = f"{table.name}.{table.via.column}"
        if not _bound(inspector, table, table.via.column, table.via.parent.name):
            yield VIA_UNBOUND(column, parent=table.via.parent.name)
        if not is_indexed(inspector, table, table.via.column):
            yield VIA_UNINDEXED(column, table=table.name, column=table.via.column)


def _bound(inspector: Inspector, table: Protected, column: str, parent: str) -> bool:
    keys = inspector.get_foreign_keys(table.name, schema=table.table.schema)
    return any(one["constrained_columns"] == [column] and one["referred_table"] == parent for one in keys)


def is_indexed(inspector: Inspector, table: Protected, column: str) -> bool:
    """Whether some index begins with it."""
    name, schema = table.name, table.table.schema
    firsts = {
        *inspector.get_pk_constraint(name, schema=schema)["constrained_columns"][:1],
        *(first for one in inspector.get_indexes(name, schema=schema) for first in one["column_names"][:1]),
        *(first for one in inspector.get_unique_constraints(name, schema=schema) for first in one["column_names"][:1]),
    }
    return column in firsts


def live_conflicts(register: Register, engine: Engine) -> Iterator[Finding]:
    """Tables that stand before a protected one in the search path, and conflicts that delete rows unseen."""
    names = {table.name for table in register.tables.values() if table.table.schema is None}
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            for name, sql in made:
                if name in names and "on conflict replace" in " ".join((sql or "").lower().split()):
                    yield REPLACES(name)
        elif engine.dialect.name == "postgresql":
            for name, schema in connection.execute(text(_REACHED)):
                if name in names:
                    yield SHADOWED(name, schema=schema)


def is_elsewhere(url: URL) -> bool:
    """Whether the server is on another machine; a socket's folder and one's own machine answer or refuse at once."""
    hosts = url.query.get("host") or url.host
    first = hosts if isinstance(hosts, str) or hosts is None else hosts[0]
    return first not in _HERE and not str(first).startswith("/")


__all__ = ["is_elsewhere", "is_indexed", "live_conflicts", "live_parents"]
