"""Bring a database to the app's tables: `python -m iconix.migrate [--protected] [--down] [URL]`.

There are two branches. `iconix` holds the app's own tables. `protected` turns the columns that are to be sealed into
bytes and adds the columns that they are searched by; it is applied to a fresh database, before the first row.
"""

import argparse
import os
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from iconix.database import async_url
from iconix.models import Base

MIGRATIONS = Path(__file__).parent / "migrations"
SYNC_DRIVERS = {"sqlite+aiosqlite": "sqlite+pysqlite", "postgresql+asyncpg": "postgresql+psycopg"}


def sync_url(url: str | sa.URL) -> sa.URL:
    """Return the URL with a driver that works without asyncio."""
    parsed = async_url(url)
    return parsed.set(drivername=SYNC_DRIVERS.get(parsed.drivername, parsed.drivername))


def config(connection: sa.Connection) -> Config:
    """Return Alembic's configuration for the app's migrations on one connection."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    return settings


def upgrade(url: str | sa.URL, protected: bool = False) -> None:  # noqa: FBT001, FBT002 - reads well where it is used
    """Create or update the app's tables; with `protected`, ready for sealed columns."""
    with _connection(url) as connection:
        settings = config(connection)
        command.upgrade(settings, "iconix@head")
        if protected:
            command.upgrade(settings, "protected@head")


def downgrade(url: str | sa.URL, protected_only: bool = False) -> None:  # noqa: FBT001, FBT002
    """Take the app's tables away again; with `protected_only`, just the readiness for sealed columns."""
    with _connection(url) as connection:
        settings = config(connection)
        command.downgrade(settings, "protected@base")
        if not protected_only:
            command.downgrade(settings, "iconix@base")


def differences(url: str | sa.URL) -> list[object]:
    """Return how the database's tables (branch `iconix` alone) differ from the models: nothing, if all is well."""
    options = {"include_name": lambda name, kind, _: kind != "table" or name in Base.metadata.tables}
    with _connection(url) as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


class _connection:  # noqa: N801 - used as a function
    """One connection in one transaction; SQLite takes part with its DDL, so that a failed migration leaves nothing."""

    def __init__(self, url: str | sa.URL) -> None:
        self.engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
            sa.event.listen(self.engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))

    def __enter__(self) -> sa.Connection:
        self.begun = self.engine.begin()
        return self.begun.__enter__()

    def __exit__(self, *problem: object) -> None:
        self.begun.__exit__(*problem)  # type: ignore[arg-type]
        self.engine.dispose()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m iconix.migrate", description="Create or update the app's tables.")
    parser.add_argument("url", nargs="?", default=os.environ.get("ICONIX_DATABASE_URL"))
    parser.add_argument("--protected", action="store_true", help="get ready for sealed columns")
    parser.add_argument("--down", action="store_true", help="take the tables away again")
    options = parser.parse_args()
    if not options.url:
        parser.error("give a database URL, or set ICONIX_DATABASE_URL")
    if options.down:
        downgrade(options.url, protected_only=options.protected)
    else:
        upgrade(options.url, options.protected)


if __name__ == "__main__":
    main()
