"""Attack: an operator of the platform looks at a tenant's data without a grant of the tenant's."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pytest

from amanah.database import time_of
from amanah.errors import InvalidInput, OperatorNotGranted
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.tenants.clock import from_us
from amanah.tenants.models import grant

pytestmark = pytest.mark.anyio

ROUTES = [route("GET /customers/{id}", "customer", "read", ["billing"])]


async def page(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data"})


async def ask(world, actor, roles=None):
    """The code of the refusal, or "data"."""

    async def login(_connection):
        return Identity("toko", actor, roles=roles)

    *_, body = await sys.modules["gate_world"].call(world.gate(page, ROUTES, identify=login))
    return body.decode() if body == b"data" else json.loads(body)["code"]


def let_in(world, operator="ops", role="cashier", by="hendra", days=1.0):
    """What somebody who owns the tenant gives."""
    with world.engine.begin() as connection:
        end = from_us(time_of(connection)) + timedelta(days=days)
        more = {"reason": "support case 7", "granted_by": by, "ends_at": end}
        return world.directory.operators.grant(connection, "toko", operator, role, **more)


@pytest.fixture
def owned(world_everywhere):
    """The tenant with an owner, hendra."""
    with world_everywhere.engine.begin() as connection:
        world_everywhere.directory.add_member(connection, "toko", "hendra")
        by = {"reason": "test", "granted_by": "platform"}
        world_everywhere.directory.grant(connection, "toko", "hendra", "owner", **by)
    return world_everywhere


async def test_an_operator_is_let_in_by_a_grant_and_for_its_time_only(owned):
    """Without one, before and after: an error of its own, in the tenant's trail."""
    ops = Actor("ops", kind="operator")
    assert await ask(owned, ops) == "operator-not-granted"
    assert (owned.entries()[-1]["tenant"], owned.entries()[-1]["actor_kind"]) == ("toko", "operator")
    given = let_in(owned)
    assert await ask(owned, ops) == "data"
    with owned.engine.begin() as connection:
        (seen,) = [one for one in owned.directory.grants(connection, "toko") if one.operator]
        assert (seen.id, seen.member_id, seen.granted_by) == (given, "ops", "hendra")
        connection.execute(grant.update().where(grant.c.id == given).values(ends_at=time_of(connection)))
        owned.directory.lapse_after(connection, "toko", None)
    assert await ask(owned, ops) == "operator-not-granted"


async def test_ids_of_different_kinds_never_mix(owned):
    """An operator with a member's id is not that member, and a member with an operator's id not that operator."""
    assert await ask(owned, Actor("rina")) == "data"
    assert await ask(owned, Actor("rina", kind="operator")) == "operator-not-granted"
    let_in(owned)
    assert await ask(owned, Actor("ops")) == "not-a-member"
    assert await ask(owned, Actor("ops", kind="service")) == "not-a-member"
    with owned.engine.begin() as connection:
        owned.directory.add_member(connection, "toko", "ops")
    assert await ask(owned, Actor("ops")) == "forbidden"


async def test_roles_of_the_application_do_not_let_an_operator_in(owned):
    """An application that maps roles says nothing about the platform's own people."""
    mapped = frozenset({"cashier"})
    assert await ask(owned, Actor("ops", kind="operator"), mapped) == "operator-not-granted"
    let_in(owned, role="courier")
    assert await ask(owned, Actor("ops", kind="operator"), mapped) == "forbidden"


def test_a_job_of_an_operator_is_held_to_the_same(owned):
    """Scripts are no way round it."""
    ops = Identity("toko", Actor("ops", kind="operator"))
    with pytest.raises(OperatorNotGranted):
        owned.admission.admit_now(ops, purpose="billing", reason="x")
    let_in(owned)
    assert owned.admission.admit_now(ops, purpose="billing", reason="x").roles == {"cashier"}


@pytest.mark.parametrize(
    "wrong", [{"by": "rina"}, {"by": "ops"}, {"by": "platform"}, {"days": 31}, {"days": -1}, {"role": "nothing"}]
)
def test_only_an_owner_lets_an_operator_in_and_not_for_long(owned, wrong):
    """No other member, not the operator, not the platform; not for longer, not into the past."""
    with pytest.raises(InvalidInput):
        let_in(owned, **wrong)


def test_an_owner_who_was_suspended_lets_nobody_in(owned):
    """Who owns the tenant is asked of this moment."""
    with owned.engine.begin() as connection:
        owned.directory.grant(connection, "toko", "rina", "owner", reason="test", granted_by="platform")
        owned.directory.suspend_member(connection, "toko", "hendra")
    with pytest.raises(InvalidInput):
        let_in(owned)
