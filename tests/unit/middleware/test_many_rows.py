"""Very many rows in one go: an entry of the trail has a largest size, and what is done has none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, select

from tests.spelled_out import spelled_out

ROWS = 16_000


@pytest.mark.slow
def test_a_job_may_write_and_read_very_many_rows(books: Any) -> None:
    """Each row is on record, in as many entries as it takes."""
    customer = books.m.Customer
    with books.access(), books.engine.begin() as connection:
        connection.execute(insert(customer), [{"id": f"{n:036}", "name": f"N{n}"} for n in range(ROWS)])
    assert sum(what["count"] for what in books.changes("a") if what["action"] == "create") == ROWS + 4
    assert all(len(json.dumps(entry)) < 1_000_000 for entry in books.staged("a"))
    with books.session() as session:
        assert len(session.execute(select(customer.id, customer.name)).all()) == ROWS + 2
    with books.guard.trail_engine.connect() as connection:
        bodies = [spelled_out(row[0]) for row in connection.exec_driver_sql("SELECT body FROM amanah_queued")]
    read = [len(what["rows"]) for body in bodies for what in body["what"] if "name" in what["columns"]]
    assert sum(read) == ROWS + 2
