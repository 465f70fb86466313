"""Attack: get a purpose, a tenant or a membership that is somebody else's."""

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


@pytest.mark.parametrize("purpose", ["*", "essential", "BILLING", "billing ;", "%", "category:user", ""])
async def test_nothing_broader_than_a_registered_purpose_can_be_named(world, purpose):
    """No wildcard, no parent of a purpose, no other spelling."""
    assert (await refused(world, "toko/rina", purpose))[0] == "purpose-unknown"


async def test_a_member_of_another_tenant_is_nobody_here(world):
    """A genuine sign-in that names the wrong tenant: refused, in that tenant's trail."""
    assert await refused(world, "lain/rina", "billing") == ("not-a-member", "lain")


async def test_a_suspended_tenant_is_closed_to_all(world):
    """Its members too, and it is on record in its trail."""
    assert await refused(world, "tutup/wati", "billing") == ("tenant-suspended", "tutup")


@pytest.mark.parametrize("tenant", ["nix", "platform", "TOKO", "toko ", "toko'--", "../toko", "x" * 300])
async def test_a_tenant_that_does_not_exist_is_unknown(world, tenant):
    """Also the reserved name of the platform, and another spelling of a real one."""
    user = f"{tenant}/rina" if "/" not in tenant else "..toko/rina"
    assert await refused(world, user, "billing") == ("tenant-unknown", "platform")


async def test_an_identity_s_roles_are_not_taken_from_the_request(world):
    """Headers that look like roles change nothing."""
    headers = [("x-roles", "owner"), ("amanah-roles", "owner"), ("amanah-purpose", "support")]
    _, _, body = await sys.modules["gate_world"].call(world.gate(app, ROUTES), user="toko/budi", headers=headers)
    assert json.loads(body)["code"] == "forbidden"
    assert world.entries()[-1]["roles"] == ["courier"]
