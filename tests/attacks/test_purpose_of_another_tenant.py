"""Attack: come for a purpose that another tenant has registered."""

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


async def test_a_purpose_of_another_tenant_is_unknown_here(world):
    """Registers are per tenant: what one registers is no word in the other."""
    with world.engine.begin() as connection:
        world.policies.add_purpose(
            connection, "lain", key="x.secret.project", alias="secret_project", legal_basis="consent"
        )
    assert await refused(world, "toko/rina", "secret_project") == ("purpose-unknown", "toko")
