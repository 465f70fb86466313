"""Where the time of a protected request goes, by part of the house and library, beside the bare app.

The same request is sent to the ASGI app inside one process, without a socket: first timed, then under cProfile (whose
own cost makes the figures larger; read them as shares). Each variant runs in a process of its own.

    python benchmarks/where_it_goes.py                       SQLite, GET one customer
    python benchmarks/where_it_goes.py --path '/api/customers?limit=50' --calls 30
    python tools/postgres.py --fsync run -- python benchmarks/where_it_goes.py --database postgresql
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from overhead import VARIANTS, database, prepare

from iconix.seed import DEMO_ACCOUNTS, DEMO_CUSTOMER_ID
from iconix.serving import environment

PARTS = (
    "amanah/middleware",
    "amanah/encryption",
    "amanah/audit",
    "amanah/access_policies",
    "amanah/tenants",
    "amanah/postgresql",
    "sqlalchemy/orm",
    "sqlalchemy",
    "psycopg",
    "sqlite",
    "starlette",
    "iconix",
    "asyncio",
    "select",
    "cryptography",
    "casbin",
)
ROOT = Path(__file__).resolve().parents[1]


async def call(app: Any, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> bytes:
    """One request through the ASGI interface; the answer's body. Raises on a status of 400 and over."""
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] >= 400:
        raise SystemExit(f"{path} was answered {sent[0]['status']}")
    return b"".join(m.get("body", b"") for m in sent[1:])


async def measure(target: str, path: str, calls: int) -> None:
    """Time and profile ``calls`` requests and print the shares."""
    module, _, name = target.partition(":")
    app = getattr(import_module(module), name)()
    one = next(a for a in DEMO_ACCOUNTS if a.role == "cashier")
    login = json.dumps({"email": one.email, "password": one.password}).encode()
    answer = await call(app, "POST", "/api/login", [(b"content-type", b"application/json")], login)
    headers = [
        (b"authorization", b"Bearer " + json.loads(answer)["access_token"].encode()),
        (b"amanah-purpose", b"billing"),
        (b"host", b"localhost"),
        (b"user-agent", b"profile"),
    ]
    for _ in range(20):
        await call(app, "GET", path, headers)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        await call(app, "GET", path, headers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{target}: {1000 * wall / calls:.2f} ms a request, {1000 * cpu / calls:.2f} ms of it CPU (all threads)")
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        await call(app, "GET", path, headers)
    profile.disable()
    shares = _shares(pstats.Stats(profile))
    total = sum(shares.values())
    for part, seconds in sorted(shares.items(), key=lambda pair: -pair[1]):
        print(f"  {part:24} {1000 * seconds / calls:7.3f} ms {100 * seconds / total:5.1f} %")


def _shares(stats: pstats.Stats) -> dict[str, float]:
    """Own time by part; waiting for the network or another thread shows as ``select``."""
    shares: dict[str, float] = {}
    for (file, _, function), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined] # not in its stubs
        where = file if file != "~" else function
        if file.startswith(str(ROOT)) and "site-packages" not in file:
            where = "amanah/" + str(Path(file).relative_to(ROOT))
            where = where.removeprefix("amanah/examples/")
        part = next((p for p in PARTS if p in where), "the rest of Python")
        shares[part] = shares.get(part, 0.0) + own
    return shares


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", default=f"/api/customers/{DEMO_CUSTOMER_ID}")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        asyncio.run(measure(options.inside, options.path, options.calls))
        sys.stdout.flush()
        os._exit(0)  # the server's background threads are not part of what is measured
    for variant, target in VARIANTS.items():
        with tempfile.TemporaryDirectory(prefix=f"amanah-profile-{variant}-") as name:
            folder = Path(name)
            url = database(options.database, variant, folder)
            prepare(url, variant, folder, 1500)
            subprocess.run(
                [
                    *(sys.executable, "-W", "ignore", __file__, "--inside", target),
                    *("--path", options.path, "--calls", str(options.calls)),
                ],
                env=environment(folder, url),
                check=True,
            )


if __name__ == "__main__":
    main()
