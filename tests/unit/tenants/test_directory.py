"""Tenants, members and grants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from amanah.database import PLATFORM, version
from amanah.errors import InvalidInput, PolicyUnavailable, TenantUnknown
from amanah.tenants.clock import to_us
from amanah.tenants.directory import Directory

NOW = to_us(datetime(2026, 11, 22, 9, 0, tzinfo=UTC))
LATER = datetime.now(UTC) + timedelta(days=30)
BY = {"reason": "opening", "granted_by": "platform"}


@pytest.fixture
def directory(own_database):
    """A directory with one tenant, "klinik", and one member, "siti"."""
    made = Directory(own_database)
    with own_database.begin() as connection:
        made.create_tenant(connection, "klinik", "Klinik Bandung", "clinic")
        made.add_member(connection, "klinik", "siti", "P-01")
    return made


def _version(connection, tenant="klinik"):
    return connection.execute(select(version.c.version).where(version.c.tenant_id == tenant)).scalar()


def test_a_member_holds_the_roles_that_were_granted(directory, own_database):
    """Granted roles are in the standing; a stranger has no status and no roles."""
    with own_database.begin() as connection:
        directory.grant(connection, "klinik", "siti", "owner", **BY)
        directory.grant(connection, "klinik", "siti", "doctor", **BY)
    roster = directory.load("klinik")
    assert (roster.status, roster.version) == ("active", 4)
    standing = roster.standing("siti", NOW)
    assert (standing.member_status, standing.roles) == ("active", {"owner", "doctor"})
    stranger = roster.standing("budi", NOW)
    assert (stranger.member_status, stranger.roles) == (None, frozenset())


def test_every_change_bumps_the_version_in_its_own_transaction(directory, own_database):
    """Each write raises the tenant's version by one, and a roll-back takes version and write back together."""
    with own_database.begin() as connection:
        before = _version(connection)
        grant = directory.grant(connection, "klinik", "siti", "owner", **BY)
        directory.add_member(connection, "klinik", "budi")
        second = directory.grant(connection, "klinik", "budi", "owner", **BY)
        directory.revoke(connection, "klinik", grant)
        directory.suspend_member(connection, "klinik", "siti")
        directory.remove_member(connection, "klinik", "siti")
        directory.suspend(connection, "klinik")
        directory.resume(connection, "klinik")
        assert _version(connection) == before + 8
        assert second in {grant.id for grant in directory.grants(connection, "klinik")}
    with own_database.connect() as connection:
        directory.suspend(connection, "klinik")
        connection.rollback()
        assert _version(connection) == before + 8
    assert directory.load("klinik").status == "active"


def test_a_grant_with_limits_holds_between_them_and_never_again(directory, own_database):
    """The start is inside, the end is outside, and a reload after the end does not bring the role back."""
    start, end = LATER, LATER + timedelta(hours=8)
    with own_database.begin() as connection:
        directory.grant(connection, "klinik", "siti", "doctor", **BY, starts_at=start, ends_at=end)
    tick = timedelta(microseconds=1)
    for _ in range(2):
        roster = directory.load("klinik")
        held = [
            bool(roster.standing("siti", to_us(at)).roles) for at in (start - tick, start, end - tick, end, end + tick)
        ]
        assert held == [False, True, True, False, False]
        with own_database.begin() as connection:
            directory.add_member(connection, "klinik", f"other-{roster.version}")


def test_a_suspended_member_and_a_suspended_tenant_hold_nothing(directory, own_database):
    """Suspension of either leaves the status visible and no role; undoing it brings the member's grants back."""
    with own_database.begin() as connection:
        directory.grant(connection, "klinik", "siti", "doctor", **BY)
        directory.suspend_member(connection, "klinik", "siti")
    standing = directory.load("klinik").standing("siti", NOW)
    assert (standing.member_status, standing.roles) == ("suspended", frozenset())
    with own_database.begin() as connection:
        directory.add_member(connection, "klinik", "siti")
        directory.suspend(connection, "klinik")
    roster = directory.load("klinik")
    assert (roster.status, roster.standing("siti", NOW).roles) == ("suspended", frozenset())
    with own_database.begin() as connection:
        directory.resume(connection, "klinik")
    assert directory.load("klinik").standing("siti", NOW).roles == {"doctor"}


def test_a_removed_member_who_returns_has_no_role(directory, own_database):
    """Removing revokes the grants, so that adding the person again restores none of them."""
    with own_database.begin() as connection:
        directory.grant(connection, "klinik", "siti", "doctor", **BY)
        directory.remove_member(connection, "klinik", "siti")
        directory.add_member(connection, "klinik", "siti")
    assert directory.load("klinik").standing("siti", NOW).roles == frozenset()


@pytest.mark.parametrize("way", ["revoke", "suspend_member", "remove_member"])
def test_the_last_owner_cannot_be_taken_away(directory, own_database, way):
    """No way of taking a role away leaves a tenant without owner; with a second owner it works."""
    with own_database.begin() as connection:
        grant = directory.grant(connection, "klinik", "siti", "owner", **BY)
        target = grant if way == "revoke" else "siti"
        with pytest.raises(InvalidInput, match="last owner"):
            getattr(directory, way)(connection, "klinik", target)
        directory.add_member(connection, "klinik", "budi")
        directory.grant(connection, "klinik", "budi", "owner", **BY)
        getattr(directory, way)(connection, "klinik", target)
    assert directory.load("klinik").standing("siti", NOW).roles == frozenset()


