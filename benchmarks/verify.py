"""How quickly a trail is verified, a proof made, and a bundle written and read.

    python tools/postgres.py run -- python benchmarks/verify.py
    python benchmarks/verify.py --databases sqlite --entries 20000

The entries are readings of one row, the whole trail one tenant's. Prints entries per second; proofs in milliseconds.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sealing import database

from amanah.audit import months, offline
from amanah.audit.append import append
from amanah.audit.bundle import write_bundle
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id, now_us
from amanah.audit.proofs import consistency, inclusion
from amanah.audit.publisher import Publisher
from amanah.audit.snapshot import snapshot
from amanah.audit.streams import Waiting
from amanah.audit.verify import verify
from amanah.database import own_engine, trail_url
from amanah.migrations import upgrade

if TYPE_CHECKING:
    from sqlalchemy import Engine

TENANT = "klinik-melati"
_BATCH = 2000


def reading(number: int) -> Entry:
    """A member reads one row."""
    what = What("patient", "read", ("name", "phone"), (), (str(number % 5000),), (str(number % 5000),), 1)
    return Entry(
        id=new_event_id(),
        at=now_us(),
        tenant=TENANT,
        access=new_event_id(),
        kind="access",
        actor=str(number % 40),
        actor_kind="member",
        roles=("doctor",),
        strength="password",
        purpose="essential.service.operations",
        route="GET /patients/{id}",
        status=200,
        what=(what,),
        decision={"resource": "patient", "action": "read", "allow": True, "rule": "r1", "policy_version": 3},
        sign_in=f"{number % 40:032x}",
    )


def fill(engine: Engine, entries: int, signer: SignerKey) -> None:
    """Append them, a checkpoint now and then."""
    months.ensure(engine, months.month_of(now_us()))
    for begun in range(0, entries, _BATCH):
        found = [reading(number) for number in range(begun, min(begun + _BATCH, entries))]
        rows = [Waiting(one.id, one.tenant, one.at, one.encode().decode()) for one in found]
        with engine.begin() as connection:
            append(connection, rows, lambda _: 0, {})
        if begun % (10 * _BATCH) == 0 or begun + _BATCH >= entries:
            publisher = Publisher(engine, signer, None)
            publisher.take_over()
            publisher.publish({})


def measure(url: str, entries: int, folder: Path, name: str) -> None:
    """One kind of database."""
    upgrade(url)
    engine = own_engine(trail_url(url))
    signer = SignerKey.create(folder / f"{name}.key")
    begun = time.perf_counter()
    fill(engine, entries, signer)
    print(f"{name}: {entries:,} entries, filled in {time.perf_counter() - begun:.0f} s")
    for processes in (1, 2):
        begun, used = time.perf_counter(), time.process_time()
        report = verify(None, engine, signer.verifier, processes=processes)
        seconds, used = time.perf_counter() - begun, time.process_time() - used
        if not report.whole:
            raise SystemExit(str(report.findings))
        print(
            f"  verify, {processes} processes: {entries / seconds:,.0f} entries/s"
            f" (own CPU {used:.1f} of {seconds:.1f} s)"
        )
    with snapshot(engine) as connection:
        begun = time.perf_counter()
        for number in range(20):
            inclusion(connection, TENANT, entries * number // 20, entries)
        print(f"  inclusion proof: {(time.perf_counter() - begun) * 50:.1f} ms")
        begun = time.perf_counter()
        for number in range(1, 21):
            consistency(connection, TENANT, entries * number // 21, entries)
        print(f"  consistency proof: {(time.perf_counter() - begun) * 50:.1f} ms")
        file = io.BytesIO()
        begun = time.perf_counter()
        write_bundle(connection, signer.verifier, TENANT, file)
        print(
            f"  bundle written: {entries / (time.perf_counter() - begun):,.0f} entries/s,"
            f" {file.tell() / entries:.0f} B each"
        )
    file.seek(0)
    begun = time.perf_counter()
    offline.verify(file, str(signer.verifier))
    print(f"  bundle verified: {entries / (time.perf_counter() - begun):,.0f} entries/s")
    engine.dispose()


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--entries", type=int, default=100_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted.databases.split(","):
            with database(name, Path(folder)) as url:
                measure(url, wanted.entries, Path(folder), name)


if __name__ == "__main__":
    main()
