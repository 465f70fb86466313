"""Attack: fill a tenant's list of members, or keep its database busy, with accounts that have no role."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from amanah.errors import TokenInvalid
from amanah.middleware.access import Actor
from amanah.middleware.admission import Admission
from amanah.middleware.first_sight import PER_MINUTE, FirstSight
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.tenants.models import member

pytestmark = pytest.mark.anyio
CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing", "support"])


def _gate(world: Any, **more: Any) -> Admission:
    return Admission(
        keyring=world.keyring,
        directory=world.directory,
        policies=world.policies,
        versions=world.versions,
        first_sight=FirstSight(world.engine, "member", **more),
    )


def _count(world: Any, tenant: str = "toko") -> int:
    with world.engine.begin() as connection:
        query = select(func.count()).select_from(member).where(member.c.tenant_id == tenant)
        return int(connection.execute(query).scalar_one())


def _long_ago(world: Any) -> None:
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE amanah_member SET added_at = 0"))


async def test_a_crowd_adds_no_more_than_a_minute_s_worth(world_everywhere: Any) -> None:
    """Through several processes (gates) together; another tenant is not held up by it."""
    world = world_everywhere
    _long_ago(world)
    before = _count(world)
    gates = [_gate(world) for _ in range(3)]
    for number in range(PER_MINUTE + 10):
        for part, gate in enumerate(gates):
            await gate.consider(Identity("toko", Actor(f"bot-{part}-{number}")), CUSTOMER, "billing")
    assert _count(world) == before + PER_MINUTE
    await gates[0].consider(Identity("lain", Actor("17")), CUSTOMER, "billing")
    assert _count(world, "lain") == 2


async def test_a_crowd_costs_no_transaction_each(world: Any) -> None:
    """Beyond the bound a stranger is refused from memory: no lock is taken and no version raised."""
    _long_ago(world)
    gate = _gate(world)
    for number in range(PER_MINUTE):
        await gate.consider(Identity("toko", Actor(f"bot-{number}")), CUSTOMER, "billing")
    await gate.consider(Identity("toko", Actor("warm")), CUSTOMER, "billing")
    written: list[str] = []
    event.listen(world.engine, "before_cursor_execute", lambda *said: written.append(said[2]))
    for number in range(20):
        await gate.consider(Identity("toko", Actor(f"late-{number}")), CUSTOMER, "billing")
    assert not [one for one in written if "amanah_member" in one or one.startswith(("UPDATE", "INSERT"))]


async def test_a_failed_sign_in_makes_no_member(world: Any) -> None:
    """Only whom the login vouches for: nobody, a forged token and a login that fails leave no row."""
    from gate_world import call

    async def forged(_connection: Any) -> Any:
        raise TokenInvalid

    async def broken(_connection: Any) -> Any:
        msg = "the login's own defect"
        raise RuntimeError(msg)

    async def nobody(_connection: Any) -> Any:
        return None

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        pytest.fail("the application ran")

    before = _count(world)
    for identify in (forged, broken, nobody):
        gate = world.gate(app, [CUSTOMER], identify=identify, admission=_gate(world))
        with contextlib.suppress(RuntimeError):
            await call(gate, user="toko/stranger")
    assert _count(world) == before
