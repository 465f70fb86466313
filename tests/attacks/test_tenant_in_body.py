"""Attack: name another tenant in the body, the query, a header or the path: whose data it is says the sign-in alone."""

from __future__ import annotations

import sys

import pytest

from amanah.middleware.access import current
from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

ROUTES = [route("POST /{path:path}", "customer", "read", ["billing"])]


async def test_a_tenant_that_the_client_names_changes_nothing(world_everywhere):
    """Access, keys and trail are those of the tenant of the sign-in."""
    seen = []

    async def app(_scope, receive, send):
        await receive()
        seen.append((current().tenant, current().cipher.tenant_id))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    world = world_everywhere
    names = ("tenant", "tenant-id", "x-tenant", "x-tenant-id", "amanah-tenant", "x-forwarded-tenant")
    status, *_ = await sys.modules["gate_world"].call(
        world.gate(app, ROUTES),
        "/lain/customers",
        method="POST",
        user="toko/rina",
        headers=[*((name, "lain") for name in names), ("content-type", "application/json")],
        query_string=b"tenant=lain&tenant_id=lain",
    )
    assert (status, seen) == (200, [("toko", "toko")])
    assert {entry["tenant"] for entry in world.entries()} == {"toko"}


async def test_a_row_that_names_another_tenant_is_not_written(books):
    """The body of a request that reaches an INSERT: refused, and nothing of it is there."""
    from sqlalchemy.orm import Session

    from amanah.errors import TenantCrossed

    customer = books.m.Customer
    with books.access(), Session(books.engine) as session:
        session.add(customer(tenant_id="b", id="smuggled", name="x", phone="0", city="x"))
        with pytest.raises(TenantCrossed):
            session.flush()
    assert books.stored("SELECT id FROM customer WHERE id = 'smuggled'") == []
