"""What the trail costs: how many entries a second become durable and get their place, and how long each is waited for.

    python tools/postgres.py run -- python benchmarks/trail.py
    python benchmarks/trail.py --databases sqlite --seconds 2 --processes 1,4

Each process holds ``--clients`` requests at once, as an asynchronous application does: an entry of an ordinary reading
of one row, handed to the writer, awaited. A sequencer works beside them in a process of its own.

1. *full*: as much as goes, by 1, 2, 4 and 8 processes, for one tenant and for 64; what was acknowledged is then looked
   for in the log, and the whole is verified.
2. *half*: half of that rate, evenly; how long an entry is waited for (p50, p99, and the longest of any process).
3. *place*: what waits when the writers end gets its place; entries a second of the sequencer alone, and bytes of disk
   for each entry in the log, indexes included.

PostgreSQL is the server in AMANAH_TEST_POSTGRES; clients, server and sequencer share the machine's processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encryption_rows import database
from sqlalchemy import func, make_url, select, text

from amanah import migrations
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id, now_us
from amanah.audit.models import entry
from amanah.audit.sequencer import Sequencer
from amanah.audit.verify import verify
from amanah.audit.writer import TrailWriter
from amanah.database import own_engine, trail_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

SIGNER = SignerKey("benchmark", b"\x01" * 32)
COLUMNS = ("complaint", "name", "nik", "phone")


def reading(tenant: str, number: int) -> Entry:
    """The entry of a doctor who read one patient: what it shares with others of the same sign-in stands elsewhere."""
    key = str(10_000 + number % 50_000)
    return Entry(
        id=new_event_id(),
        at=now_us(),
        tenant=tenant,
        access=new_event_id(),
        kind="access",
        actor=f"{number % 40:032x}",
        actor_kind="member",
        roles=("doctor",),
        strength="password+totp",
        purpose="essential.service.care",
        route="GET /patients/{patient_id}",
        status=200,
        sign_in=f"{number % 40:032x}",
        decision={"resource": "patient", "action": "read", "allow": True, "rule": "r12", "policy_version": 7},
        what=(What("patient", "read", COLUMNS, (), (key,), (key,), 1),),
    )


@dataclass(frozen=True)
class Plan:
    """What each process does. ``rate``: entries a second of one process, 0 for as many as go."""

    url: str
    tenants: int
    clients: int
    seconds: float
    rate: float = 0.0


async def _client(writer: TrailWriter, plan: Plan, first: int, end: float, held: list[float]) -> None:
    pause = plan.clients / plan.rate if plan.rate else 0.0
    due = time.perf_counter() + pause * (first % plan.clients) / plan.clients
    number = first
    while (now := time.perf_counter()) < end:
        if pause:
            if due > now:
                await asyncio.sleep(due - now)
            due += pause
        one = reading(f"klinik-{number % plan.tenants}", number)
        begun = time.perf_counter()
        await writer.arecord(one)
        held.append(time.perf_counter() - begun)
        number += plan.clients


def _process(plan: Plan, index: int, ready: Any, told: Any) -> None:
    writer = TrailWriter(own_engine(plan.url), SIGNER.stream_key)
    writer.record(reading("klinik-0", 0))
    held: list[float] = []
    ready.wait()

    async def work() -> None:
        end = time.perf_counter() + plan.seconds
        starts = range(index * 1_000_000, index * 1_000_000 + plan.clients)
        await asyncio.gather(*(_client(writer, plan, first, end, held) for first in starts))

    asyncio.run(work())
    writer.close()
    told.put(held)


def _sequencer(core: str, trail: str, stop: Any) -> None:
    sequencer = Sequencer(own_engine(core), own_engine(trail), SIGNER)
    sequencer.start()
    stop.wait()
    sequencer.close()


def run(plan: Plan, core: str, processes: int) -> tuple[float, list[list[float]]]:
    """Entries acknowledged a second by all processes together, and each process's times of waiting."""
    context = multiprocessing.get_context("spawn")
    ready, told, stop = context.Barrier(processes), context.Queue(), context.Event()
    sequencer = context.Process(target=_sequencer, args=(core, plan.url, stop))
    sequencer.start()
    workers = [context.Process(target=_process, args=(plan, index, ready, told)) for index in range(processes)]
    for worker in workers:
        worker.start()
    held = [told.get(timeout=plan.seconds + 120) for _ in workers]
    for worker in workers:
        worker.join()
    stop.set()
    sequencer.join()
    return sum(map(len, held)) / plan.seconds, held


