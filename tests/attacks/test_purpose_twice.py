"""Attack: name two purposes, so that a gateway and the application read different ones."""

from __future__ import annotations

import json
import sys

import pytest

from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

ROUTES = [route("GET /customers/{id}", "customer", "read", ["billing", "support", "secret_project"])]


async def app(*_):
    raise AssertionError("the application was reached")


async def refused(world, user, *purposes):
    headers = [("amanah-purpose", purpose) for purpose in purposes]
    _, _, body = await sys.modules["gate_world"].call(world.gate(app, ROUTES), user=user, headers=headers)
    [*_, entry] = world.entries()
    document = json.loads(body)
    assert entry["refusal"] == document["code"]
    return document["code"], entry["tenant"]


@pytest.mark.parametrize(
    "purposes", [("billing", "support"), ("billing", "billing"), ("billing,support",), ("", "billing")]
)
async def test_a_purpose_that_is_named_twice_is_refused(world, purposes):
    """Also the same one twice, and the two lines that a proxy joined."""
    assert (await refused(world, "toko/rina", *purposes))[0] == "purpose-repeated"
