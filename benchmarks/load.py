r"""A load process: keep-alive connections that send one request again and again, and how long each answer took.

``python benchmarks/load.py`` reads a plan as JSON from standard input and writes the result as JSON:

    {"host": …, "port": …, "request": "GET /… HTTP/1.1\r\n…", "status": 200,
     "seconds": 3, "connections": 8, "rate": null}

With ``rate`` (requests per second) the load is open: a request's time counts from the moment at which it was due, so
that a stalled server is not flattered by a waiting client. ``%d`` in the request becomes a new number each time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


class Connection:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, request: bytes) -> tuple[int, int]:
        """Send a request and return status and length of the answer."""
        if self.writer is None or self.reader is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        await self.reader.readexactly(length)
        return status, length


class Load:
    """A plan on its way."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.times: list[float] = []
        self.wrong = 0
        self.number = int(time.time() * 1000) % 100_000_000
        self.body_start = plan["request"].find("\r\n\r\n") + 4

    def request(self) -> bytes:
        """The next request's bytes, with its Content-Length where it has a body."""
        text = self.plan["request"]
        if "%d" in text:
            self.number += 1
            text = text.replace("%d", f"{self.number:09d}")
        head, _, body = text.partition("\r\n\r\n")
        if body:
            head += f"\r\nContent-Length: {len(body.encode())}"
        return f"{head}\r\n\r\n{body}".encode()

    async def one(self, connection: Connection, due: float) -> None:
        """Send one request; its time counts from ``due``."""
        status, _ = await connection.send(self.request())
        self.times.append(time.perf_counter() - due)
        self.wrong += status != self.plan["status"]

    async def closed(self) -> None:
        """Each connection sends as soon as it has its answer."""
        end = time.perf_counter() + self.plan["seconds"]

        async def loop() -> None:
            connection = Connection(self.plan["host"], self.plan["port"])
            while (now := time.perf_counter()) < end:
                await self.one(connection, now)

        await asyncio.gather(*(loop() for _ in range(self.plan["connections"])))

    async def open(self) -> None:
        """Requests are due at fixed moments; free connections take them in turn."""
        free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(self.plan["connections"] * 4):
            free.put_nowait(Connection(self.plan["host"], self.plan["port"]))
        start = time.perf_counter()
        tasks = []

        async def serve(due: float) -> None:
            connection = await free.get()
            await self.one(connection, due)
            free.put_nowait(connection)

        for number in range(int(self.plan["rate"] * self.plan["seconds"])):
            due = start + number / self.plan["rate"]
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(serve(due)))
        await asyncio.gather(*tasks)

    def result(self, took: float) -> dict[str, float]:
        """Throughput per second, quantiles in milliseconds, and how many answers had another status."""
        times = sorted(self.times)

        def quantile(part: float) -> float:
            return 1000 * times[min(len(times) - 1, int(part * len(times)))]

        return {
            "requests": len(times),
            "per_second": len(times) / took,
            "p50_ms": quantile(0.5),
            "p99_ms": quantile(0.99),
            "wrong": self.wrong,
        }


async def run(plan: dict[str, Any]) -> dict[str, float]:
    """Carry out a plan."""
    load = Load(plan)
    start = time.perf_counter()
    await (load.open() if plan.get("rate") else load.closed())
    return load.result(time.perf_counter() - start)


def main() -> None:
    """Standard input to standard output."""
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
