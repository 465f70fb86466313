"""``kill -9`` of writer and sequencer, fifty times at any point: what was acknowledged is provable, once."""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

from sqlalchemy import select

from amanah.audit.checkpoints import SignerKey
from amanah.audit.models import entry, lease, queued
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import staged
from amanah.audit.verify import verify
from tests import ready

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

ROUNDS = 50

WRITER = """
import asyncio, pathlib, sys
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, decode, new_event_id, now_us, receipt
from amanah.audit.staging import stage
from amanah.audit.tree import leaf_hash
from amanah.audit.writer import TrailWriter
from amanah.database import own_engine

core, trail = own_engine(sys.argv[1]), own_engine(sys.argv[2])
signer = SignerKey.load(pathlib.Path(sys.argv[3]) / "signer.key")
writer = TrailWriter(trail, signer.stream_key)
told = open(sys.argv[4], "a")

def an_entry(kind, **more):
    return Entry(id=new_event_id(), at=now_us(), tenant="klinik-a", access="x", kind=kind, **more)

def change():
    written = an_entry("write")
    with core.begin() as connection:
        stage(connection, [written])
    return written

async def one(writes):
    while True:
        ids, wrote = [], ()
        if writes:
            written = await asyncio.to_thread(change)
            ids.append(written.id)
            wrote = (receipt(written.id, leaf_hash(written.encode())),)
        read = an_entry("access", wrote=wrote)
        await writer.arecord(read)
        told.write("".join(f"{key}\\n" for key in (*ids, read.id)))
        told.flush()
        await asyncio.sleep(0.002)

async def main():
    await asyncio.gather(*(one(number == 0) for number in range(6)))

asyncio.run(main())
"""

SEQUENCER = """
import pathlib, sys, time
from amanah.audit.checkpoints import SignerKey
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.database import own_engine

folder = pathlib.Path(sys.argv[3])
signer = SignerKey.load(folder / "signer.key")
outside = FolderOutside(folder / "checkpoints")
sequencer = Sequencer(own_engine(sys.argv[1]), own_engine(sys.argv[2]), signer, outside=outside, batch=20, beat=0.0)
sequencer._take_lease = lambda: True  # whoever was killed still holds it: two at once is part of the game
while True:
    sequencer.run_once()
    time.sleep(0.005)
"""


def test_fifty_kills_lose_nothing_that_was_acknowledged(
    own_database: Engine, trail_database: Engine, tmp_path: Path
) -> None:
    """Nothing is missing, nothing is there twice, the whole verifies, and nobody is accused of a deletion."""
    moment = random.Random(20261201)
    signer = SignerKey.create(tmp_path / "signer.key")
    (tmp_path / "checkpoints").mkdir()
    urls = [engine.url.render_as_string(hide_password=False) for engine in (own_database, trail_database)]
    acknowledged = tmp_path / "acknowledged"
    running = {}

    def start(program: str) -> None:
        command = [sys.executable, "-c", program, *urls, str(tmp_path), str(acknowledged)]
        running[program] = ready.start(command)

    for program in (WRITER, SEQUENCER):
        start(program)
    until = time.monotonic() + 30
    while not (acknowledged.exists() and acknowledged.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    for _ in range(ROUNDS):
        time.sleep(moment.uniform(0.01, 0.12))
        victim = moment.choice((WRITER, SEQUENCER))
        running[victim].kill()
        running[victim].wait(30)
        start(victim)
    time.sleep(0.3)
    for process in running.values():
        process.kill()
        process.wait(30)
    with trail_database.begin() as connection:
        connection.execute(lease.update().values(until=0))
    last = Sequencer(own_database, trail_database, signer, outside=FolderOutside(tmp_path / "checkpoints"))
    last.run_once()
    last.close()
    lines = acknowledged.read_text().splitlines(keepends=True)
    told = {line.strip() for line in lines if line.endswith("\n") and len(line) == 33}
    with trail_database.connect() as connection:
        logged = connection.scalars(select(entry.c.event_id)).all()
        assert connection.scalars(select(queued.c.event_id)).all() == []
    with own_database.connect() as connection:
        assert connection.scalars(select(staged.c.event_id)).all() == []
    assert len(told) > ROUNDS
    assert told <= set(logged)
    assert len(logged) == len(set(logged))
    outside = FolderOutside(tmp_path / "checkpoints")
    report = verify(own_database, trail_database, signer.verifier, outside=outside)
    assert report.whole, report.findings
    assert sum(one.told for one in report.tenants) == 0
