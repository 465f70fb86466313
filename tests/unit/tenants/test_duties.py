"""Separation of duties: what may not come together, how many may hold a role, and grants that wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from amanah.access_policies.policies import Policies
from amanah.database import own_engine
from amanah.errors import DutyBroken, InvalidInput
from amanah.tenants.clock import now_us
from amanah.tenants.directory import Directory
from amanah.tenants.duties import Duty

NOW = datetime.now(UTC)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=30)


class Office:
    """A tenant with members ani and budi, and roles: buyer, payer, head (who is a buyer, too), auditor."""

    def __init__(self, engine):
        self.engine = engine
        self.policies = Policies(engine, {})
        self.directory = Directory(engine, closure=self.policies.closure)
        with engine.begin() as connection:
            self.directory.create_tenant(connection, "toko", "Toko")
            for member in ("ani", "budi"):
                self.directory.add_member(connection, "toko", member)
            for role, parents in {"buyer": (), "payer": (), "auditor": (), "head": ("buyer",)}.items():
                self.policies.add_role(connection, "toko", role, parents=parents)

    def give(self, member, role, **more):
        with self.engine.begin() as connection:
            options = {"reason": "test", "granted_by": "platform", **more}
            return self.directory.grant(connection, "toko", member, role, **options)

    def revoke(self, grant):
        with self.engine.begin() as connection:
            self.directory.revoke(connection, "toko", grant)

    def approve(self, grant, by):
        with self.engine.begin() as connection:
            self.directory.approve(connection, "toko", grant, approved_by=by)

    def bind(self, *duty, **more):
        with self.engine.begin() as connection:
            self.directory.add_duty(connection, "toko", Duty(*duty, **more))

    def free(self, *duty, **more):
        with self.engine.begin() as connection:
            self.directory.remove_duty(connection, "toko", Duty(*duty, **more))

    def roles(self, member):
        return set(self.directory.load("toko").standing(member, now_us()).roles)


@pytest.fixture
def office(own_database):
    return Office(own_database)


def test_roles_that_exclude_each_other_are_never_held_together(office):
    """In either order, by what a role inherits, and by a grant that begins later; nothing is written."""
    office.bind("buyer", "excludes", "payer")
    office.give("ani", "buyer")
    office.give("budi", "payer", starts_at=SOON)
    for member, role in (("ani", "payer"), ("budi", "buyer"), ("budi", "head")):
        with pytest.raises(DutyBroken) as told:
            office.give(member, role)
        assert member not in told.value.sentence()
    assert office.roles("ani") == {"buyer"}
    office.free("buyer", "excludes", "payer")
    office.give("ani", "payer")
    assert office.roles("ani") == {"buyer", "payer"}


def test_a_role_that_requires_another_lasts_no_longer(office):
    """The other one is given first, covers the whole time, and is not revoked before."""
    office.bind("auditor", "requires", "buyer")
    with pytest.raises(DutyBroken):
        office.give("ani", "auditor")
    base = office.give("ani", "head", ends_at=LATER)
    with pytest.raises(DutyBroken):
        office.give("ani", "auditor")
    with pytest.raises(DutyBroken):
        office.give("ani", "auditor", ends_at=LATER + timedelta(seconds=1))
    more = office.give("ani", "auditor", ends_at=LATER)
    with pytest.raises(DutyBroken):
        office.revoke(base)
    assert office.roles("ani") == {"head", "auditor"}
    office.revoke(more)
    office.revoke(base)
    assert office.roles("ani") == set()


def test_at_most_so_many_members_hold_a_role(office):
    """By inheritance, too; who holds it twice counts once; a member who leaves makes room."""
    office.bind("buyer", "at_most", number=1)
    office.give("ani", "buyer")
    office.give("ani", "head")
    with pytest.raises(DutyBroken):
        office.give("budi", "head")
    with office.engine.begin() as connection:
        office.directory.remove_member(connection, "toko", "ani")
    office.give("budi", "head")


def test_a_duty_that_does_not_hold_now_is_not_taken(office):
    """Neither are one about a role that is not there, about itself, twice, or of another kind's words."""
    office.give("ani", "buyer")
    office.give("ani", "payer")
    for duty in (Duty("buyer", "excludes", "payer"), Duty("payer", "requires", "auditor")):
        with pytest.raises(DutyBroken), office.engine.begin() as connection:
            office.directory.add_duty(connection, "toko", duty)
    office.bind("auditor", "two_people")
    for wrong in (
        Duty("nobody", "two_people"),
        Duty("buyer", "excludes", "nobody"),
        Duty("buyer", "excludes", "buyer"),
        Duty("head", "excludes", "buyer"),
        Duty("buyer", "at_most"),
        Duty("buyer", "at_most", number=-1),
        Duty("buyer", "two_people", "payer"),
        Duty("buyer", "excludes", "auditor", 3),
        Duty("auditor", "two_people"),
        Duty("buyer", "likes", "payer"),  # type: ignore[arg-type]
        Duty("a, b", "two_people"),
    ):
        with pytest.raises(InvalidInput), office.engine.begin() as connection:
            office.directory.add_duty(connection, "toko", wrong)
    with pytest.raises(InvalidInput):
        office.free("payer", "two_people")
    with office.engine.connect() as connection:
        assert office.directory.duties(connection, "toko") == [Duty("auditor", "two_people")]


