"""Whether the database has the tables and columns that the models name. Only its catalogue is read, never a row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from ..database import own_url
from ..errors import ConfigurationError, DatabaseDiffers, DatabaseMissing
from ..i18n import N_

if TYPE_CHECKING:
    from sqlalchemy import Engine, Inspector, MetaData

_SHOWN: Final = 12


def compare(engine: Engine | AsyncEngine, metadata: MetaData) -> list[str]:
    """The tables of the database that the models do not know, without Amanah's and Alembic's own.

    Raises `DatabaseDiffers` where the models name what the database lacks, and `DatabaseMissing`.
    """
    url = (engine.sync_engine if isinstance(engine, AsyncEngine) else engine).url
    place = url.render_as_string(hide_password=True)
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(detail=N_("Amanah's own tables live in PostgreSQL or SQLite"))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DatabaseMissing(place=place)  # opening it would make an empty file
    try:
        looking = create_engine(own_url(url), poolclass=NullPool)
        with looking.connect() as connection:
            inspector = inspect(connection)
            missing = _missing(inspector, metadata)
            known = set(inspector.get_table_names())
    except ImportError:
        raise ConfigurationError(detail=N_("the driver is missing: pip install amanah[postgresql]")) from None
    except DBAPIError:
        raise DatabaseMissing(place=place) from None
    if missing:
        more = f" … (+{len(missing) - _SHOWN})" if len(missing) > _SHOWN else ""
        raise DatabaseDiffers(place=place, missing=", ".join(missing[:_SHOWN]) + more)
    mapped = {table.name for table in metadata.tables.values()}
    return sorted(name for name in known - mapped if not name.startswith(("amanah_", "alembic_", "sqlite_")))


def _missing(inspector: Inspector, metadata: MetaData) -> list[str]:
    """``table`` where the table is missing, else ``table.column``."""
    missing: list[str] = []
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name, schema=table.schema):
            missing.append(table.fullname)
            continue
        there = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
        missing += [f"{table.fullname}.{column.name}" for column in table.columns if column.name not in there]
    return missing