def test_a_temporary_owner_does_not_replace_a_lasting_one(directory, own_database):
    """The lasting owner stays while the only other one's time will end."""
    with own_database.begin() as connection:
        lasting = directory.grant(connection, "klinik", "siti", "owner", **BY)
        directory.add_member(connection, "klinik", "budi")
        directory.grant(connection, "klinik", "budi", "owner", **BY, ends_at=LATER)
        with pytest.raises(InvalidInput, match="last owner"):
            directory.revoke(connection, "klinik", lasting)


def test_nobody_grants_a_role_to_themselves(directory, own_database):
    """The member who is named as granting cannot be the one who receives."""
    with own_database.begin() as connection, pytest.raises(InvalidInput, match="themselves"):
        directory.grant(connection, "klinik", "siti", "owner", reason="because", granted_by="siti")


@pytest.mark.parametrize(
    "bad",
    [{"reason": "  "}, {"ends_at": datetime(2026, 1, 1, tzinfo=UTC)}, {"starts_at": datetime(2030, 1, 1)}],  # noqa: DTZ001
)
def test_a_grant_without_reason_or_with_impossible_times_is_refused(directory, own_database, bad):
    """A grant says why, ends after it begins, and names a time zone."""
    with own_database.begin() as connection, pytest.raises(InvalidInput):
        directory.grant(connection, "klinik", "siti", "owner", **{**BY, **bad})


def test_a_grant_of_an_unknown_role_is_refused_where_the_policy_is_asked(own_database):
    """With `closure` a role that the tenant's policy does not know cannot be granted."""
    directory = Directory(own_database, closure=lambda _connection, _tenant, role: frozenset({role} & {"owner"}))
    with own_database.begin() as connection:
        directory.create_tenant(connection, "toko", "Toko")
        directory.add_member(connection, "toko", "1")
        directory.grant(connection, "toko", "1", "owner", **BY)
        with pytest.raises(InvalidInput, match="no role ownr"):
            directory.grant(connection, "toko", "1", "ownr", **BY)


@pytest.mark.parametrize("name", ["", "Klinik", "a b", "a,b", "-a", "a" * 65, "ä", "a\n", PLATFORM])
def test_a_tenant_id_that_could_be_mistaken_is_refused(own_database, name):
    """Ids are lower-case letters, digits and dashes; the platform's own name is taken."""
    with own_database.begin() as connection, pytest.raises(InvalidInput):
        Directory(own_database).create_tenant(connection, name, "x")


@pytest.mark.parametrize("name", ["", " siti@a.id", "siti@a.id ", "siti@\na.id", "siti@a.id\x00", "s" * 129])
def test_a_member_id_that_could_be_mistaken_is_refused_and_not_repeated(directory, own_database, name):
    """The refusal does not repeat the id, which may be somebody's address."""
    with own_database.begin() as connection, pytest.raises(InvalidInput, match="printable") as refusal:
        directory.add_member(connection, "klinik", name)
    assert name not in str(refusal.value) or not name


def test_a_tenant_is_created_once(directory, own_database):
    """A second tenant of the same id is refused."""
    with own_database.begin() as connection, pytest.raises(InvalidInput, match="already"):
        directory.create_tenant(connection, "klinik", "Another")


def test_an_unknown_tenant_is_refused_everywhere(directory, own_database):
    """Reading and writing a tenant that is not there raises `TenantUnknown` and leaves no version behind."""
    with pytest.raises(TenantUnknown):
        directory.load("nobody")
    with own_database.begin() as connection:
        with pytest.raises(TenantUnknown):
            directory.add_member(connection, "nobody", "1")
        assert _version(connection, "nobody") is None


def test_a_closed_tenant_stays_closed(directory, own_database):
    """Closing is for good: neither resuming nor granting works afterwards."""
    with own_database.begin() as connection:
        directory.close(connection, "klinik")
        for change in (
            lambda: directory.resume(connection, "klinik"),
            lambda: directory.grant(connection, "klinik", "siti", "owner", **BY),
        ):
            with pytest.raises(InvalidInput, match="closed"):
                change()
    assert directory.load("klinik").status == "closed"


def test_a_roster_never_holds_another_tenants_members(directory, own_database):
    """Members and grants of the same id in two tenants stay apart."""
    with own_database.begin() as connection:
        directory.create_tenant(connection, "toko", "Toko", "trading")
        directory.add_member(connection, "toko", "siti")
        directory.grant(connection, "toko", "siti", "owner", **BY)
    assert directory.load("klinik").standing("siti", NOW).roles == frozenset()
    assert directory.load("toko").standing("siti", NOW).roles == {"owner"}


def test_the_lists_say_what_administrators_need(directory, own_database):
    """Tenants, members and grants come back as they were written, ended grants included."""
    with own_database.begin() as connection:
        grant = directory.grant(connection, "klinik", "siti", "doctor", reason=" new ", granted_by="hr", ends_at=LATER)
        directory.revoke(connection, "klinik", grant)
        (tenant,) = directory.tenants(connection)
        (member,) = directory.members(connection, "klinik")
        (listed,) = directory.grants(connection, "klinik")
    assert (tenant.id, tenant.name, tenant.status, tenant.template) == ("klinik", "Klinik Bandung", "active", "clinic")
    assert (member.id, member.display, member.status) == ("siti", "P-01", "active")
    assert (listed.id, listed.role, listed.reason, listed.granted_by) == (grant, "doctor", "new", "hr")
    assert listed.starts_at is None
    assert listed.ends_at == LATER
    assert listed.revoked_at is not None


def test_a_database_without_tables_is_policy_unavailable(tmp_path):
    """A roster that cannot be read is an error of its own, not an empty roster."""
    from amanah.database import own_engine

    engine = own_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(PolicyUnavailable):
        Directory(engine).load("klinik")
    engine.dispose()
