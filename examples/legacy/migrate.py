"""Bring a database up to date: `python -m legacy.migrate [--down] URL`."""

import argparse
from collections.abc import Sequence

from alembic import command
from alembic.config import Config

from .config import FOLDER


def config(url: str) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER / "migrations"))
    settings.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return settings


def upgrade(url: str) -> None:
    command.upgrade(config(url), "head")


def downgrade(url: str) -> None:
    command.downgrade(config(url), "base")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m legacy.migrate", description="Bring a database up to date.")
    parser.add_argument("url")
    parser.add_argument("--down", action="store_true", help="take all tables away")
    options = parser.parse_args(arguments)
    (downgrade if options.down else upgrade)(options.url)


if __name__ == "__main__":
    main()
