"""What protection costs: the ICONIX app bare and protected, in turn, in one run, over real HTTP.

Each has a server process of its own (one uvicorn worker); the load comes from a third process. Rounds alternate, so
that a noisy machine disturbs both alike; the medians of the rounds are compared. Then each gets a fixed rate of half of
the bare capacity, where latency is measured from the moment a request was due.

    make bench                                                    SQLite and a durable PostgreSQL of its own
    python benchmarks/overhead.py --databases sqlite --seconds 2  quicker
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine as create_sync_engine
from sqlalchemy import make_url, text

from iconix.database import async_url
from iconix.seed import DEMO_ACCOUNTS, DEMO_CUSTOMER_ID, DEMO_CUSTOMER_PHONE
from iconix.serving import database_in, free_port, serving

HERE = Path(__file__).parent
VARIANTS = {"bare": "iconix.app:create_app", "protected": "iconix.protection:create_app"}
CUSTOMER = (
    '{"name": "Beban Uji", "phone": "+62812%d", "email": "beban%d@example.co.id", "city": "Surabaya", '
    '"address": "Jl. Uji No. 1"}'
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request."""

    name: str
    line: str
    status: int = 200
    body: str = ""


OPERATIONS = (
    Operation("get one", f"GET /api/customers/{DEMO_CUSTOMER_ID}"),
    Operation("list 50", "GET /api/customers?limit=50"),
    Operation("create one", "POST /api/customers", 201, CUSTOMER),
    Operation("search by phone", f"GET /api/customers?phone={quote(DEMO_CUSTOMER_PHONE)}"),
)


def prepare(url: str, variant: str, folder: Path, rows: int) -> None:
    """Fill an empty database, in processes of their own: protection changes the types of the app's columns for good."""
    python = [sys.executable, "-W", "ignore", "-m"]
    count = ["--rows", str(rows)]
    commands = (
        [[*python, "iconix.migrate", url], [*python, "iconix.seed", url, *count]]
        if variant == "bare"
        else [[*python, "iconix.install", url, "--state", str(folder / "amanah"), *count]]
    )
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def database(kind: str, variant: str, folder: Path) -> str:
    """The URL of an empty database."""
    if kind == "sqlite":
        return database_in(folder)
    server = make_url(os.environ["AMANAH_TEST_POSTGRES"])
    name = f"bench_{variant}_{os.getpid()}"
    admin = create_sync_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    admin.dispose()
    return async_url(server.set(database=name)).render_as_string(hide_password=False)


def token(port: int) -> str:
    """Sign the cashier in."""
    one = next(a for a in DEMO_ACCOUNTS if a.role == "cashier")
    body = json.dumps({"email": one.email, "password": one.password}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/login", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        return str(json.load(response)["access_token"])


def load(port: int, bearer: str, operation: Operation, **plan: Any) -> dict[str, float]:
    """Run one plan in a process of its own."""
    head = f"{operation.line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\nAmanah-Purpose: billing"
    if operation.body:
        head += "\r\nContent-Type: application/json"
    whole = {
        "host": "127.0.0.1",
        "port": port,
        "request": f"{head}\r\n\r\n{operation.body}",
        "status": operation.status,
        **plan,
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")], input=json.dumps(whole), capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    if found["wrong"]:
        raise SystemExit(f"{operation.name}: {found['wrong']:.0f} answers were not {operation.status}")
    return found


def measure(kind: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All operations on one kind of database."""
    with ExitStack() as stack:
        ports, bearers = {}, {}
        for variant, app in VARIANTS.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"amanah-bench-{variant}-")))
            url = database(kind, variant, folder)
            print(f"{kind}: preparing {variant} …", file=sys.stderr, flush=True)
            prepare(url, variant, folder, options.rows)
            ports[variant] = free_port()
            stack.enter_context(serving(folder, url, port=ports[variant], app=app))
            bearers[variant] = token(ports[variant])
        return [_measure_one(kind, operation, ports, bearers, options) for operation in OPERATIONS]


def _measure_one(
    kind: str, operation: Operation, ports: dict[str, int], bearers: dict[str, str], options: argparse.Namespace
) -> dict[str, Any]:
    print(f"{kind}: {operation.name} …", file=sys.stderr, flush=True)
    rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    half: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    for variant in VARIANTS:
        load(ports[variant], bearers[variant], operation, seconds=1, connections=options.connections)
    for _ in range(options.rounds):
        for variant, found in rounds.items():
            found.append(
                load(
                    ports[variant],
                    bearers[variant],
                    operation,
                    seconds=options.seconds,
                    connections=options.connections,
                )
            )
    rate = 0.5 * statistics.median(r["per_second"] for r in rounds["bare"])
    for _ in range(options.rounds):
        for variant, found in half.items():
            found.append(
                load(
                    ports[variant],
                    bearers[variant],
                    operation,
                    seconds=options.seconds,
                    connections=options.connections,
                    rate=rate,
                )
            )
    result: dict[str, Any] = {"database": kind, "operation": operation.name, "rate": rate}
    for variant in VARIANTS:
        for key in ("per_second", "p50_ms", "p99_ms"):
            result[f"{variant}_{key}"] = statistics.median(r[key] for r in rounds[variant])
        for key in ("p50_ms", "p99_ms"):
            result[f"{variant}_half_{key}"] = statistics.median(r[key] for r in half[variant])
    result["ratio"] = result["protected_per_second"] / result["bare_per_second"]
    return result


def table(results: list[dict[str, Any]]) -> str:
    """The results for people, as Markdown."""
    lines = [
        "| database | operation | bare/s | protected/s | ratio | p50 ms | p99 ms | at half: p50 ms | at half: p99 ms |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in results:
        pairs = [
            f"{r[f'bare_{key}']:.1f} → {r[f'protected_{key}']:.1f}"
            for key in ("p50_ms", "p99_ms", "half_p50_ms", "half_p99_ms")
        ]
        lines.append(
            f"| {r['database']} | {r['operation']} | {r['bare_per_second']:.0f} | {r['protected_per_second']:.0f} "
            f"| **{r['ratio']:.2f}** | " + " | ".join(pairs) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (%(default)s)")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rows", type=int, default=3500)
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    options = parser.parse_args()
    results = [row for kind in options.databases.split(",") for row in measure(kind, options)]
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    else:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
