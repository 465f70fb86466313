"""From an identity to an access, or to the refusal that names what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from amanah import errors
from amanah.middleware.access import Actor
from amanah.middleware.admission import Admission
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route
from amanah.tenants.clock import to_us

pytestmark = pytest.mark.anyio

BILLING = "essential.service.payment_processing"
SUPPORT = "essential.service.operations.support"
CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing", "support"])
ORDER = route("GET /orders", "order", "read", ["fulfilment"])


def who(member="rina", tenant="toko", **more):
    return Identity(tenant, Actor(member), **more)


async def test_a_named_purpose_is_taken(world_everywhere):
    """The access knows tenant, roles, purpose by its key, and the decision that let it in."""
    access = await world_everywhere.admission.admit(who(), CUSTOMER, "billing", request="r1", ip="203.0.113.9")
    assert (access.tenant, access.roles, access.purpose) == ("toko", frozenset({"cashier"}), BILLING)
    assert not access.inferred
    assert access.route == "GET /customers/{id}"
    assert access.may("customer", "read").allow
    entry = access.entry("access", "answered")
    assert entry.decision is not None
    assert entry.decision["allow"] is True
    assert "203.0.113.9" not in entry.encode().decode()


async def test_the_one_purpose_that_is_open_is_inferred(world_everywhere):
    """Support may read customers for support only, so nothing needs to be named; it is marked as inferred."""
    access = await world_everywhere.admission.admit(who("sari"), CUSTOMER, None)
    assert (access.purpose, access.inferred) == (SUPPORT, True)


async def test_a_route_with_one_purpose_needs_no_header(world):
    """There is nothing to choose."""
    access = await world.admission.admit(who("budi"), ORDER, None)
    assert (access.purpose, access.inferred) == ("x.order.fulfilment", True)


async def test_a_choice_kept_in_the_session_counts_where_it_fits(world):
    """Named by the session it is no inference; a route that does not serve it goes on as if there were none."""
    access = await world.admission.admit(who(purpose="billing"), CUSTOMER, None)
    assert (access.purpose, access.inferred) == (BILLING, False)
    access = await world.admission.admit(who(purpose="reporting"), CUSTOMER, None)
    assert (access.purpose, access.inferred) == (BILLING, True)


@pytest.mark.parametrize(
    "identity, wanted, named, refusal, tenant",
    [
        (who(tenant="nowhere"), CUSTOMER, "billing", errors.TenantUnknown, None),
        (who(tenant="platform"), CUSTOMER, "billing", errors.TenantUnknown, None),
        (who("wati", "tutup"), CUSTOMER, "billing", errors.TenantSuspended, "tutup"),
        (who("tono"), CUSTOMER, "billing", errors.NotAMember, "toko"),
        (who(), CUSTOMER, "marketing", errors.PurposeUnknown, "toko"),
        (who(), CUSTOMER, "reporting", errors.PurposeNotServed, "toko"),
        (who(), CUSTOMER, "support", errors.Forbidden, "toko"),
        (who("budi"), CUSTOMER, None, errors.PurposeMissing, "toko"),
        (who(), route("GET /x", "customer", "read", ["care"]), None, errors.PurposeUnknown, "toko"),
        (who(), ORDER, "fulfilment", None, "toko"),
        (who("budi"), route("GET /x", "report", "read", ["reporting"]), None, errors.Forbidden, "toko"),
    ],
)
async def test_each_missing_fact_is_a_refusal_of_its_own(world, identity, wanted, named, refusal, tenant):
    """And the entry of the refusal belongs to the trail of the tenant as far as it is known."""
    access, error = await world.admission.consider(identity, wanted, named)
    assert type(error) is (refusal or type(None))
    assert access.tenant == tenant


async def test_a_change_is_seen_by_the_next_request(world_everywhere):
    """Revoked, suspended, granted: the version rises with the change and what was remembered is read again."""
    world = world_everywhere
    await world.admission.admit(who(), CUSTOMER, "billing")
    with world.engine.begin() as connection:
        world.directory.suspend_member(connection, "toko", "rina")
    with pytest.raises(errors.NotAMember):
        await world.admission.admit(who(), CUSTOMER, "billing")
    with world.engine.begin() as connection:
        world.directory.add_member(connection, "toko", "rina")
        world.policies.add_rule(connection, "toko", role="cashier", object="customer", action="read", purpose="support")
    await world.admission.admit(who(), CUSTOMER, "support")
    with world.engine.begin() as connection:
        world.directory.suspend(connection, "toko")
    with pytest.raises(errors.TenantSuspended):
        await world.admission.admit(who(), CUSTOMER, "billing")


async def test_a_grant_ends_when_it_says(world, monkeypatch):
    """No process has to notice: the time comes with each request's question."""
    now = datetime.now(UTC)
    with world.engine.begin() as connection:
        world.directory.grant(
            connection,
            "toko",
            "budi",
            "cashier",
            reason="stand-in",
            granted_by="rina",
            ends_at=now + timedelta(hours=1),
        )
    await world.admission.admit(who("budi"), CUSTOMER, "billing")
    monkeypatch.setattr("amanah.tenants.version_sources.now_us", lambda: to_us(now + timedelta(hours=1)))
    with pytest.raises(errors.Forbidden):
        await world.admission.admit(who("budi"), CUSTOMER, "billing")


