"""Who is seen for the first time becomes a member without any role, and is told what is missing."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text

from amanah import database, errors
from amanah.audit.log import list_entries
from amanah.middleware.access import Actor
from amanah.middleware.admission import Admission
from amanah.middleware.first_sight import PER_MINUTE, FirstSight
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from tests.spelled_out import spelled_out

pytestmark = pytest.mark.anyio

CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing", "support"])
ORDER = route("GET /orders", "order", "read", ["fulfilment"])
CASHIER = frozenset({"cashier"})


def who(member="17", tenant="toko", **more):
    return Identity(tenant, Actor(member, strength="password"), **more)


def admission(world, policy="member", **more):
    """The world's admission with an answer to strangers."""
    return Admission(
        keyring=world.keyring,
        directory=world.directory,
        policies=world.policies,
        versions=world.versions,
        first_sight=FirstSight(world.engine, policy, **more),
    )


def members(world, tenant="toko"):
    """Account id → status."""
    with world.engine.connect() as connection:
        return {one.id: one.status for one in world.directory.members(connection, tenant)}


def acts(world, tenant="toko"):
    """What the tenant's trail says of people seen for the first time."""
    found = [one.entry for one in list_entries(world.trail_engine, tenant, limit=1000)]
    with world.engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM amanah_staged WHERE tenant_id = :t"), {"t": tenant})
        found = [spelled_out(row.body) for row in rows]
    return [one for one in found if one["detail"].get("act") == "member.first_seen"]


async def test_a_stranger_becomes_a_member_without_grants_and_is_refused(world_everywhere):
    """One row, one entry that names them, and a refusal that says that a role is missing; once, however often asked."""
    world = world_everywhere
    gate = admission(world)
    for _ in range(3):
        access, refusal = await gate.consider(who(), CUSTOMER, None)
        assert type(refusal) is errors.RoleMissing
        assert (access.tenant, access.roles) == ("toko", frozenset())
    _, refusal = await gate.consider(who(), CUSTOMER, "billing")
    assert type(refusal) is errors.Forbidden
    assert members(world)["17"] == "active"
    [entry] = acts(world)
    assert (entry["kind"], entry["actor"], entry["actor_kind"]) == ("admin", "17", "member")
    assert entry["detail"] == {"act": "member.first_seen", "member": "17", "roles": "none"}
    with world.engine.begin() as connection:
        world.directory.grant(connection, "toko", "17", "cashier", reason="till", granted_by="rina")
    assert (await gate.admit(who(), CUSTOMER, "billing")).roles == CASHIER


async def test_refuse_leaves_no_row(world_everywhere):
    """The safe default: nobody enters the list of members whom no administrator put there."""
    gate = admission(world_everywhere, "refuse")
    _, refusal = await gate.consider(who(), CUSTOMER, "billing")
    assert type(refusal) is errors.NotAMember
    assert "17" not in members(world_everywhere)
    assert acts(world_everywhere) == []


@pytest.mark.parametrize("policy", ["member", "refuse"])
async def test_who_has_a_role_from_the_application_is_let_in_and_listed(world_everywhere, policy):
    """A review of the members finds everybody who gets in, whichever table their role is from."""
    gate = admission(world_everywhere, policy)
    access = await gate.admit(who(roles=CASHIER), CUSTOMER, "billing")
    assert access.roles == CASHIER
    assert members(world_everywhere)["17"] == "active"
    [entry] = acts(world_everywhere)
    assert entry["detail"]["roles"] == "application"


async def test_known_members_cost_no_query_more(world):
    """Whoever is in the roster is looked up in memory: the statements are those of a gate without first sight."""
    counted = []
    event.listen(world.engine, "before_cursor_execute", lambda *said: counted.append(said[2]))
    plain, curious = world.admission, admission(world)
    numbers = []
    for gate in (plain, curious):
        await gate.admit(who("rina"), CUSTOMER, "billing")
        counted.clear()
        await gate.admit(who("rina"), CUSTOMER, "billing")
        numbers.append(len(counted))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("leave", ["suspend_member", "remove_member"])
@pytest.mark.parametrize("roles", [None, CASHIER])
async def test_whoever_was_sent_away_stays_away(world_everywhere, leave, roles):
    """Suspended and removed members are in the list already; neither being seen nor a mapped role revives them."""
    world = world_everywhere
    with world.engine.begin() as connection:
        getattr(world.directory, leave)(connection, "toko", "rina")
    before = members(world)
    _, refusal = await admission(world).consider(who("rina", roles=roles), CUSTOMER, "billing")
    assert type(refusal) is errors.NotAMember
    assert members(world) == before
    assert acts(world) == []


