"""A draft of the policy, asked what the trail's accesses asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Column, MetaData, String, Table

from amanah import Personal, declare
from amanah.access_policies.content import Content
from amanah.access_policies.draft import snapshot_of
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.audit.entries import Entry, What, new_event_id
from amanah.errors import FieldWithheld
from amanah.middleware.declare import build
from amanah.middleware.what_if import replay

SUPPORT = "essential.service.operations.support"
FIELDS = {"customer.phone": "user.contact.phone_number", "customer.nik": "user.government_id"}
FILTERS = {"mine": frozenset({"customer"})}
READS = Rule(0, "clerk", "customer", "read", SUPPORT)
PHONE = Rule(0, "clerk", "customer.phone", "read", SUPPORT)


@pytest.fixture(scope="module")
def register():
    """Customers, with a telephone number and a NIK."""
    metadata = MetaData()
    columns = [Column(name, String(40)) for name in ("name", "phone", "nik")]
    Table("customer", metadata, Column("tenant_id", String(64), primary_key=True), Column("id", String(36), primary_key=True), *columns)  # fmt: skip  # noqa: E501
    personal = {name.partition(".")[2]: Personal(category=category) for name, category in FIELDS.items()}
    return build(metadata, [declare("customer", subject="id", columns=personal)], "tenant_id")


def policy(*rules):
    """A policy of these rules, for clerks and their support."""
    purposes = (Purpose(SUPPORT, "support", "contract"),)
    return snapshot_of(Content({"clerk": (), "lead": ("clerk",)}, {}, purposes, rules), FIELDS, FILTERS)


def entry(*what, access="a", actor="sari", roles=("clerk",), at=1_000_000, **other):
    """What the trail has of an access that read or changed something."""
    decision = {"resource": "customer", "action": "read", "allow": True, "rule": "r1", "policy_version": 1}
    made = Entry(
        new_event_id(), at, "toko-a", access, "access", actor, "member", roles, purpose=SUPPORT, decision=decision,
        what=what,
    )  # fmt: skip
    return replace(made, **other)


def told(found):
    """Each change as (roles, action, object, now, draft)."""
    differences = [one.difference for one in found.changes]
    return {
        (*sorted(one.question.roles), one.question.action, one.question.object, one.now.verdict, one.draft.verdict)
        for one in differences
    }


READ = What("customer", "read", ("name",), ("phone",), ("1",), (), 1)


def test_a_draft_that_says_the_same_changes_nothing(register):
    """Another rule that decides the same is no change."""
    found = replay([entry(READ)], policy(READS), policy(replace(READS, purpose="*")), register, 10)
    assert (found.accesses, found.skipped, found.changes) == (1, 0, ())


def test_what_would_be_refused_and_what_would_be_seen_is_told(register):
    """A column that was withheld and would be read in clear is told, too: the trail does not name it."""
    masked = replace(PHONE, action="read_masked")
    nik = replace(PHONE, object="customer.nik")
    found = replay([entry(READ)], policy(READS, PHONE), policy(READS, masked, nik), register, 10)
    assert told(found) == {
        ("clerk", "read", "customer.phone", "allow", "masked"),
        ("clerk", "read", "customer.nik", "deny", "allow"),
    }
    assert found.changes[0].difference.draft.rule
    found = replay([entry(READ)], policy(READS, PHONE), policy(PHONE), register, 10)
    assert told(found) == {("clerk", "read", "customer", "allow", "deny")}
    assert found.changes[0].difference.draft.rule == ""


def test_each_access_counts_once_whatever_it_left(register):
    """Two entries of one access are one; the actors are counted, and the newest is the example."""
    entries = [
        entry(READ, access="c", actor="budi", at=9),
        entry(READ, access="b", at=8),
        entry(READ, access="b", at=7),
        entry(READ, access="a", at=6),
    ]
    found = replay(entries, policy(READS), policy(), register, 10)
    (change,) = found.changes
    assert (change.accesses, change.actors, change.last, change.example) == (3, 2, 9, entries[0].id)
    assert found.accesses == 3


def test_no_more_than_the_last_accesses_are_replayed(register):
    """The entries of the access behind them are not read, those of an access that counts are."""
    entries = [entry(READ, access="c"), entry(READ, access="b"), entry(READ, access="c"), entry(READ, access="a")]
    read = []
    found = replay((read.append(one) or one for one in entries), policy(READS), policy(), register, 2)
    assert (found.accesses, found.changes[0].accesses, len(read)) == (2, 2, 4)


def test_other_rows_are_a_change(register):
    """The answer is a yes to both, of other rows."""
    mine = replace(READS, row_filter="mine")
    (change,) = replay([entry(READ)], policy(READS), policy(mine), register, 10).changes
    assert (change.difference.now.rows.allowed, change.difference.draft.rows.allowed) == (None, ("mine",))


def test_a_draft_without_the_role_or_the_purpose_refuses(register):
    """What nobody knows is a no."""
    purposes = (Purpose(SUPPORT, "support", "contract"),)
    without = snapshot_of(Content({"other": ()}, {}, purposes, ()), FIELDS)
    assert told(replay([entry(READ)], policy(READS), without, register, 10)) == {
        ("clerk", "read", "customer", "allow", "deny")
    }
    without = snapshot_of(Content({"clerk": ()}, {}, (), ()), FIELDS)
    assert told(replay([entry(READ)], policy(READS), without, register, 10)) == {
        ("clerk", "read", "customer", "allow", "deny")
    }


def test_a_refusal_that_would_be_a_yes_is_told(register):
    """Of the route, and of a column that a statement named."""
    refused = entry(kind="refusal", outcome="refused", refusal=FieldWithheld.code, detail={"field": "customer.phone"})
    found = replay([refused], policy(READS), policy(READS, PHONE), register, 10)
    assert told(found) == {("clerk", "read", "customer.phone", "deny", "allow")}
    found = replay([refused], policy(), policy(READS), register, 10)
    assert told(found) == {("clerk", "read", "customer", "deny", "allow")}


@pytest.mark.parametrize(("before", "after"), [("contract", "consent"), ("consent", "contract")])
def test_a_purpose_that_begins_or_ceases_to_rest_on_consent_is_told(register, before, after):
    """With the accesses that were for it: each once, and none that ended before there was anything to ask."""

    def of(*bases):
        purposes = [Purpose(key, alias, basis) for key, alias, basis in bases]
        return snapshot_of(Content({"clerk": ()}, {}, tuple(purposes), (READS,)), FIELDS, FILTERS)

    now = of((SUPPORT, "support", before), ("other.one", "o", "consent"), ("other.gone", "g", "consent"))
    draft = of((SUPPORT, "support", after), ("other.one", "o", "consent"), ("other.new", "n", "consent"))
    entries = [entry(READ, access="b"), entry(READ, access="a"), entry(READ, access="a")]
    found = replay([*entries, entry(access="c", roles=(), decision=None)], now, draft, register, 10)
    assert [(one.purpose, one.now, one.draft, one.accesses) for one in found.bases] == [
        (SUPPORT, before == "consent", after == "consent", 2)
    ]
    assert found
    assert found.changes == ()
    assert not replay(entries, now, now, register, 10)
    assert [one.accesses for one in replay([], now, draft, register, 10).bases] == [0]


def test_what_nobody_asked_is_counted_and_not_answered(register):
    """A refusal before the purpose was chosen, and a sign-in, which no policy decides."""
    early = entry(access="a", purpose=None, kind="refusal", outcome="refused", decision=None)
    sign_in = entry(READ, access="b", roles=(), purpose="essential.service.authentication")
    admin = entry(access="c", kind="admin")
    found = replay([early, sign_in, admin], policy(READS), policy(), register, 10)
    assert (found.accesses, found.skipped, found.changes) == (0, 2, ())


def test_who_changes_a_column_must_see_it(register):
    """An update of what is only seen masked is refused: the trail's updates ask about columns, too."""
    updates = replace(READS, action="update")
    change = entry(What("customer", "update", ("phone",), (), ("1",), (), 1), kind="write")
    found = replay([change], policy(READS, updates, PHONE), policy(READS, updates), register, 10)
    assert told(found) == {("clerk", "read", "customer.phone", "allow", "deny")}


def test_another_mask_is_a_change_and_what_is_out_of_time_is_none(register):
    """Both policies are asked at one moment; how a column would be shown is told as well as whether."""
    purposes = (Purpose(SUPPORT, "support", "contract"),)

    def at(now, *rules):
        content = Content({"clerk": ()}, {}, purposes, rules)
        return snapshot_of(content, FIELDS, FILTERS, fits=lambda _field, mask: mask == "dots", now=now)

    masked = replace(PHONE, action="read_masked")
    draft = (READS, masked, replace(masked, mask="dots", starts_at=100))
    assert replay([entry(READ)], at(99, READS, masked), at(99, *draft), register, 10).changes == ()
    [change] = replay([entry(READ)], at(100, READS, masked), at(100, *draft), register, 10).changes
    assert (change.difference.now.mask, change.difference.draft.mask) == ("", "dots")
    assert (change.difference.now.verdict, change.difference.draft.verdict) == ("masked", "masked")
    unknown = at(100, READS, replace(masked, mask="newer"))
    [change] = replay([entry(READ)], at(100, READS, masked), unknown, register, 10).changes
    assert change.difference.draft.verdict == "deny"