async def test_a_rule_begins_and_ends_when_it_says_and_an_open_access_keeps_its_rules(world, monkeypatch):
    """The next access is judged by its own moment; one that was let in goes on as it was, however long it lasts."""
    now = datetime.now(UTC)
    order = route("GET /orders", "order", "delete", ["fulfilment"])
    with world.engine.begin() as connection:
        world.policies.add_rule(
            connection,
            "toko",
            role="cashier",
            object="order",
            action="delete",
            purpose="fulfilment",
            starts_at=now + timedelta(hours=1),
            ends_at=now + timedelta(hours=2),
        )
    clock, admission = [now], world.admission
    monkeypatch.setattr("amanah.tenants.version_sources.now_us", lambda: to_us(clock[0]))
    for hours, let_in in ((0, False), (1, True), (2, False), (1.5, True), (0.5, False)):
        clock[0] = now + timedelta(hours=hours)
        access, refusal = await admission.consider(who(), order, "fulfilment")
        assert (refusal is None) is let_in
    clock[0] = now + timedelta(hours=1)
    access = await admission.admit(who(), order, "fulfilment")
    job = admission.admit_now(who(), purpose="fulfilment", reason="a long job")
    clock[0] = now + timedelta(hours=2)
    assert not admission.admit_now(who(), purpose="fulfilment", reason="a job").may("order", "delete").allow
    for kept in (access, job):
        assert kept.may("order", "delete").allow


async def test_roles_mapped_by_the_application_are_taken(world):
    """Somebody without a membership here may have roles from the app's own table; a suspended member may not."""
    mapped = who("somebody", roles=frozenset({"cashier"}))
    access = await world.admission.admit(mapped, CUSTOMER, "billing")
    assert access.roles == {"cashier"}
    with world.engine.begin() as connection:
        world.directory.suspend_member(connection, "toko", "rina")
    with pytest.raises(errors.NotAMember):
        await world.admission.admit(who(roles=frozenset({"cashier"})), CUSTOMER, "billing")


async def test_before_the_first_tenant_it_says_what_to_do(world):
    """No keys and no tenant: nothing is lost. With a tenant and without the platform's keys, something is."""
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM amanah_key WHERE tenant_id = 'platform'"))
    with pytest.raises(errors.KeyUnknown):
        await world.admission.platform()
    with world.engine.begin() as connection:
        for table in ("amanah_grant", "amanah_member", "amanah_tenant"):
            connection.execute(text(f"DELETE FROM {table}"))
    with pytest.raises(errors.NoTenantYet, match="amanah tenant create"):
        await world.admission.platform()


@pytest.mark.parametrize("table", ["amanah_member", "amanah_rule", "amanah_version"])
async def test_a_policy_that_cannot_be_read_is_a_no(world, table):
    """Fail closed, with an error of its own class."""
    with world.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO gone"))
    with pytest.raises((errors.PolicyUnavailable, errors.DatabaseNotMigrated)):
        await world.admission.admit(who(), CUSTOMER, "billing")


async def test_keys_that_are_lost_are_a_no(world):
    """A tenant whose keys are gone is not let in to read ciphertext."""
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM amanah_key WHERE tenant_id = 'toko'"))
    with pytest.raises(errors.KeyUnknown):
        await world.admission.admit(who(), CUSTOMER, "billing")


def test_a_job_has_a_purpose_and_a_reason_and_no_route(world_everywhere):
    """Tenant, standing and purpose are checked as for a request."""
    admission = world_everywhere.admission
    access = admission.admit_now(who(), purpose="billing", reason="monthly statement")
    assert (access.kind, access.purpose, access.reason, access.route) == ("job", BILLING, "monthly statement", None)
    for identity, purpose, refusal in (
        (who(tenant="nowhere"), "billing", errors.TenantUnknown),
        (who("tono"), "billing", errors.NotAMember),
        (who("wati", "tutup"), "billing", errors.TenantSuspended),
        (who(), "marketing", errors.PurposeUnknown),
        (who("somebody", roles=frozenset({"captain"})), "billing", errors.RoleUnknown),
    ):
        with pytest.raises(refusal):
            admission.admit_now(identity, purpose=purpose, reason="x")


async def test_only_the_tenants_in_use_are_remembered(world):
    """So many, and no more: another one takes the place of the one that was asked for longest ago."""
    parts = {"keyring": world.keyring, "directory": world.directory, "policies": world.policies}
    admission = Admission(**parts, versions=world.versions, capacity=1)
    for _ in range(2):
        for identity in (who(), who("tono", "lain")):
            await admission.admit(identity, CUSTOMER, "billing")
            assert set(admission._tenants._rosters) == {identity.tenant}
