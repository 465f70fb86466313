"""Attack, or mishap: a tenant is suspended or closed while its requests run."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from sqlalchemy.orm import Session

from amanah.errors import InvalidInput, TenantSuspended
from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

ROUTES = [route("GET /customers/{id}", "customer", "read", ["billing"])]


@pytest.mark.parametrize("act", ["suspend", "close"])
async def test_the_running_request_ends_whole_and_the_next_is_refused(world_everywhere, act):
    """What began may finish; then there is a clear error, an entry, and nothing more."""
    world, call = world_everywhere, sys.modules["gate_world"].call

    async def app(_scope, _receive, send):
        with world.engine.begin() as connection:
            await asyncio.to_thread(getattr(world.directory, act), connection, "toko")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    gate = world.gate(app, ROUTES)
    assert (await call(gate, user="toko/rina"))[::2] == (200, b"whole")
    status, _, body = await call(gate, user="toko/rina")
    problem = json.loads(body)
    assert (status, problem["code"], bool(problem["remedy"])) == (403, "tenant-suspended", True)
    assert world.entries()[-1]["refusal"] == "tenant-suspended"


def test_what_a_job_wrote_meanwhile_is_there_whole(books):
    """Its transaction is one: no row of it is missing, and its entry is there; the next job does not begin."""
    with books.access(), Session(books.engine) as session:
        session.add(books.m.Customer(id="one", name="One", phone="0", city="x"))
        session.flush()
        if books.engine.dialect.name == "postgresql":  # SQLite has one writer at a time
            with books.guard.engine.begin() as connection:
                books.guard.directory.suspend(connection, "a")
        session.add(books.m.Customer(id="two", name="Two", phone="0", city="x"))
        session.commit()
    if books.engine.dialect.name == "sqlite":
        with books.guard.engine.begin() as connection:
            books.guard.directory.suspend(connection, "a")
    assert books.stored("SELECT count(*) FROM customer WHERE id IN ('one', 'two')") == [(2,)]
    assert sum(what["count"] for what in books.changes("a") if {"one", "two"} & set(what["rows"])) == 2
    with pytest.raises(TenantSuspended), books.access():
        pass


def test_a_closed_tenant_is_changed_no_more(books):
    """No member, grant, duty or emergency role: each is refused, and leaves nothing."""
    directory = books.guard.directory
    with books.guard.engine.begin() as connection:
        directory.close(connection, "a")
        before = directory.version(connection, "a")
    for change in (
        lambda c: directory.add_member(c, "a", "new"),
        lambda c: directory.grant(c, "a", "viewer", "boss", reason="x", granted_by="owner"),
        lambda c: directory.emergencies.take(c, "a", "viewer", "boss", reason="x", by="viewer"),
        lambda c: directory.lapse_after(c, "a", 5),
        lambda c: directory.resume(c, "a"),
    ):
        with pytest.raises(InvalidInput, match="closed"), books.guard.engine.begin() as connection:
            change(connection)
    with books.guard.engine.connect() as connection:
        assert directory.version(connection, "a") == before