def test_a_role_that_wants_two_people_waits_for_the_second(office):
    """Neither who gave it nor who gets it is one; until then nothing is in force, also for what inherits it."""
    office.bind("buyer", "two_people")
    grant = office.give("ani", "head", granted_by="budi")
    assert office.roles("ani") == set()
    for by in ("budi", "ani"):
        with pytest.raises(InvalidInput):
            office.approve(grant, by)
    office.approve(grant, "platform")
    assert office.roles("ani") == {"head"}
    with pytest.raises(InvalidInput):
        office.approve(grant, "platform")
    with office.engine.connect() as connection:
        [told] = office.directory.grants(connection, "toko")
    assert (told.waits, told.approved_by, told.approved_at is not None) == (False, "platform", True)


def test_a_grant_that_waits_is_looked_at_again_when_it_is_approved(office):
    """Another grant, a member who left, its end, a revocation: each may have come in between."""
    office.bind("buyer", "two_people")
    office.bind("buyer", "at_most", number=1)
    first, second = office.give("ani", "buyer"), office.give("budi", "buyer")
    office.approve(first, "second")
    with pytest.raises(DutyBroken):
        office.approve(second, "second")
    office.revoke(first)
    with office.engine.begin() as connection:
        office.directory.suspend_member(connection, "toko", "budi")
    with pytest.raises(InvalidInput):
        office.approve(second, "second")
    with office.engine.begin() as connection:
        office.directory.add_member(connection, "toko", "budi")
    office.revoke(second)
    with pytest.raises(InvalidInput):
        office.approve(second, "second")
    assert office.roles("budi") == set()


def test_an_owner_who_waits_is_no_owner_yet(office):
    """The last one who is in force cannot be taken away."""
    with office.engine.begin() as connection:
        office.policies.add_role(connection, "toko", "owner")
    office.give("ani", "owner")
    office.bind("owner", "two_people")
    office.give("budi", "owner")
    with pytest.raises(InvalidInput), office.engine.begin() as connection:
        office.directory.remove_member(connection, "toko", "ani")


def test_two_administrators_at_once_do_not_pass_a_duty_together(office, database_url):
    """Each would break it with what the other has not committed; the tenant's version makes them take turns."""
    if "sqlite" in database_url:
        pytest.skip("one writer at a time")
    office.bind("buyer", "at_most", number=1)
    other = own_engine(database_url)
    with office.engine.connect() as one, one.begin():
        office.directory.grant(one, "toko", "ani", "buyer", reason="test", granted_by="platform")
        with other.connect() as two, two.begin():
            two.exec_driver_sql("SET lock_timeout = '200ms'")
            with pytest.raises(Exception, match="lock timeout"):
                office.directory.grant(two, "toko", "budi", "buyer", reason="test", granted_by="platform")
    other.dispose()
    with pytest.raises(DutyBroken):
        office.give("budi", "buyer")
