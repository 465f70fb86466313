"""One asks, another approves, and each step is on record."""

from __future__ import annotations

import json

import pytest

from amanah.adoption.requests import look_up, requests_of
from amanah.errors import (
    Forbidden,
    InvalidInput,
    NotAMember,
    PurposeUnknown,
    RequestEnded,
    RequestExpired,
    RequestUnapproved,
    RequestUnknown,
    SealingStepWrong,
    TenantForeign,
)
from tests.spelled_out import spelled_out

DAY = 24 * 3600 * 1_000_000


def test_what_is_asked_for_is_fixed_as_a_list_of_columns(office_of_two):
    """A table's name stands for its columns of this moment; a column that is declared later is not in it."""
    office = office_of_two
    both = look_up(office.guard, "a", office.ask("supplier", "customer.phone")).request
    assert both.columns == ("customer.phone", "supplier.mobile", "supplier.phone")
    assert (both.asked_by, both.reason, both.state(office.now())) == ("owner", "the courier's new software", "waiting")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("customer.pager", SealingStepWrong),
        ("customer.city", SealingStepWrong),
        ("customer.tenant_id", InvalidInput),
        ("nothing", InvalidInput),
        ("nothing.phone", InvalidInput),
        ("", InvalidInput),
    ],
)
def test_only_a_column_whose_plain_values_are_kept_can_be_asked_for(office_of_two, name, error):
    """Elsewhere what is decrypted would go stale, or have no place: the name and the step are told at once."""
    office = office_of_two
    with pytest.raises(error):
        office.ask(name)
    assert list(requests_of(office.guard, "a")) == []


def test_a_request_needs_columns_and_a_reason(office_of_two):
    """An empty list and an empty reason are no request."""
    office = office_of_two
    for names, reason in (((), "why"), (("customer.phone",), "  ")):
        with pytest.raises(InvalidInput):
            office.two_people().ask(office.person("owner"), names, reason)


def test_each_step_is_an_entry_of_the_tenants_trail(office_of_two):
    """Who, when, what, as an act of the member, decided by a rule; the reason is sealed and nowhere in the clear."""
    office = office_of_two
    request_id = office.approved()
    office.two_people().stop(request_id, office.person("third"))
    asked, approved, refused = (one for one in office.entries() if "request" in one.detail)
    assert office.acts() == [
        ("decrypt.request", "owner", None),
        ("decrypt.approve", "second", None),
        ("decrypt.refuse", "third", None),
    ]
    assert asked.id == asked.detail["request"] == request_id
    assert asked.detail["operator"] == "operator:ops"
    assert (asked.actor_kind, asked.strength, asked.roles) == ("member", "password", ("owner",))
    assert asked.decision["resource"] == "amanah.sealing"
    assert asked.decision["rule"] is not None
    assert asked.sealed.keys() == {"reason"}
    assert approved.detail["columns"] == "customer.phone"
    assert refused.detail["approved_by"] == "second"
    assert office.entries("b")[-1].detail["act"] != "decrypt.request"
    stored = office.books.stored("SELECT envelope FROM amanah_request")
    assert b"courier" not in bytes(stored[0][0])
    for where in ("amanah_staged", "amanah_entry"):
        engine = office.guard.engine if where == "amanah_staged" else office.guard.trail_engine
        with engine.connect() as connection:
            bodies = connection.exec_driver_sql(f"SELECT body FROM {where}").scalars().all()
        assert bodies or where == "amanah_staged"
        assert not any("courier" in json.dumps(spelled_out(body)) for body in bodies)


def test_whoever_asked_may_withdraw_it_without_any_right(office_of_two):
    """Taking back is never refused to the one who asked; what is over cannot be approved, carried out or stopped."""
    office = office_of_two
    request_id = office.ask()
    with office.guard.engine.begin() as connection:
        [grant] = [g for g in office.guard.directory.grants(connection, "a") if g.member_id == "second"]
        office.guard.directory.grant(connection, "a", "second", "owner", reason="test", granted_by="platform")
        [own] = [g for g in office.guard.directory.grants(connection, "a") if g.member_id == "owner"]
        office.guard.directory.revoke(connection, "a", own.id)
    assert grant.role == "admin"
    assert office.two_people().stop(request_id, office.person("owner")).ended == "withdrawn"
    with pytest.raises(RequestEnded):
        office.two_people().approve(request_id, office.person("second"))
    with pytest.raises(RequestEnded):
        office.two_people().run(request_id)
    with pytest.raises(RequestEnded):
        office.two_people().stop(request_id, office.person("third"))
    assert office.state(request_id) == "withdrawn"


def test_a_request_waits_for_a_day_and_so_does_its_approval(office_of_two):
    """24 hours to be approved, and from then on 24 hours to be carried out."""
    office = office_of_two
    late, good = office.ask(), office.ask()
    office.later = DAY - 60_000_000
    office.two_people().approve(good, office.person("second"))
    office.later = DAY + 1
    assert (office.state(late), office.state(good)) == ("expired", "approved")
    with pytest.raises(RequestExpired):
        office.two_people().approve(late, office.person("second"))
    office.later = 2 * DAY
    with pytest.raises(RequestExpired):
        office.two_people().run(good)


