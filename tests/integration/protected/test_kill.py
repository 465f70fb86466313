"""kill -9 in the middle of writes: every acknowledged write is there, readable, and its entry is in the trail."""

from __future__ import annotations

import random
import threading
import time
from typing import Self

import httpx2
import pytest

CASHIER = "kasir@sinar-jaya"
WRITERS = 4
ROUNDS = 2


class Writers:
    """Threads that create customers as fast as they are answered, and remember what was acknowledged."""

    def __init__(self, server) -> None:
        self.server = server
        self.acknowledged: dict[str, tuple[str, str]] = {}  # id: name, request
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]

    def __enter__(self) -> Self:
        self.server.token(CASHIER)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _write(self, number: int) -> None:
        count = 0
        while True:
            count += 1
            name = f"Pelanggan {number} {count}"
            try:
                answer = self.server.post(
                    CASHIER, "/api/customers", "billing", json={"name": name, "phone": "0812 3456 9999"}
                )
            except httpx2.TransportError:
                return  # the server is gone; whether this one was written is anybody's guess
            assert answer.status == 201, answer.text
            self.acknowledged[answer.body["id"]] = (name, answer.request)


@pytest.mark.slow
def test_every_acknowledged_write_and_its_entry_survive_kill_9(own_house):
    """Killed while four clients write, and started again, twice: nothing that was answered with 201 is missing."""
    house = own_house
    moment = random.Random(20261101)
    acknowledged: dict[str, tuple[str, str]] = {}
    for _ in range(ROUNDS):
        with house.serving() as server:
            with Writers(server) as writers:
                until = time.monotonic() + 10
                while not writers.acknowledged and time.monotonic() < until:
                    time.sleep(0.01)
                time.sleep(moment.uniform(0.1, 0.6))
                server.kill()
            assert writers.acknowledged
            acknowledged |= writers.acknowledged
    with house.serving() as server:
        shown = {}
        before = None
        while page := server.client.get(
            "/api/customers",
            params={"limit": 200, **({"before": before} if before else {})},
            headers={"Authorization": f"Bearer {server.token(CASHIER)}", "Amanah-Purpose": "billing"},
        ).json()["customers"]:
            shown |= {one["id"]: (one["name"], one["phone"]) for one in page}
            before = page[-1]["id"]
        for key, (name, _) in acknowledged.items():
            assert shown[key] == (name, "+6281234569999")
    report = house.sequence()
    assert report.whole, report
    assert report.pending == 0
    entries = house.entries("sinar-jaya")
    created = {row: one for one in entries if one["kind"] == "write" for what in one["what"] for row in what["rows"]}
    requests = {one["request"] for one in entries if one["kind"] == "access" and one["status"] == 201}
    for key, (_, request) in acknowledged.items():
        assert created[key]["request"] == request
        assert request in requests
    # Nor is there a row, acknowledged or not, without its entry, or an entry without its row.
    stored = {row.id for row in house.rows("SELECT id FROM customer")}
    written = {
        row
        for one in entries
        if one["kind"] == "write" and one["route"] == "POST /api/customers"
        for what in one["what"]
        if what["resource"] == "customer"
        for row in what["rows"]
    }
    assert written <= stored
    assert set(acknowledged) <= written
