"""Attack: go on with a grant that has just expired, in a process whose clock says otherwise."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from amanah import errors
from amanah.database import bump, time_of
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.tenants.clock import from_us
from amanah.tenants.models import grant

pytestmark = pytest.mark.anyio

CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing"])
BUDI = Identity("toko", Actor("budi"))


async def may(world):
    """Whether budi, a courier, is a cashier now: to a request and to a job."""
    _, refusal = await world.admission.consider(BUDI, CUSTOMER, "billing")
    job = world.admission.admit_now(BUDI, purpose="billing", reason="test").may("customer", "read").allow
    assert job is (refusal is None)
    return job


def ends(world, after):
    """Let the grant of budi end so many microseconds after this moment of the database's."""
    with world.engine.begin() as connection:
        end = time_of(connection) + after
        mine = (grant.c.member_id == "budi") & (grant.c.role == "cashier")
        connection.execute(grant.update().where(mine).values(ends_at=end))
        bump(connection, "toko")


async def test_a_grant_ends_by_the_database_s_time(world_everywhere, monkeypatch):
    """On PostgreSQL a process that is an hour late or early neither keeps it nor loses it."""
    world = world_everywhere
    with world.engine.begin() as connection:
        later = from_us(time_of(connection)) + timedelta(hours=2)
        by = {"reason": "stand-in", "granted_by": "rina"}
        world.directory.grant(connection, "toko", "budi", "cashier", ends_at=later, **by)
    server = world.engine.dialect.name == "postgresql"
    genuine = time.time_ns
    for hours in (-1, 1) if server else (0,):
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: genuine() + hours * 3_600 * 10**9)
        ends(world, 60_000_000)
        assert await may(world)
        ends(world, 0)
        assert not await may(world)


async def test_nobody_grants_into_the_past_by_a_wrong_clock(world_everywhere, monkeypatch):
    """What was granted for an hour that is over is refused by the database's time, too."""
    world = world_everywhere
    with world.engine.connect() as connection:
        over = from_us(time_of(connection)) - timedelta(seconds=1)
    if world.engine.dialect.name == "postgresql":
        monkeypatch.setattr(time, "time_ns", lambda: 0)
    by = {"reason": "stand-in", "granted_by": "rina"}
    with pytest.raises(errors.InvalidInput), world.engine.begin() as connection:
        world.directory.grant(connection, "toko", "budi", "cashier", ends_at=over, **by)