@pytest.mark.parametrize("member", ["boss", "masker"])
def test_the_policy_says_who_may_ask_approve_and_refuse(office_of_two, member):
    """A member without the rule may do none of it, and each attempt is an entry."""
    office = office_of_two
    request_id = office.ask()
    nobody = type(office.person("owner"))("a", member)
    for step in (
        lambda: office.two_people().ask(nobody, ["customer.phone"], "why"),
        lambda: office.two_people().approve(request_id, nobody),
        lambda: office.two_people().stop(request_id, nobody),
    ):
        with pytest.raises(Forbidden) as refused:
            step()
        assert refused.value.decision_id
    assert office.acts()[1:] == [
        ("decrypt.request", member, "forbidden"),
        ("decrypt.approve", member, "forbidden"),
        ("decrypt.refuse", member, "forbidden"),
    ]
    assert office.state(request_id) == "waiting"


def test_a_rule_of_the_tenants_own_gives_the_right_or_takes_it(office_of_two):
    """Nothing hangs on a role's name: a rule lets the boss approve, a denial stops the admins."""
    office = office_of_two
    with office.guard.engine.begin() as connection:
        rule = {"object": "amanah.sealing", "action": "decrypt", "purpose": "security"}
        office.guard.policies.add_rule(connection, "a", role="boss", **rule)
        office.guard.policies.add_rule(connection, "b", role="admin", effect="deny", **rule)
    request_id = office.ask()
    assert office.two_people().approve(request_id, office.person("boss")).approved_by == "boss"
    with pytest.raises(Forbidden):
        office.ask(tenant="b")


def test_without_the_purpose_in_its_register_a_tenant_decrypts_nothing(office_of_two):
    """A tenant that has no such purpose has no such right."""
    office = office_of_two
    office.books.stored("DELETE FROM amanah_purpose WHERE tenant_id = 'b' AND key = 'essential.service.security'")
    with office.guard.engine.begin() as connection:
        office.guard.policies.add_role(connection, "b", "other")
    with pytest.raises(PurposeUnknown):
        office.ask(tenant="b")


def test_what_nobody_approved_is_not_carried_out(office_of_two):
    """The run names what is missing; an id that was never given is unknown."""
    office = office_of_two
    request_id = office.ask()
    with pytest.raises(RequestUnapproved, match=request_id):
        office.two_people().run(request_id)
    with pytest.raises(RequestUnknown):
        office.two_people().run("0" * 32)
    assert office.acts()[-1] == ("decrypt.run", "operator:ops", "request-unapproved")


def test_a_suspended_member_asks_for_nothing(office_of_two):
    """The password still is theirs; the membership is asked for at each step."""
    office = office_of_two
    with office.guard.engine.begin() as connection:
        office.guard.directory.suspend_member(connection, "a", "second")
    with pytest.raises(NotAMember):
        office.two_people().ask(office.person("second"), ["customer.phone"], "why")


def test_in_an_application_of_one_tenant_nobody_else_asks(office_of_two):
    """`fixed_tenant` counts here as at the door."""
    office = office_of_two
    office.guard.fixed_tenant = "b"
    with pytest.raises(TenantForeign):
        office.ask()


def test_a_run_that_broke_off_is_begun_again_and_goes_on(office_of_two):
    """The request stays good until nothing is left; then it is done, with an entry that says who decided."""
    office = office_of_two
    office.emptied()
    request_id = office.approved("customer.fax", "customer.phone")

    class Breaking:
        def expect(self, rows):
            """So many rows are to be done."""

        def advance(self, rows):
            """The machine goes down after the first batch."""
            raise SystemExit

    with pytest.raises(SystemExit):
        office.two_people().run(request_id, Breaking())
    assert office.state(request_id) == "approved"
    assert {phone for _, _, phone in office.plain()} == {None}
    done = office.two_people().run(request_id)
    assert {one.column: (one.done, one.left) for one in done} == {"fax": (0, 0), "phone": (3, 0)}
    assert office.state(request_id) == "done"
    acts = [act for act, _, _ in office.acts()]
    assert (acts.count("decrypt.run"), acts.count("decrypt.done")) == (2, 1)
    last = office.entries()[-1]
    assert (last.detail["act"], last.detail["asked_by"], last.detail["approved_by"]) == (
        "decrypt.done",
        "owner",
        "second",
    )


def test_what_cannot_be_taken_over_leaves_the_request_open(office_of_two):
    """A value whose envelope was damaged is told, the others are in plain, and the request can be run again."""
    office = office_of_two
    office.emptied()
    request_id = office.approved()
    office.books.stored("UPDATE customer SET phone_sealed = fax_sealed WHERE tenant_id = 'a' AND id = '1'")
    [result] = office.two_people().run(request_id)
    assert (result.done, result.refused) == (2, [("a", "1")])
    assert office.state(request_id) == "approved"
