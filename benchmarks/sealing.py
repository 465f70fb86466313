"""How fast `amanah encrypt` seals what is there already: 100,000 rows with three columns, one of them searched.

    python tools/postgres.py --fsync run -- python benchmarks/sealing.py
    python benchmarks/sealing.py --databases sqlite --rows 20000

Prints rows per second and seconds for sealing, for verifying, and for moving all to a new key (`amanah reencrypt`).
PostgreSQL is the server in AMANAH_TEST_POSTGRES.
``--profile`` prints where this process spends its time instead.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
import uuid
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Date, Integer, MetaData, String, Table, create_engine, insert, make_url, text

import amanah.audit.queue_table  # noqa: F401 - holds a table of the trail's metadata
from amanah import Guard, Personal, declare
from amanah.adoption.sealing import BATCH, backfill
from amanah.adoption.sealing_targets import chosen
from amanah.adoption.sealing_verified import verify
from amanah.database import core, trail
from amanah.rekeying.reencrypt import reencrypt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TENANTS = ("surabaya", "malang")
COLUMNS = {
    "phone": Personal(category="user.contact.phone_number", sealing="write_both", search="exact", normalise="phone"),
    "name": Personal(category="user.name", sealing="write_both"),
    "born": Personal(category="user.demographic.date_of_birth", sealing="write_both"),
}


def table(metadata: MetaData) -> Table:
    """Customers, as one finds them."""
    return Table(
        "customer",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(64), nullable=False, index=True),
        Column("phone", String(20)),
        Column("name", String(80)),
        Column("born", Date),
        Column("city", String(40)),
    )


def prepare(url: str, folder: Path, rows: int) -> Guard:
    """A guard over a database with so many plain rows."""
    metadata = MetaData()
    table(metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        guard = Guard.development(
            metadata=metadata,
            engine=create_engine(url),
            identify=lambda _: None,
            routes=[],
            declarations=[declare("customer", subject="id", columns=COLUMNS)],
            state=folder / "state",
        )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    metadata.create_all(guard.engine)
    for tenant in TENANTS:
        guard.create_tenant(tenant, tenant, template="blank", admin=None)
    plain = table(MetaData())
    values = [
        {
            "id": number,
            "tenant_id": TENANTS[number % len(TENANTS)],
            "phone": f"0812{number:08}",
            "name": f"Pelanggan Nomor {number}",
            "born": None,
            "city": "Surabaya",
        }
        for number in range(1, rows + 1)
    ]
    with guard.engine.begin() as connection:
        connection.execute(insert(plain), values)
        connection.execute(text("UPDATE customer SET born = '1990-05-17'"))
    if guard.engine.dialect.name == "postgresql":
        with guard.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE customer"))
    return guard


def renew(guard: Guard) -> None:
    """A new data key for each tenant, as if every process knew it already."""
    with guard.engine.begin() as connection:
        for tenant in TENANTS:
            guard.keyring.rotate_data_key(connection, tenant)
        connection.execute(text("UPDATE amanah_key SET created_at = created_at - 3600000000"))
    for tenant in TENANTS:
        guard.keyring.forget(tenant)


def timed(work: Callable[[], Any], *, profile: bool) -> float:
    """Seconds; every result is checked."""
    profiler = cProfile.Profile()
    begun = time.perf_counter()
    found = profiler.runcall(work) if profile else work()
    seconds = time.perf_counter() - begun
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    if not all(one.whole for one in found):
        raise SystemExit(f"wrong: {found}")
    return seconds


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'app.db'}"
        return
    server = make_url(os.environ["AMANAH_TEST_POSTGRES"])
    name = f"sealing_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--profile", action="store_true")
    chosen_options = parser.parse_args()
    print(f"{'database':12}{'work':10}{'rows/s':>10}{'seconds':>10}")
    for kind in chosen_options.databases.split(","):
        with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
            guard = prepare(url, Path(folder), chosen_options.rows)
            fields = chosen(guard, [], ("write_both",))
            options: dict[str, Any] = {"operator": "operator:benchmark", "batch": chosen_options.batch}
            for name, work in (("seal", backfill), ("verify", verify), ("reencrypt", reencrypt)):
                what: Any = fields
                if name == "reencrypt":
                    renew(guard)
                    what = [field.name for field in fields]
                seconds = timed(partial(work, guard, what, **options), profile=chosen_options.profile)
                print(f"{kind:12}{name:10}{chosen_options.rows / seconds:>10,.0f}{seconds:>10.1f}", flush=True)
            guard.close()


if __name__ == "__main__":
    main()
