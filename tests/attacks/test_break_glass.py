"""Attack: take a role in an emergency without being allowed, for longer, once more, unseen, or review it oneself."""

from __future__ import annotations

import json
import sys

import pytest

from amanah.database import time_of
from amanah.errors import DutyBroken, EmergencyNotAllowed, EmergencyTaken, InvalidInput
from amanah.middleware import break_glass
from amanah.middleware.access import Actor, open_access
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.tenants.duties import Duty
from amanah.tenants.emergencies import Emergency
from amanah.tenants.models import grant

pytestmark = pytest.mark.anyio

ROUTES = [
    route("GET /customers/{id}", "customer", "read", ["billing"]),
    route("POST /emergency", "order", "read", ["fulfilment"]),
]
WHY = "the customer waits at the door"


def allow(world, role="cashier", holder="courier", minutes=30):
    """What the tenant says beforehand."""
    with world.engine.begin() as connection:
        world.directory.emergencies.allow(connection, "toko", Emergency(role, holder, minutes))


def take(world, member="budi", role="cashier", **more):
    """At the terminal, for a member."""
    with world.engine.begin() as connection:
        more = {"reason": WHY, "by": member, **more}
        return world.directory.emergencies.take(connection, "toko", member, role, **more)


def app(world, role="cashier", reason=WHY):
    """A handler by which whoever is signed in takes a role, and one that shows a customer."""

    async def handle(scope, _receive, send):
        status = 200
        if scope["path"] == "/emergency":
            break_glass.take(world.engine, world.directory, role, reason)
            status = 201
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    return world.gate(handle, ROUTES)


async def ask(gate, path, user, method="GET"):
    status, _, body = await sys.modules["gate_world"].call(gate, path, method=method, user=user)
    return status if body == b"x" else json.loads(body)["code"]


async def test_a_role_is_taken_used_and_recognised(world_everywhere):
    """It counts from the next request on, ends by itself, and each access under it says so in the trail."""
    world = world_everywhere
    gate = app(world)
    allow(world)
    assert await ask(gate, "/customers/7", "toko/budi") == "forbidden"
    assert await ask(gate, "/emergency", "toko/budi", "POST") == 201
    assert await ask(gate, "/customers/7", "toko/budi") == 200
    entry = world.entries()[-1]
    assert (entry["detail"], entry["roles"]) == ({"emergency": "cashier"}, ["cashier", "courier"])
    with world.engine.begin() as connection:
        (taken,) = [one for one in world.directory.grants(connection, "toko") if one.emergency]
        assert (taken.reason, taken.granted_by, taken.to_review) == (WHY, "budi", True)
        assert (taken.ends_at - taken.granted_at).total_seconds() == 30 * 60
        connection.execute(grant.update().where(grant.c.id == taken.id).values(ends_at=time_of(connection)))
        world.directory.lapse_after(connection, "toko", None)  # any change: the version rises
    assert await ask(gate, "/customers/7", "toko/budi") == "forbidden"


@pytest.mark.parametrize("role", ["cashier", "owner", "support", "no such role"])
async def test_what_nobody_allowed_is_not_taken(world_everywhere, role):
    """Not by a role that was not named, not by holders of another one; it is refused and on record."""
    world = world_everywhere
    allow(world, "support", holder="cashier")
    gate = app(world, role)
    assert await ask(gate, "/emergency", "toko/budi", "POST") in {"emergency-not-allowed", "invalid-input"}
    with world.engine.connect() as connection:
        assert not any(one.emergency for one in world.directory.grants(connection, "toko"))


async def test_an_application_that_swallows_the_no_hides_nothing(world):
    """The refusal is in the trail, whatever is answered."""

    async def swallowing(_scope, _receive, send):
        try:
            break_glass.take(world.engine, world.directory, "cashier", WHY)
        except EmergencyNotAllowed:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"nothing happened"})

    await ask_status(world.gate(swallowing, ROUTES))
    assert world.entries()[-1]["refusal"] == "emergency-not-allowed"


async def ask_status(gate):
    return (await sys.modules["gate_world"].call(gate, "/emergency", method="POST", user="toko/budi"))[0]


def test_no_job_service_or_operator_takes_one(world):
    """A person in a request does, and nobody else."""
    allow(world, holder="*")
    for kind, actor in (("job", "member"), ("request", "service"), ("request", "operator")):
        access = world.admission.admit_now(Identity("toko", Actor("budi")), purpose="billing", reason="x")
        access.kind, access.actor = kind, Actor("budi", kind=actor)
        with open_access(access), pytest.raises(EmergencyNotAllowed):
            break_glass.take(world.engine, world.directory, "cashier", WHY)


def test_nobody_takes_one_twice_or_climbs_by_it(world_everywhere):
    """While it holds, and for what they hold anyway; and what was taken lets nobody take the next one."""
    world = world_everywhere
    allow(world)
    allow(world, "support", holder="cashier")
    take(world)
    for role, error in (("cashier", EmergencyTaken), ("support", EmergencyNotAllowed)):
        with pytest.raises(error):
            take(world, role=role)
    allow(world, holder="*")
    with pytest.raises(EmergencyTaken):
        take(world, "rina")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
def test_there_is_no_emergency_without_a_reason(world, reason):
    """It is what the reviewer reads."""
    allow(world)
    with pytest.raises(InvalidInput, match="reason"):
        take(world, reason=reason)


def test_duties_hold_in_an_emergency_except_the_wait_for_a_second_person(world_everywhere):
    """Roles that exclude each other still do; two people are what there is no time for."""
    world = world_everywhere
    allow(world)
    with world.engine.begin() as connection:
        world.directory.add_duty(connection, "toko", Duty("cashier", "excludes", "courier"))
    with pytest.raises(DutyBroken):
        take(world)
    with world.engine.begin() as connection:
        world.directory.remove_duty(connection, "toko", Duty("cashier", "excludes", "courier"))
        world.directory.add_duty(connection, "toko", Duty("cashier", "two_people"))
    take(world)
    assert "cashier" in world.admission.admit_now(Identity("toko", Actor("budi")), purpose="billing", reason="x").roles


def test_nobody_reviews_their_own_or_what_is_not_over(world_everywhere):
    """Not who took it, not who gave it; not while it holds; not twice; not by way of another tenant."""
    world = world_everywhere
    allow(world)
    taken = take(world, by="operator:ops").grant

    def review(by, tenant="toko"):
        with world.engine.begin() as connection:
            world.directory.emergencies.review(connection, tenant, taken, reviewed_by=by)

    for by, tenant in (("rina", "toko"), ("rina", "lain")):
        with pytest.raises(InvalidInput):
            review(by, tenant)
    with world.engine.begin() as connection:
        world.directory.revoke(connection, "toko", taken)
    for by in ("budi", "operator:ops"):
        with pytest.raises(InvalidInput, match="another person"):
            review(by)
    review("rina")
    with pytest.raises(InvalidInput):
        review("sari")
    with world.engine.connect() as connection:
        (one,) = [one for one in world.directory.grants(connection, "toko") if one.emergency]
    assert (one.reviewed_by, one.to_review) == ("rina", False)


def test_minutes_are_bounded(world):
    """Nobody allows an emergency that never ends."""
    for minutes in (0, -5, 24 * 60 + 1):
        with pytest.raises(InvalidInput):
            allow(world, minutes=minutes)
