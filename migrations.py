"""The migrations of Amanah's own tables: bring a database up to date, and tell whether it is.

There are two branches, each with its own head, because the tables of ``core`` and of ``trail`` may live in two
databases (`database.trail_url`). Both note their version in ``amanah_alembic_version``, so that an application's own
Alembic, with its own version table, never meets them.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from sqlalchemy import String, column, select, table, text
from sqlalchemy.exc import DatabaseError

from .database import own_engine, own_url, trail_url
from .errors import DatabaseNotMigrated

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.config import Config
    from sqlalchemy import URL, ColumnClause, Connection, Engine

Branch: TypeAlias = Literal["core", "trail"]

VERSION_TABLE: Final = "amanah_alembic_version"

OWN_TABLES: Final = "amanah_"
"""So begin the names of all tables of ours."""

PARTITIONS: Final = "amanah_entry_"
"""So begin the names of the log's partitions."""

# Next to this module, also inside a wheel.
_SCRIPTS = Path(__file__).parent / "alembic"

_LOCK = 0x616D616E6168  # "amanah": one upgrade at a time, whichever process began it


def upgrade(url: str | URL) -> None:
    """Bring Amanah's tables beside the application at ``url`` to this library's version; harmless when they are.

    Each branch is one transaction. Raises what the database raises.
    """
    _upgrade(own_url(url), "core")
    _upgrade(trail_url(url), "trail")


def _upgrade(url: URL, branch: Branch) -> None:
    from alembic import command  # an application that only starts does not load Alembic

    engine = own_engine(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            else:
                # The driver would begin at the first INSERT only, after the tables of a half-done upgrade are made.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(configuration(connection), f"{branch}@head")
    finally:
        engine.dispose()


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration for Amanah's migrations, working on ``connection`` and in its transaction."""
    from alembic.config import Config

    config = Config(stdout=io.StringIO())
    # Alembic reads % as interpolation, and a folder's name may hold one.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def comparable(dialect: str) -> Callable[..., bool]:
    """Alembic's ``include_object`` for comparing our models with a database of the kind ``dialect``.

    Some of our tables and indexes are for one kind of database only, and partitions of the log are made as it grows.
    """

    def include(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001 - theirs
        if kind == "table":
            made = str(name).startswith(PARTITIONS)
            return str(name).startswith(OWN_TABLES) and not made and item.info.get("dialect", dialect) == dialect
        return kind != "index" or item.info.get("dialect", dialect) == dialect

    return include


@cache
def head(branch: Branch) -> str:
    """The revision that this library works with."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(configuration()).get_revision(f"{branch}@head")
    return str(revision.revision)


def check(engine: Engine, branch: Branch = "core") -> None:
    """Raise DatabaseNotMigrated unless the tables of ``branch`` are there in this library's version. One query.

    A database that cannot be reached raises SQLAlchemy's own error instead.
    """
    version: ColumnClause[str] = column("version_num", String)
    versions = select(version).select_from(table(VERSION_TABLE))
    with engine.connect() as connection:
        try:
            found = connection.scalars(versions).all()
        except DatabaseError as error:
            raise DatabaseNotMigrated from error
    if head(branch) not in found:
        raise DatabaseNotMigrated
