"""`python -m iconix.seed [--rows N] [--seed N] [URL]`: fill a migrated, empty database with invented companies."""

import argparse
import asyncio
import datetime as dt
import os

from iconix.database import create_engine, create_sessions

from .accounts import DEMO_ACCOUNTS
from .tenants import UNTIL, USUAL_ROWS, seed


async def fill(url: str, rows: int, number: int, until: dt.date) -> None:
    """Fill the database."""
    engine = create_engine(url)
    try:
        await seed(create_sessions(engine), rows=rows, seed=number, until=until)
    finally:
        await engine.dispose()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m iconix.seed", description="Fill an empty database with a demo.")
    parser.add_argument("url", nargs="?", default=os.environ.get("ICONIX_DATABASE_URL"))
    parser.add_argument("--rows", type=int, default=USUAL_ROWS, help="about how many rows (%(default)s)")
    parser.add_argument("--seed", type=int, default=20261101, help="the same number, the same rows (%(default)s)")
    parser.add_argument("--until", type=dt.date.fromisoformat, default=UNTIL, help="the last day (%(default)s)")
    options = parser.parse_args()
    if not options.url:
        parser.error("give a database URL, or set ICONIX_DATABASE_URL")
    asyncio.run(fill(options.url, options.rows, options.seed, options.until))
    for account in DEMO_ACCOUNTS:
        print(f"{account.tenant:14} {account.role:19} {account.email:36} {account.password}")


if __name__ == "__main__":
    main()