@pytest.mark.parametrize("roles", [None, CASHIER])
async def test_who_is_sent_away_meanwhile_is_no_stranger(world_everywhere, roles):
    """Between the look into the roster and the row somebody added and suspended them: what the row says counts."""
    world = world_everywhere

    class Late(FirstSight):
        def meet(self, identity):
            with world.engine.begin() as connection:
                world.directory.add_member(connection, "toko", identity.actor.id)
                world.directory.suspend_member(connection, "toko", identity.actor.id)
            return super().meet(identity)

    gate = admission(world)
    gate._first_sight = Late(world.engine, "member")
    _, refusal = await gate.consider(who(roles=roles), CUSTOMER, "billing")
    assert type(refusal) is errors.NotAMember
    assert members(world)["17"] == "suspended"


@pytest.mark.parametrize(
    "identity",
    [
        who(tenant="nowhere"),
        who(tenant="platform"),
        who(tenant="tutup"),
        who("anonymous", tenant="toko"),
        Identity("toko", Actor("operator:x", kind="operator")),
        who(" padded "),
        who("x" * 129),
        who("a\x1bb"),
    ],
)
async def test_what_is_no_member_of_an_active_tenant_leaves_no_row(world, identity):
    """Unknown and suspended tenants, operators, the anonymous actor, ids that no member can have."""
    if identity.actor.id == "anonymous":
        identity = Identity("toko", Actor("anonymous", kind="anonymous"))
    before = {tenant: members(world, tenant) for tenant in ("toko", "lain", "tutup")}
    _, refusal = await admission(world).consider(identity, CUSTOMER, "billing")
    assert refusal is not None
    assert {tenant: members(world, tenant) for tenant in ("toko", "lain", "tutup")} == before


async def test_only_the_named_tenant_gains_the_member(world):
    """The same account id in another tenant stays a stranger there."""
    await admission(world).consider(who(), CUSTOMER, "billing")
    assert "17" in members(world)
    assert "17" not in members(world, "lain")


def test_of_many_at_once_one_adds_the_row(world_everywhere):
    """Several gates see the same stranger at the same moment: one row, one entry."""
    world = world_everywhere
    sights = [FirstSight(world.engine, "member") for _ in range(6)]
    start = threading.Barrier(len(sights))
    found = []

    def meet(sight):
        start.wait(30)
        found.append(sight.meet(who()))

    threads = [threading.Thread(target=meet, args=(sight,)) for sight in sights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["active"] * len(sights)
    assert len(acts(world)) == 1


def _in_a_process(url, names):
    engine = database.own_engine(url)
    sight = FirstSight(engine, "member")
    for name in names:
        sight.meet(who(name))
    engine.dispose()


def test_of_several_processes_one_adds_the_row(world_everywhere, monkeypatch):
    """The same strangers in the same order in three processes: one row and one entry for each."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])  # where the processes find this module
    world = world_everywhere
    names = [f"acc-{number}" for number in range(5)]
    context = multiprocessing.get_context("spawn")
    url = world.engine.url.render_as_string(hide_password=False)
    running = [context.Process(target=_in_a_process, args=(url, names)) for _ in range(3)]
    for one in running:
        one.start()
    for one in running:
        one.join(120)
    assert [one.exitcode for one in running] == [0, 0, 0]
    assert set(names) <= set(members(world))
    assert sorted(entry["detail"]["member"] for entry in acts(world)) == names


def test_a_database_that_is_away_leaves_a_stranger_a_stranger(world):
    """What cannot be written is logged; the request goes on as if nobody had been seen."""
    with world.engine.begin() as connection:
        connection.execute(text("ALTER TABLE amanah_staged RENAME TO gone"))
    assert FirstSight(world.engine, "member").meet(who()) is None
    assert "17" not in members(world)


def test_another_word_than_the_two_is_refused():
    """A typing error is no policy."""
    with pytest.raises(errors.ConfigurationError):
        FirstSight(None, "members")


def test_a_minute_later_more_may_come(world):
    """The bound of this process is for a minute; the database counts the rows of the last one."""
    now = [1000.0]
    sight = FirstSight(world.engine, "member", clock=lambda: now[0])
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE amanah_member SET added_at = 0"))
    for number in range(PER_MINUTE):
        assert sight.meet(who(f"acc-{number}")) == "active"
    assert sight.meet(who("late")) is None
    now[0] += 60
    assert sight.meet(who("late")) is None  # the rows are of this minute
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE amanah_member SET added_at = 0"))
    assert sight.meet(who("late")) == "active"
