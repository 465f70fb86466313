"""What decisions cost: remembered, first, for a new set of roles, and for ten thousand tenants.

    python tools/postgres.py run -- python benchmarks/policies.py
    python benchmarks/policies.py --databases sqlite --tenants 1000

1. *decide*: a decision that was asked before; the first one of a tenant with 200 rules; 20 columns for 5 purposes for
   a new set of roles, each with both questions (read, read_masked).
2. *tenants*: many tenants with 60 rules each: one snapshot from the database, and the memory of 500 of them in use.
3. *statement*: what the guard adds to a statement whose shape is known: the same SELECT by key that finds nothing, on a
   protected engine under an access and on a bare one, in memory (SQLite), without a round trip to anything.

Medians of rounds; the targets stand beside the figures. PostgreSQL is the server in AMANAH_TEST_POSTGRES.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
import tracemalloc
import warnings
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encryption_rows import database
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

import amanah.audit.queue_table  # noqa: F401 - holds a table of the trail's metadata
from amanah import Guard
from amanah.access_policies import models
from amanah.access_policies.policies import Policies
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.database import core, own_engine, trail, version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Engine

PURPOSES = [f"essential.service.p{n}" for n in range(5)]
FIELDS = {f"customer.c{n}": f"user.contact.c{n}" for n in range(20)}
ROLES = {f"role{n}": frozenset({f"role{n - 1}"} if n % 4 else ()) for n in range(12)}


def rules(number: int) -> list[Rule]:
    """So many, spread over roles, columns, categories, actions and purposes; one in ten denies."""
    objects = ["customer", "invoice", "orders", *FIELDS, *(f"category:{c}" for c in FIELDS.values())]
    actions = ("read", "read_masked", "update", "create")
    return [
        Rule(
            n + 1,
            f"role{n % len(ROLES)}",
            objects[(n * 7) % len(objects)],
            actions[(n // 3) % len(actions)],
            PURPOSES[(n // 5) % len(PURPOSES)],
            "deny" if n % 10 == 9 else "allow",
        )
        for n in range(number)
    ]


def snapshot(number: int = 200) -> Snapshot:
    """A tenant's policy with so many rules, of which nothing was asked yet."""
    purposes = [Purpose(key, f"p{n}", "contract", {}, "") for n, key in enumerate(PURPOSES)]
    return Snapshot("tenant", 1, ROLES, purposes, rules(number), FIELDS)