def in_ms(values: list[float], share: float) -> float:
    """The quantile, in ms."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def fresh(kind: str, folder: Path) -> Iterator[tuple[Engine, Engine]]:
    """Engines of a migrated core and trail database that nobody else uses."""
    with database(kind, folder) as url:
        migrations.upgrade(url)
        core, trail = own_engine(url), own_engine(trail_url(url))
        yield core, trail
        core.dispose()
        trail.dispose()


def spelled(engine: Engine) -> str:
    """The engine's URL, password and all."""
    return engine.url.render_as_string(hide_password=False)


def disk_bytes(trail: Engine) -> int:
    """What the log takes on disk, indexes included; what PostgreSQL has not indexed yet is worked off first."""
    with trail.connect() as connection:
        if trail.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            size = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%amanah_entry%' OR name LIKE '%amanah_term%'"
            with suppress(Exception):
                return int(connection.exec_driver_sql(size).scalar() or 0)
            return Path(str(make_url(str(trail.url)).database)).stat().st_size
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM amanah_entry")
        tree = "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('amanah_entry')"
        return int(connection.execute(text(tree)).scalar() or 0)


def measure(kind: str, tenants: int, processes: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One line of the table."""
    for core, trail in fresh(kind, folder):
        plan = Plan(spelled(trail), tenants, options.clients, options.seconds)
        full, held = run(plan, spelled(core), processes)
        acknowledged = sum(map(len, held)) + processes
        half = full / 2
        _, waited = run(
            Plan(spelled(trail), tenants, options.clients, options.seconds, half / processes), spelled(core), processes
        )
        acknowledged += sum(map(len, waited)) + processes
        begun = time.perf_counter()
        report = verify(core, trail, SIGNER.verifier)
        taken = time.perf_counter() - begun
        with trail.connect() as connection:
            placed = connection.scalar(select(func.count()).select_from(entry)) or 0
        if not report.whole or placed != acknowledged:
            raise SystemExit(f"{acknowledged} acknowledged, {placed} in the log, {report.findings}")
        flat = [one for process in waited for one in process]
        return {
            "database": kind,
            "tenants": tenants,
            "processes": processes,
            "full": round(full),
            "half p50 ms": round(statistics.median(flat) * 1000, 2),
            "half p99 ms": round(in_ms(flat, 0.99), 2),
            "half max ms": round(max(flat) * 1000, 1),
            "verified/s": round(report.entries / taken),
            "bytes": round(disk_bytes(trail) / placed),
        }
    raise AssertionError


def place(kind: str, entries: int, folder: Path) -> dict[str, Any]:
    """The sequencer alone: entries a second that get their place, and bytes of disk for each."""
    for core, trail in fresh(kind, folder):
        writer = TrailWriter(trail, SIGNER.stream_key, capacity=entries)
        for future in [writer.submit(reading("klinik-0", number)) for number in range(entries)]:
            future.result()
        writer.close()
        sequencer = Sequencer(core, trail, SIGNER)
        begun = time.perf_counter()
        moved = sequencer.run_once()
        taken = time.perf_counter() - begun
        sequencer.close()
        if moved != entries:
            raise SystemExit(f"{entries} waited, {moved} were placed")
        return {"database": kind, "placed/s": round(moved / taken), "bytes": round(disk_bytes(trail) / entries)}
    raise AssertionError


def show(lines: list[dict[str, Any]]) -> None:
    """A table in Markdown."""
    print("| " + " | ".join(lines[0]) + " |")
    print("|" + "---|" * len(lines[0]))
    for line in lines:
        print("| " + " | ".join(str(value) for value in line.values()) + " |")
    print(flush=True)


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="postgresql,sqlite")
    parser.add_argument("--processes", default="1,2,4,8")
    parser.add_argument("--tenants", default="1,64")
    parser.add_argument("--clients", type=int, default=64, help="requests at once in each process")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--entries", type=int, default=20_000, help="for the sequencer alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = options.databases.split(",")
        placed = [place(kind, options.entries, folder) for kind in kinds]
        lines = [
            measure(kind, int(tenants), int(processes), options, folder)
            for kind in kinds
            for tenants in options.tenants.split(",")
            for processes in options.processes.split(",")
        ]
    if options.json:
        json.dump({"place": placed, "hold": lines}, sys.stdout)
    else:
        show(placed)
        show(lines)


if __name__ == "__main__":
    main()
