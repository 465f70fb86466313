"""Looks for personal values in everything that a database leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, create_engine, inspect, make_url, select, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Columns = "Mapping[str, Sequence[str]]"
_SHORTEST = 6
"""A shorter text stands in any file by chance."""
_DRIVERS = {"postgresql+asyncpg": "postgresql+psycopg", "sqlite+aiosqlite": "sqlite+pysqlite"}


def engine_of(url: str, folder: Path) -> Any:
    """The database itself, past the application; a file lies below ``folder``."""
    made = make_url(url)
    made = made.set(drivername=_DRIVERS.get(made.drivername, made.drivername))
    if made.get_backend_name() == "sqlite":
        made = made.set(database=str(folder / (made.database or "")))
    return create_engine(made)


def values_of(engine: Any, columns: Mapping[str, Sequence[str]]) -> set[str]:
    """What stands in these columns now, as text."""
    found: set[str] = set()
    with engine.connect() as connection:
        for table, names in columns.items():
            there = {one["name"] for one in inspect(connection).get_columns(table)}
            for name in [name for name in names if name in there]:
                rows = connection.execute(text(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL")).scalars()
                found |= {str(row) for row in rows}
    return found


def where_found(engine: Any, folder: Path, canaries: Iterable[str]) -> dict[str, list[str]]:
    """Canary → the files and columns in which it stands. All files below ``folder`` are read, byte by byte, and every
    value of every table.
    """  # noqa: D205
    wanted = {one: one.encode() for one in canaries if len(one) >= _SHORTEST}
    places: dict[str, list[str]] = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.read_bytes()
        for one, raw in wanted.items():
            if raw in content or one.encode("utf-16-le") in content:
                places.setdefault(one, []).append(path.name)
    for name, content in _columns(engine):
        for one, raw in wanted.items():
            if raw in content:
                places.setdefault(one, []).append(name)
    return places


def _columns(engine: Any) -> Iterable[tuple[str, bytes]]:
    """Every column of every table with all its values."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(*(one.label(f"c{n}") for n, one in enumerate(table.columns)))).all()
            for number, column in enumerate(table.columns):
                yield f"{table.name}.{column.name}", b"\0".join(_bytes(row[number]) for row in rows)


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
