"""What it costs to load rows whose seals are checked: 10,000 entities with five plaintext columns, with and without.

    python tools/postgres.py run -- python benchmarks/row_seals.py
    python benchmarks/row_seals.py --databases sqlite --rows 2000

Both tables have the same columns and rows and stand behind the same guard; of one the rows are sealed. Prints the best
of several loads, measured in turns, in seconds of this process's CPU and of the clock, and their ratio.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
import warnings
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealing import database
from sqlalchemy import Numeric, String, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import amanah.audit.queue_table  # noqa: F401 - holds a table of the trail's metadata
from amanah import Guard
from amanah.database import core, trail

if TYPE_CHECKING:
    from collections.abc import Iterator

TENANT, PURPOSE = "surabaya", "essential.service.payment_processing"


class Bill:
    """Five columns of plaintext."""

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(String(40))
    date: Mapped[dt.date]
    status: Mapped[str] = mapped_column(String(20))
    total: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    paid: Mapped[int]


def models() -> tuple[Any, Any]:
    """The table as it is, and the one whose rows are sealed; made anew, because a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Plain(Bill, Base):
        __tablename__ = "plain_bill"

    class Sealed(Bill, Base):
        __tablename__ = "sealed_bill"
        __sealed_rows__ = ("number", "date", "status", "total", "paid")

    return Plain, Sealed


def prepare(url: str, folder: Path, rows: int, pair: tuple[Any, Any]) -> tuple[Guard, Any]:
    """A guard and its application's engine over a database with so many rows in each table."""
    engine = create_engine(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        guard = Guard.development(
            metadata=pair[0].metadata, engine=engine, identify=lambda _: None, routes=[], state=folder / "state"
        )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    pair[0].metadata.create_all(guard.engine)
    guard.create_tenant(TENANT, TENANT, template="blank", admin="owner")
    with guard.engine.begin() as connection:
        guard.policies.add_role(connection, TENANT, "clerk")
        guard.directory.add_member(connection, TENANT, "clerk")
        guard.directory.grant(connection, TENANT, "clerk", "clerk", reason="benchmark", granted_by="owner")
        tables = [model.__tablename__ for model in pair]
        rules = [("clerk", table, action, PURPOSE, "allow") for table in tables for action in ("read", "create")]
        guard.policies.add_rules(connection, TENANT, rules)
    values = [
        {
            "id": number,
            "number": f"INV/2026/{number:06}",
            "date": dt.date(2026, 12, 1),
            "status": "open",
            "total": Decimal(number) + Decimal("0.50"),
            "paid": number,
        }
        for number in range(rows)
    ]
    with guard.access(tenant=TENANT, actor="clerk", purpose=PURPOSE, reason="benchmark"), engine.begin() as connection:
        for model in pair:
            connection.execute(insert(model.__table__), values)
    return guard, engine


def loads(guard: Guard, engine: Any, rounds: int, pair: tuple[Any, Any]) -> Iterator[tuple[Any, float, float]]:
    """(model, seconds of CPU, seconds) of each load."""
    for _ in range(rounds):
        for model in pair:
            with guard.access(tenant=TENANT, actor="clerk", purpose=PURPOSE, reason="benchmark"), Session(engine) as db:
                db.connection()
                cpu, begun = time.process_time(), time.perf_counter()
                found: list[Any] = list(db.scalars(select(model)))
                yield model, time.process_time() - cpu, time.perf_counter() - begun
                if not found[-1].number:
                    raise SystemExit("wrong")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args()
    print(f"{'database':12}{'rows':>8}{'plain':>16}{'sealed':>16}{'ratio CPU':>12}{'ratio':>8}")
    for kind in chosen.databases.split(","):
        with tempfile.TemporaryDirectory() as folder, database(kind, Path(folder)) as url:
            pair = models()
            guard, engine = prepare(url, Path(folder), chosen.rows, pair)
            times = list(loads(guard, engine, chosen.rounds, pair))
            cpu, clock = ({m: min(t[n] for t in times if t[0] is m) for m in pair} for n in (1, 2))
            texts = [f"{cpu[m] * 1000:7.0f}/{clock[m] * 1000:.0f} ms" for m in pair]
            ratios = [each[pair[1]] / each[pair[0]] for each in (cpu, clock)]
            print(
                f"{kind:12}{chosen.rows:>8,}{texts[0]:>16}{texts[1]:>16}{ratios[0]:>12.2f}{ratios[1]:>8.2f}", flush=True
            )
            engine.dispose()
            guard.close()


if __name__ == "__main__":
    main()