def median(work: Callable[[], object], rounds: int) -> float:
    """Seconds of one call."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def line(what: str, figure: str, target: str) -> None:
    """A row of the table."""
    print(f"| {what} | {figure} | {target} |", flush=True)


def decide(rounds: int) -> None:
    """Part 1."""
    known, cashier = snapshot(), frozenset({"role3", "role7"})
    question = (cashier, "customer.c3", "read", PURPOSES[0])
    known.decide(*question)
    many = range(100_000)

    def remembered() -> None:
        for _ in many:
            known.decide(*question)

    line("a remembered decision", f"{1e6 * median(remembered, rounds) / len(many):.2f} µs", "1 µs")
    fresh = iter([snapshot() for _ in range(rounds)])
    line(
        "the first of a tenant with 200 rules",
        f"{1e3 * median(lambda: next(fresh).decide(*question), rounds):.2f} ms",
        "2 ms",
    )
    fresh = iter([snapshot() for _ in range(rounds)])

    def columns() -> None:
        asked = next(fresh)
        for purpose in PURPOSES:
            for field in FIELDS:
                for action in ("read", "read_masked"):
                    asked.decide(cashier, field, action, purpose)

    line("20 columns, 5 purposes, new roles", f"{1e3 * median(columns, rounds):.1f} ms", "200 ms")


def fill(engine: Engine, tenants: int) -> None:
    """So many tenants with 60 rules each."""
    made = [f"t{n}" for n in range(tenants)]

    def rows(of: Callable[[str], Iterable[dict[str, Any]]]) -> list[dict[str, Any]]:
        return [{"tenant_id": tenant, **row} for tenant in made for row in of(tenant)]

    sixty = [
        {
            "number": one.number,
            "role": one.role,
            "object": one.object,
            "action": one.action,
            "purpose": one.purpose,
            "effect": one.effect,
            "since": 1,
        }
        for one in rules(60)
    ]
    links = [{"role": role, "parent": parent} for role, parents in ROLES.items() for parent in parents]
    named = [
        {"key": key, "alias": f"p{n}", "legal_basis": "contract", "description": {}} for n, key in enumerate(PURPOSES)
    ]
    with engine.begin() as connection:
        for table, of in (
            (version, [{"version": 1}]),
            (models.role, [{"name": role, "description": {}} for role in ROLES]),
            (models.role_parent, links),
            (models.purpose, named),
            (models.rule, sixty),
        ):
            everything = rows(lambda _tenant, of=of: of)  # type: ignore[misc]
            for start in range(0, len(everything), 20_000):
                connection.execute(insert(table), everything[start : start + 20_000])


def tenants(kind: str, folder: Path, number: int, rounds: int) -> None:
    """Part 2."""
    with database(kind, folder) as url:
        engine = own_engine(url)
        core.create_all(engine)
        fill(engine, number)
        policies, next_one = Policies(engine, FIELDS), count()
        took = median(lambda: policies.snapshot(f"t{next(next_one)}", 1), rounds * 10)
        line(f"a snapshot of 60 rules, {kind}, of {number:,} tenants", f"{1e3 * took:.2f} ms", "20 ms")
        policies = Policies(engine, FIELDS, capacity=500)
        policies.snapshot("t0", 1)
        gc.collect()
        tracemalloc.start()
        for one in range(min(number, 600)):
            asked = policies.snapshot(f"t{one}", 1)
            for field in list(FIELDS)[:5]:
                asked.decide(frozenset({"role3"}), field, "read", PURPOSES[0])
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        line("memory of 500 snapshots in use", f"{held / 2**20:.1f} MiB", "40 MiB")
        engine.dispose()


def statement(folder: Path, rounds: int) -> None:
    """Part 3."""
    metadata = MetaData()
    table = Table(
        "invoice",
        metadata,
        Column("tenant_id", String(64), primary_key=True),
        Column("id", String(36), primary_key=True),
    )
    bare = Table(
        "invoice",
        MetaData(),
        Column("tenant_id", String(64), primary_key=True),
        Column("id", String(36), primary_key=True),
    )
    url = f"sqlite:///{folder / 'statement.db'}"
    engine, control = create_engine(url), create_engine(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        guard = Guard.development(
            metadata=metadata, engine=engine, identify=lambda _: None, routes=[], state=folder / "statement"
        )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    metadata.create_all(guard.engine)
    guard.create_tenant("t", "T", template="blank", admin="owner")
    purpose = "essential.service.payment_processing"
    with guard.engine.begin() as connection:
        guard.policies.add_role(connection, "t", "clerk")
        guard.directory.add_member(connection, "t", "clerk")
        guard.directory.grant(connection, "t", "clerk", "clerk", reason="benchmark", granted_by="owner")
        guard.policies.add_rules(connection, "t", [("clerk", "invoice", "read", purpose, "allow")])
    many = range(2_000)

    def run(on: Any, which: Table) -> None:
        query = select(which.c.id).where(which.c.id == "none")
        for _ in many:
            on.execute(query).all()

    with (
        guard.access(tenant="t", actor="clerk", purpose=purpose, reason="benchmark"),
        engine.connect() as guarded,
        control.connect() as plain,
    ):
        run(guarded, table)
        run(plain, bare)
        taken = [(median(lambda: run(guarded, table), 1), median(lambda: run(plain, bare), 1)) for _ in range(rounds)]
    added = statistics.median(one - other for one, other in taken) / len(many)
    line("added to a statement whose shape is known", f"{1e6 * added:.1f} µs", "40 µs")
    control.dispose()
    guard.close()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print("| what | median | target |\n|---|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="amanah-policies-") as name:
        decide(options.rounds)
        for kind in options.databases.split(","):
            tenants(kind, Path(name), options.tenants, options.rounds)
        statement(Path(name), options.rounds)


if __name__ == "__main__":
    main()
