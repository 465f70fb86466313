"""A client reads its own writes: the version that it names has been seen by whoever answers, or nobody answers."""

from __future__ import annotations

import json
import sys

import pytest

from amanah.middleware.routes import route
from amanah.tenants.version_sources import Current

pytestmark = pytest.mark.anyio

ROUTES = [route("GET /customers/{id}", "customer", "read", ["billing"])]


async def page(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data"})


async def ask(world, *versions):
    headers = [("amanah-policy-version", version) for version in versions]
    status, answered, body = await sys.modules["gate_world"].call(
        world.gate(page, ROUTES), user="toko/rina", headers=headers
    )
    return status, answered, None if body == b"data" else json.loads(body)["code"]


async def test_the_version_of_a_write_is_answered_and_a_later_one_is_not(world_everywhere):
    """503 with Retry-After for what has not been seen, and an entry; nothing for who names none."""
    world = world_everywhere
    with world.engine.begin() as connection:
        world.directory.suspend_member(connection, "toko", "sari")
        token = world.directory.version(connection, "toko")
    assert (await ask(world, str(token)))[0] == 200
    status, answered, code = await ask(world, str(token + 1))
    assert (status, code, answered["retry-after"]) == (503, "policy-behind", "5")
    assert world.entries()[-1]["refusal"] == "policy-behind"
    assert (await ask(world))[0] == 200


async def test_a_database_that_lags_is_noticed(world, monkeypatch):
    """What a replica does: it answers with an older version, and what is remembered of it is not enough."""
    with world.engine.begin() as connection:
        token = world.directory.version(connection, "toko")
    assert (await ask(world, str(token)))[0] == 200
    with world.engine.begin() as connection:
        world.directory.suspend_member(connection, "toko", "sari")
        later = world.directory.version(connection, "toko")
    genuine = world.versions.current

    async def lagging(tenant):
        return Current(token, (await genuine(tenant)).now)

    monkeypatch.setattr(world.versions, "current", lagging)
    assert (await ask(world, str(token)))[0] == 200
    assert (await ask(world, str(later)))[0] == 503


@pytest.mark.parametrize("versions", [("1", "1"), ("1, 2",), ("-1",), ("x",), ("",), ("9" * 30,), ("\u0661",)])
async def test_what_is_no_version_is_refused(world, versions):
    """400, and not a guess."""
    headers = [v.encode().decode("latin-1") for v in versions]
    assert (await ask(world, *headers))[::2] == (400, "version-unreadable")
