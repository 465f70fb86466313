"""Attack: go on with a session that was open when the membership ended."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from amanah.middleware.access import Sight, current
from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

ROUTES = [
    route("GET /customers/{id}", "customer", "read", ["billing"]),
    route("WEBSOCKET /live", "customer", "read", ["billing"]),
]


class Note:
    """A sealed column, as far as an access asks how it sees it."""

    name, platform, sealed = "order.note", False, True


NOTE = Note()


async def page(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


def remove(world):
    """What an administrator's process does."""
    with world.engine.begin() as connection:
        world.directory.remove_member(connection, "toko", "rina")


async def test_the_next_request_after_the_commit_is_refused(world_everywhere):
    """Whatever the login still says, and whatever this process remembers."""
    world, call = world_everywhere, sys.modules["gate_world"].call
    gate = world.gate(page, ROUTES)
    assert (await call(gate, user="toko/rina"))[0] == 200
    await asyncio.to_thread(remove, world)
    status, _, body = await call(gate, user="toko/rina")
    assert (status, json.loads(body)["code"]) == (403, "not-a-member")


async def test_a_stream_is_cut_off(world_everywhere, monkeypatch):
    """What is open is judged again; the bytes after that do not leave, and the trail says why."""
    monkeypatch.setattr("amanah.middleware.exchange.EVERY", 0.0)
    world, left = world_everywhere, []

    async def stream(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"before", "more_body": True})
        await asyncio.to_thread(remove, world)
        await send({"type": "http.response.body", "body": b"after"})

    with pytest.raises(Exception, match="not an active member"):
        await sys.modules["gate_world"].raw(world.gate(stream, ROUTES), left, "/customers/7", user="toko/rina")
    assert [message.get("body") for message in left] == [None, b"before"]
    assert world.entries()[-1]["refusal"] == "not-a-member"


@pytest.mark.parametrize("way", ["send", "receive"])
async def test_a_websocket_is_closed(world_everywhere, monkeypatch, way):
    """Before the next message, whichever way it goes."""
    monkeypatch.setattr("amanah.middleware.exchange.EVERY", 0.0)
    world, left, taken = world_everywhere, [], []

    async def live(_scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.to_thread(remove, world)
        if way == "send":
            await send({"type": "websocket.send", "text": "after"})
        taken.append(await receive())

    async def receive():
        return {"type": "websocket.connect"} if not left else {"type": "websocket.receive", "text": "write this"}

    async def send(message):
        left.append(message)

    headers = [(b"host", b"toko.example"), (b"x-user", b"toko/rina")]
    scope = {"type": "websocket", "path": "/live", "scheme": "ws", "headers": headers, "extensions": {}}
    await world.gate(live, ROUTES)({**scope, "client": ("203.0.113.9", 1), "query_string": b""}, receive, send)
    assert left == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008, "reason": "not-a-member"}]
    assert [message["type"] for message in taken] == ([] if way == "send" else ["websocket.disconnect"])


async def test_a_stream_of_somebody_who_still_may_goes_on_by_today_s_policy(world, monkeypatch):
    """Another change of the tenant cuts nobody off, and what the policy says now counts for what is open."""
    monkeypatch.setattr("amanah.middleware.exchange.EVERY", 0.0)
    left, seen = [], []

    async def stream(scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append((current().may("order", "read").allow, current().sight(NOTE)))
        current().passed("a statement")
        with world.engine.begin() as connection:
            for name in ("order", "order.note"):
                denied = {"object": name, "action": "read", "purpose": "billing", "effect": "deny"}
                world.policies.add_rule(connection, "toko", role="cashier", **denied)
        await send({"type": "http.response.body", "body": b"x"})
        seen.append((current().may("order", "read").allow, current().sight(NOTE)))
        assert current().first_check("a statement")

    with world.engine.begin() as connection:
        for name in ("order", "order.note"):
            allowed = {"object": name, "action": "read", "purpose": "billing"}
            world.policies.add_rule(connection, "toko", role="cashier", **allowed)
    await sys.modules["gate_world"].raw(world.gate(stream, ROUTES), left, "/customers/7", user="toko/rina")
    assert (left[-1]["body"], seen) == (b"x", [(True, Sight.CLEAR), (False, Sight.WITHHELD)])
