"""Bring a database to the current tables: `python -m apotek.migrate [URL] [--to REVISION]`."""

import argparse
from pathlib import Path

from alembic import command
from alembic.config import Config

from . import config


def migrate(url: str, to: str = "head") -> None:
    """Go to a revision, up or (to `base`) down."""
    alembic = Config(Path(__file__).parent / "alembic.ini")
    alembic.attributes["url"] = url
    (command.downgrade if to == "base" else command.upgrade)(alembic, to)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m apotek.migrate", description=__doc__)
    parser.add_argument("url", nargs="?", default=config.DATABASE_URL)
    parser.add_argument("--to", default="head", help="a revision, or base to take all tables away")
    options = parser.parse_args()
    migrate(options.url, options.to)


if __name__ == "__main__":
    main()
