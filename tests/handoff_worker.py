"""A worker in a process of its own: takes up the hand-over that it is sent, says so, and waits to be killed.

python handoff_worker.py DATABASE_URL STATE_FOLDER
"""

from __future__ import annotations

import sys
import time

from sqlalchemy import Column, MetaData, String, Table, create_engine

from amanah import Guard


def main(url: str, state: str) -> None:
    metadata = MetaData()
    Table("invoice", metadata, Column("tenant_id", String(64), primary_key=True))
    engine = create_engine(url)
    guard = Guard.development(metadata=metadata, engine=engine, identify=lambda _: None, routes=[], state=state)
    with guard.resume(sys.stdin.readline().strip()) as access:
        sys.stdout.write(f"{access.id}\n")
        sys.stdout.flush()
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
