"""Attack: use a role that wants a second factor with a password alone, or with a header that claims one."""

from __future__ import annotations

import json
import sys

import pytest

from amanah.errors import Forbidden
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.middleware.second_factor import is_strong
from amanah.tenants.duties import Duty

pytestmark = pytest.mark.anyio

ROUTES = [
    route("GET /customers/{id}", "customer", "read", ["billing", "support"]),
    route("GET /orders", "order", "read", ["fulfilment"]),
    route("WEBSOCKET /live", "customer", "read", ["billing"]),
]


async def page(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data"})


def bind(world, role="cashier"):
    """The role counts only with a second factor."""
    with world.engine.begin() as connection:
        world.directory.add_duty(connection, "toko", Duty(role, "second_factor"))


async def ask(world, strength, *, member="rina", path="/customers/7", headers=(), app=page, roles=None):
    """Status, headers and body's code, or "data"."""

    async def login(_connection):
        return Identity("toko", Actor(member, strength=strength), roles=roles)

    gate = world.gate(app, ROUTES, identify=login)
    status, answered, body = await sys.modules["gate_world"].call(gate, path, headers=headers)
    return status, answered, "data" if body == b"data" else json.loads(body)["code"]


async def test_a_role_is_not_used_without_the_second_factor(world_everywhere):
    """401 with the challenge of RFC 9470 and a problem that says what to do; with the factor it is let in."""
    world = world_everywhere
    assert (await ask(world, "password"))[0] == 200
    bind(world)
    for headers in ([], [("amanah-purpose", "billing")]):
        status, answered, code = await ask(world, "password", headers=headers)
        assert (status, code) == (401, "second-factor-required")
        challenge = answered["www-authenticate"]
        assert challenge.startswith('Bearer error="insufficient_user_authentication"')
        assert 'acr_values="mfa"' in challenge
    entry = world.entries()[-1]
    assert (entry["refusal"], entry["roles"], entry["strength"]) == ("second-factor-required", [], "password")
    assert (await ask(world, "password+totp"))[2] == "data"


async def test_a_strength_that_the_client_claims_is_no_strength(world):
    """Headers and query of the request are not asked; what the login says is."""
    bind(world)
    names = ("amr", "acr", "x-strength", "x-amr", "x-mfa", "amanah-strength", "x-user-strength")
    claimed = [(name, "password+totp mfa") for name in names]
    assert (await ask(world, "password", headers=claimed))[2] == "second-factor-required"


@pytest.mark.parametrize(
    "strength, strong",
    [
        ("", False),
        ("password", False),
        ("totp", False),
        ("totp+totp", False),
        ("password+password", False),
        ("pwd+pin", False),
        ("password+mfa-later", False),
        ("+", False),
        ("mfa", True),
        ("password+totp", True),
        ("pwd+OTP", True),
        ("pwd+hwk+user", True),
    ],
)
def test_what_counts_as_a_second_factor(strength, strong):
    """A known word beside another one, or the login's word that there were several."""
    assert is_strong(strength) is strong


async def test_what_inherits_the_role_and_what_the_application_maps_are_bound_too(world):
    """Neither a role above it nor another road to it is a way round."""
    with world.engine.begin() as connection:
        world.policies.add_role(connection, "toko", "chief", parents=["cashier"])
        world.directory.grant(connection, "toko", "budi", "chief", reason="test", granted_by="rina")
    bind(world)
    billing = [("amanah-purpose", "billing")]
    assert (await ask(world, "password", member="budi", headers=billing))[2] == "second-factor-required"
    mapped = frozenset({"cashier"})
    assert (await ask(world, "password", member="app", roles=mapped, headers=billing))[2] == "second-factor-required"


async def test_a_no_that_a_second_factor_would_not_turn_is_a_plain_no(world):
    """Nobody is sent for their telephone in vain."""
    bind(world)
    assert (await ask(world, "password", headers=[("amanah-purpose", "support")]))[2] == "forbidden"
    assert (await ask(world, "password", member="budi", path="/orders"))[2] == "data"


async def test_who_signs_in_with_less_does_not_see_more(world):
    """A role that does not count still denies: to leave the second factor out is no way past a denial."""
    with world.engine.begin() as connection:
        world.policies.add_role(connection, "toko", "barred")
        denied = {"object": "customer", "action": "read", "purpose": "billing", "effect": "deny"}
        world.policies.add_rule(connection, "toko", role="barred", **denied)
        world.directory.grant(connection, "toko", "rina", "barred", reason="test", granted_by="sari")
    bind(world, "barred")
    for strength in ("password", "password+totp"):
        assert (await ask(world, strength, headers=[("amanah-purpose", "billing")]))[2] == "forbidden"


async def test_a_statement_within_a_request_asks_for_it_too(world):
    """A table that only such a role may touch: the whole request is told 401; a job is told no."""
    from amanah.middleware.access import current

    async def touching(_scope, _receive, send):
        current().demand("customer", "read")
        await page(_scope, _receive, send)

    with world.engine.begin() as connection:
        allowed = {"object": "customer", "action": "read", "purpose": "fulfilment"}
        world.policies.add_role(connection, "toko", "checked")
        world.policies.add_rule(connection, "toko", role="checked", **allowed)
        world.directory.grant(connection, "toko", "budi", "checked", reason="test", granted_by="rina")
    bind(world, "checked")
    asked = {"member": "budi", "path": "/orders", "app": touching}
    assert (await ask(world, "password", **asked))[::2] == (401, "second-factor-required")
    assert (await ask(world, "password+totp", **asked))[2] == "data"
    job = world.admission.admit_now(Identity("toko", Actor("budi")), purpose="fulfilment", reason="x")
    with pytest.raises(Forbidden):
        job.demand("customer", "read")


async def test_a_websocket_is_told_so_before_it_opens(world):
    """By the challenge where the server can, else by the reason of the close."""
    bind(world)

    async def login(_connection):
        return Identity("toko", Actor("rina", strength="password"))

    for extensions, told in (({}, "second-factor-required"), ({"websocket.http.response": {}}, 401)):
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message, sent=sent):
            sent.append(message)

        scope = {"type": "websocket", "path": "/live", "scheme": "ws", "headers": [], "extensions": extensions}
        scope |= {"client": ("203.0.113.9", 1), "query_string": b""}
        await world.gate(page, ROUTES, identify=login)(scope, receive, send)
        assert sent[0].get("status", sent[0].get("reason")) == told


def test_the_strictest_mask_holds_for_who_signs_in_with_less():
    """What a role that does not count wants masked more strictly is not shown more openly without it."""
    from amanah.access_policies.purposes import Purpose
    from amanah.access_policies.rules import Rule
    from amanah.access_policies.snapshot import Snapshot
    from amanah.middleware.second_factor import decide

    rules = [
        Rule(1, "cashier", "customer.phone", "read_masked", "x", "allow"),
        Rule(2, "barred", "customer.phone", "read_masked", "x", "allow", mask="dots"),
    ]
    parents = {"cashier": frozenset(), "barred": frozenset()}
    fields = {"customer.phone": "user.contact.phone_number"}
    purposes = [Purpose("x", "x", "contract", {}, "")]
    snapshot = Snapshot("t", 1, parents, purposes, rules, fields, fits=lambda _field, _mask: True)
    asked = ("customer.phone", "read_masked", "x")
    whole = snapshot.decide(frozenset(parents), *asked)
    found = decide(snapshot, frozenset({"cashier"}), frozenset({"barred"}), asked)
    assert (found.allow, found.mask, found.rule) == (True, whole.mask, "r1")
    assert found.mask != snapshot.decide(frozenset({"cashier"}), *asked).mask
