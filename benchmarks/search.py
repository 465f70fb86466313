"""How long a search of the trail takes: pages, facets and reports among a million entries of one tenant.

    python tools/postgres.py run -- .venv/bin/python benchmarks/search.py
    … --entries 10000000    … --databases sqlite --entries 200000

The log is filled with a year of a clinic's entries, in bulk, but by the functions that append: every row is what
`append` would have written. Each search is made with different values in turn; what it finds is counted.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from itertools import islice
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine, create_engine, make_url, text

import amanah.audit.queue_table  # noqa: F401 - holds a table of the trail's metadata
from amanah.audit import months
from amanah.audit.append import Head, link_of, next_chain
from amanah.audit.entries import Entry, What
from amanah.audit.facets import facets
from amanah.audit.filters import Filter
from amanah.audit.log import page
from amanah.audit.models import entry, head, term
from amanah.audit.origins import origin
from amanah.audit.packing import pack
from amanah.audit.reports import actor_saw, first_accesses, refusals, subject_accesses
from amanah.audit.tally import DAY_US, HOUR_US, tallied
from amanah.audit.terms import terms
from amanah.audit.tree import leaf_hash
from amanah.database import own_engine, trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TENANT = "klinik"
PAGE = 50
BATCH = 10_000
START = 1_767_225_600_000_000  # 2026-01-01
YEAR = 365 * DAY_US
RESOURCES = ("patient", "visit", "prescription", "invoice", "appointment", "insurance", "lab_result", "referral")
COLUMNS = ("name", "nik", "phone", "address", "birth_date", "diagnosis", "notes", "email")
PURPOSES = ("x.health.care", "essential.service", "x.billing", "x.insurance.claim", "analytics.reporting")
ROLES = ("doctor", "nurse", "cashier", "receptionist", "pharmacist", "owner")
REFUSALS = ("forbidden", "field-withheld", "purpose-missing", "not-a-member", "row-tampered")
ACTORS = 60
SUBJECTS = 30_000
ADDRESSES = 25


class Filled(NamedTuple):
    """What stands in the log, to be looked for."""

    size: int
    accesses: list[str]
    address: str


def hexadecimal(chance: random.Random) -> str:
    """32 digits."""
    return f"{chance.getrandbits(128):032x}"


def skewed(chance: random.Random, many: int) -> int:
    """0 to ``many`` - 1, the small ones far more often."""
    return int(many * chance.random() ** 3)


def token(number: int) -> str:
    """Of an address."""
    return f"{number:032x}"


def entries(count: int, seed: int) -> Iterator[Entry]:
    """A year of a clinic."""
    chance = random.Random(seed)
    signed_in: dict[int, tuple[str, int]] = {}
    for number in range(count):
        at = START + YEAR * number // count
        actor = skewed(chance, ACTORS)
        known = signed_in.get(actor)
        who: dict[str, Any] = {
            "id": hexadecimal(chance),
            "at": at,
            "tenant": TENANT,
            "access": hexadecimal(chance),
            "actor": f"{actor:08x}-93b1-4a01-8000-0000000000aa",
            "roles": (ROLES[actor % len(ROLES)],),
            "strength": "password",
        }
        if known is None or at - known[1] > 8 * HOUR_US:
            signed_in[actor] = who["id"], at
            where = token(skewed(chance, ADDRESSES))
            yield Entry(kind="sign_in", tokens={"ip": where}, sealed={"ip": "A" * 120, "agent": "B" * 200}, **who)
            continue
        yield access(chance, number / count, actor, known[0], who)


def access(chance: random.Random, part: float, actor: int, sign_in: str, who: dict[str, Any]) -> Entry:
    """One reading, writing or refusal. A third of the year some routes are served that went afterwards."""
    about = chance.randrange(len(RESOURCES))
    resource = RESOURCES[about]
    many = 20 if chance.random() < 0.05 else 1
    rows = [str(skewed(chance, SUBJECTS)) for _ in range(many)]
    route = f"GET /{resource}s" + ("" if many > 1 else "/{id}")
    if part < 0.33 and chance.random() < 0.5:
        route = f"GET /old/{resource}"
    rule = f"r{about * 8 + actor % 8}"
    # What is for the care is never about an invoice: two common facts that no entry has together.
    purposes = PURPOSES[1:] if resource == "invoice" else PURPOSES[:3]
    common = {
        **who,
        "purpose": purposes[actor % len(purposes)],
        "route": route,
        "sign_in": sign_in,
        "decision": {"resource": resource, "action": "read", "allow": True, "rule": rule, "policy_version": 7},
    }
    kind = chance.random()
    if kind < 0.015:
        code = REFUSALS[skewed(chance, len(REFUSALS))]
        refused = {**common, "decision": {**common["decision"], "allow": False, "rule": None}}
        return Entry(kind="refusal", outcome="refused", status=403, refusal=code, **refused)
    columns = tuple(COLUMNS[(about + n) % len(COLUMNS)] for n in range(chance.randint(1, 4)))
    action = "read" if kind < 0.9 else chance.choice(("create", "update", "update", "delete"))
    what = What(resource, action, columns, rows=tuple(rows), subjects=tuple(dict.fromkeys(rows)), count=many)
    if action == "read":
        return Entry(kind="access", status=200, request=hexadecimal(chance)[:16], what=(what,), **common)
    return Entry(kind="write", outcome="committed", what=(what,), **common)


def fill(engine: Engine, count: int) -> Filled:
    """Append ``count`` entries as the sequencer does, ten thousand at a time."""
    chance = random.Random(7)
    accesses: list[str] = []
    began = time.monotonic()
    with engine.begin() as connection:
        now = Head.first(connection, TENANT, months.month_of(START))
    frontier, chain, batch = now.frontier, now.chain, []
    for one in entries(count, 1):
        if chance.random() < 1000 / count:
            accesses.append(one.access)
        batch.append(one)
        if len(batch) == BATCH or frontier.size + len(batch) == count:
            chain = place(engine, now.number, batch, chain, frontier)
            batch = []
            shown = f"\r{frontier.size:,} entries, {frontier.size / (time.monotonic() - began):,.0f}/s "
            print(shown, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    last = months.month_of(START + YEAR)
    with engine.begin() as connection:
        values = Head(now.number, frontier, chain, last).values()
        connection.execute(head.update().where(head.c.tenant_id == TENANT).values(**values))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    return Filled(count, accesses, token(ADDRESSES // 2))


def place(engine: Engine, number: int, batch: list[Entry], chain: bytes, frontier: Any) -> bytes:
    """Append one batch; the chain behind it."""
    rows, placed, found = [], [], []
    for one in batch:
        body = one.encode()
        leaf = leaf_hash(body)
        chain = next_chain(chain, leaf)
        values = loads(body)
        month = months.month_of(one.at)
        numbers = terms(values)
        placed.append((frontier.size, one.at, values))
        found += [{"tenant": number, "term": each, "position": frontier.size} for each in numbers]
        rows.append((TENANT, frontier.size, month, one.at, link_of(chain), one.id, leaf, pack(body), numbers))
        frontier.append(leaf)
    for month in {row[2] for row in rows}:
        months.ensure(engine, month)
    with engine.begin() as connection:
        names = [column.name for column in entry.columns]
        if engine.dialect.name == "postgresql":
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(f"COPY amanah_entry ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            connection.execute(entry.insert(), [dict(zip(names, row, strict=True)) for row in rows])
            connection.execute(term.insert(), found)
        tallied(connection, TENANT, placed)
    return chain


def searches(filled: Filled, engine: Engine) -> dict[str, Callable[[random.Random], Filter]]:
    """By name, a search with values of its own each time."""
    with engine.connect() as connection:
        where = origin(connection, TENANT, (filled.address,))
        often = origin(connection, TENANT, (token(0),))

    def actor(chance: random.Random) -> str:
        return f"{skewed(chance, ACTORS):08x}-93b1-4a01-8000-0000000000aa"

    def day(chance: random.Random, days: int = 1) -> dict[str, int]:
        since = START + chance.randrange(365 - days) * DAY_US
        return {"since": since, "until": since + days * DAY_US}

    def hour(chance: random.Random) -> dict[str, int]:
        since = START + chance.randrange(YEAR)
        return {"since": since, "until": since + HOUR_US}

    return {
        "everything": lambda _: Filter(),
        "actor": lambda c: Filter(actor=actor(c)),
        "the rarest actor": lambda _: Filter(actor=f"{ACTORS - 1:08x}-93b1-4a01-8000-0000000000aa"),
        "subject": lambda c: Filter(subject=str(c.randrange(SUBJECTS))),
        "the most seen subject": lambda _: Filter(subject="0"),
        "resource": lambda c: Filter(resource=c.choice(RESOURCES)),
        "column": lambda c: Filter(column=f"{RESOURCES[0]}.{c.choice(COLUMNS[:3])}"),
        "purpose": lambda c: Filter(purpose=c.choice(PURPOSES)),
        "outcome refused": lambda _: Filter(outcome="refused"),
        "refusal": lambda c: Filter(refusal=c.choice(REFUSALS)),
        "route": lambda c: Filter(route=f"GET /{c.choice(RESOURCES)}s/{{id}}"),
        "route that went in April": lambda c: Filter(route=f"GET /old/{c.choice(RESOURCES)}"),
        "rule": lambda c: Filter(rule=f"r{c.randrange(64)}"),
        "row": lambda c: Filter(row=f"{c.choice(RESOURCES)}/{c.randrange(SUBJECTS)}"),
        "access": lambda c: Filter(access=c.choice(filled.accesses)),
        "kind write": lambda _: Filter(kind="write"),
        "action delete": lambda _: Filter(action="delete"),
        f"IP, {len(where.sign_ins)} sign-ins": lambda _: Filter(origin=where),
        f"IP, {len(often.sign_ins)} sign-ins": lambda _: Filter(origin=often),
        "actor, resource": lambda c: Filter(actor=actor(c), resource=c.choice(RESOURCES)),
        "actor, purpose, outcome": lambda c: Filter(actor=actor(c), purpose=PURPOSES[1], outcome="committed"),
        "actor, subject": lambda c: Filter(actor=actor(c), subject=str(skewed(c, SUBJECTS))),
        "two common ones, never together": lambda _: Filter(purpose=PURPOSES[0], resource="invoice"),
        "a day": lambda c: Filter(**day(c)),
        "an hour": lambda c: Filter(**hour(c)),
        "a day, actor": lambda c: Filter(actor=actor(c), **day(c)),
        "a month, resource, column": lambda c: Filter(
            resource=RESOURCES[1], column=f"{RESOURCES[1]}.nik", **day(c, 30)
        ),
        "a month, subject": lambda c: Filter(subject=str(skewed(c, SUBJECTS)), **day(c, 30)),
        "nobody of that id": lambda c: Filter(subject=f"x{c.random()}"),
        "no such actor": lambda c: Filter(actor=f"x{c.random()}"),
        "no such combination": lambda c: Filter(actor=actor(c), row=f"patient/x{c.random()}"),
    }


def measured(work: Callable[[random.Random], int], repeat: int) -> tuple[float, float, float]:
    """Median and 95th percentile in ms, and how many were found on average."""
    took, found = [], []
    for number in range(-2, repeat):
        chance = random.Random(number)
        began = time.perf_counter()
        count = work(chance)
        if number >= 0:
            took.append((time.perf_counter() - began) * 1000)
            found.append(count)
    ordered = sorted(took)
    return statistics.median(took), ordered[int(len(ordered) * 0.95)], statistics.mean(found)


def measure(engine: Engine, filled: Filled, repeat: int) -> None:
    """Print a table."""
    print("| search | found | page 1: median ms | p95 ms | deep: median ms | p95 ms |\n|---|---:|---:|---:|---:|---:|")
    for name, made in searches(filled, engine).items():

        def first(chance: random.Random, made: Callable[[random.Random], Filter] = made) -> int:
            return len(page(engine, TENANT, made(chance), limit=PAGE).entries)

        def deep(chance: random.Random, made: Callable[[random.Random], Filter] = made) -> int:
            return len(page(engine, TENANT, made(chance), limit=PAGE, before=filled.size // 2).entries)

        median, p95, found = measured(first, repeat)
        deep_median, deep_p95, _ = measured(deep, repeat)
        print(f"| {name} | {found:.0f} | {median:.1f} | {p95:.1f} | {deep_median:.1f} | {deep_p95:.1f} |", flush=True)


def others(engine: Engine, repeat: int) -> None:
    """Print how long facets and reports take."""
    month = {"since": START + 100 * DAY_US, "until": START + 130 * DAY_US}
    day = {"since": START + 200 * DAY_US, "until": START + 201 * DAY_US}
    with engine.connect() as connection:
        works: dict[str, Callable[[random.Random], int]] = {
            "facets of everything": lambda _: facets(connection, TENANT, Filter()).total,
            "facets of a month": lambda _: facets(connection, TENANT, Filter(**month)).total,
            "facets of a resource (10,000+)": lambda _: facets(connection, TENANT, Filter(resource="visit")).total,
            "facets of a subject": lambda c: facets(connection, TENANT, Filter(subject=str(c.randrange(99)))).total,
            "who saw a subject": lambda c: len(list(subject_accesses(connection, TENANT, str(c.randrange(SUBJECTS))))),
            "what an actor saw in a month": lambda _: (
                actor_saw(connection, TENANT, "00000020-93b1-4a01-8000-0000000000aa", **month).entries
            ),
            "refusals of the year by day": lambda _: len(refusals(connection, TENANT)),
            "100 first accesses of a day": lambda _: len(list(islice(first_accesses(connection, TENANT, **day), 100))),
        }
        print("\n| report | counted | median ms | p95 ms |\n|---|---:|---:|---:|")
        for name, work in works.items():
            median, p95, found = measured(work, repeat)
            print(f"| {name} | {found:,.0f} | {median:.0f} | {p95:.0f} |", flush=True)


def sizes(engine: Engine, count: int) -> None:
    """Print what an entry takes on disk."""
    if engine.dialect.name != "postgresql":
        path = Path(str(engine.url.database))
        print(f"\nSQLite: {path.stat().st_size / count:.0f} bytes an entry in the file")
        return
    like = "SELECT coalesce(sum({}(oid)), 0) FROM pg_class WHERE relkind = 'r' AND relname LIKE '{}%'"
    with engine.connect() as connection:
        whole, heap, tally = (
            int(connection.scalar(text(like.format(*one))) or 0)
            for one in (
                ("pg_total_relation_size", "amanah_entry"),
                ("pg_relation_size", "amanah_entry"),
                ("pg_total_relation_size", "amanah_tally"),
            )
        )
        index = (
            "SELECT i.relname, pg_relation_size(i.oid) FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid"
            " JOIN pg_class t ON t.oid = x.indrelid WHERE t.relname LIKE 'amanah_entry_%' AND i.relkind = 'i'"
        )
        parts: dict[str, int] = {}
        for name, size in connection.execute(text(index)):
            kind = next((k for k in ("pkey", "event_id", "terms", "at") if k in name.split("_", 4)[-1]), name)
            parts[kind] = parts.get(kind, 0) + size
    told = ", ".join(f"{name} {size / count:.0f}" for name, size in sorted(parts.items()))
    print(f"\n{whole / count:.0f} bytes an entry on disk, indexes included: rows {heap / count:.0f}, {told}")
    print(f"counts by day: {tally / count:.1f} bytes an entry")


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one; on PostgreSQL in the server that AMANAH_TEST_POSTGRES names."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'search.db'}"
        return
    server = make_url(os.environ["AMANAH_TEST_POSTGRES"])
    name = f"search_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def main() -> None:
    """Fill and measure, one database after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--databases", default="postgresql")
    parser.add_argument("--repeat", type=int, default=20)
    given = parser.parse_args()
    for kind in given.databases.split(","):
        with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
            engine = own_engine(url)
            trail.create_all(engine)
            filled = fill(engine, given.entries)
            print(f"\n{kind}, {given.entries:,} entries\n")
            measure(engine, filled, given.repeat)
            others(engine, max(given.repeat // 4, 2))
            sizes(engine, given.entries)
            engine.dispose()


if __name__ == "__main__":
    main()
