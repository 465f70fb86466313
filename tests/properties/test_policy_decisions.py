"""Remembered decisions against a plain Casbin enforcer with the same model file; of rules with times and masks, too."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product

import casbin
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah.access_policies.categories import denials, outside_links, role_links
from amanah.access_policies.hierarchy import object_links, purpose_links
from amanah.access_policies.judge import MODEL_PATH
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot

EFFORT = 50 if os.environ.get("AMANAH_TEST_LONG") else 1
"""`make long` feeds thousands of models."""

ROLES = ("r0", "r1", "r2", "r3")
FIELDS = {"a.x": "user.contact.email", "a.y": "x.user.contact.fax", "b.x": "user.name", "b.y": "user.contact.email"}
OBJECTS = ("a", "b", *FIELDS)
PATTERNS = (
    *OBJECTS,
    "*",
    "a.*",
    "b.*",
    "category:user",
    "category:user.contact",
    "category:user.contact.email",
    "category:x.user.contact",
    "category:user.name",
)
ACTIONS = ("read", "read_masked", "create")
PURPOSES = (
    Purpose("p.one", "one", "contract"),
    Purpose("p.two", "two", "contract", parent="q.main"),
    Purpose("q.main", "main", "contract"),
    Purpose("x.q.main.sub", "sub", "contract"),
)
RULED = ("*", "p", "p.one", "p.two", "q", "q.main", "x.q.main", "x.q.main.sub")

rule_parts = (
    st.sampled_from(ROLES),
    st.sampled_from(PATTERNS),
    st.sampled_from(ACTIONS),
    st.sampled_from(RULED),
    st.sampled_from(("allow", "allow", "allow", "deny")),
)
rules = st.lists(st.tuples(*rule_parts), max_size=12, unique=True)
# A role inherits only from ones after it: no circles, as the register makes sure.
inheritance = st.sets(st.sampled_from([(low, high) for low, high in product(ROLES, ROLES) if low < high]))
role_sets = st.sets(st.sampled_from(ROLES), min_size=1).map(frozenset)


MASKS = ("last4", "hash", "dots", "unknown")
MOMENTS = (5, 10, 15, 20, 25, 30, 35)
TIMES = (None, None, 10, 20, 30)


@st.composite
def limited_rules(draw):
    """Random rules of which some begin, end, or name a mask; the same words may come back with another time."""
    found = []
    for number, row in enumerate(draw(st.lists(st.tuples(*rule_parts), max_size=10)), 1):
        start, end = draw(st.sampled_from(TIMES)), draw(st.sampled_from(TIMES))
        if start is not None and end is not None and start >= end:
            end = None
        masked = row[2] == "read_masked" and row[4] == "allow"
        mask = draw(st.sampled_from(("", *MASKS))) if masked else ""
        found.append(Rule(number, *row, mask=mask, starts_at=start, ends_at=end))
    return found


def fits(_field, mask):
    """This process knows all masks but one."""
    return mask != "unknown"


CATEGORIES = ("user", "user.contact", "user.contact.email", "x.user.contact", "user.name", "user.content")
registers = st.tuples(*(st.sets(st.sampled_from(CATEGORIES), max_size=2) for _ in PURPOSES)).map(
    lambda named: tuple(replace(one, categories=tuple(sorted(some))) for one, some in zip(PURPOSES, named, strict=True))
)
ABOVE = {"p.one": (), "p.two": ("q.main",), "q.main": (), "x.q.main.sub": ("q.main",)}
"""Of each purpose the registered ones above it."""


def belongs(category, named):
    """Whether a category is one of those or below one; what is below x.user.contact is below user.contact, too."""
    spellings = {category, category.removeprefix("x.")}
    return any(one == name or one.startswith(f"{name}.") for one in spellings for name in named)


def closed(register, field, purpose):
    """Whether the purpose, or one above it, names categories and none to which the field belongs."""
    known = {one.key: one for one in register}
    binding = [known[key].categories for key in (purpose, *ABOVE[purpose]) if known[key].categories]
    return field in FIELDS and not all(belongs(FIELDS[field], named) for named in binding)


def plain_enforcer(rows, parents, held, register=PURPOSES):
    """The whole tenant in one enforcer, filled through Casbin's own management API, with a user called "somebody"."""
    enforcer = casbin.Enforcer(str(MODEL_PATH))
    for row in rows:
        enforcer.add_policy(*row)
    for link in parents:
        enforcer.add_grouping_policy(*link)
    for role in held:
        enforcer.add_grouping_policy("somebody", role)
    links = {link for field in FIELDS for link in object_links(field, FIELDS)}
    links |= {link for field in FIELDS for link in outside_links(field, FIELDS, register)}
    for link in links:
        enforcer.add_named_grouping_policy("g2", *link)
    for link in purpose_links({purpose.key: purpose for purpose in register}):
        enforcer.add_named_grouping_policy("g3", *link)
    for row in denials(register):
        enforcer.add_policy(*row)
    for link in role_links(ROLES, register):
        enforcer.add_grouping_policy(*link)
    return enforcer


@settings(max_examples=60 * EFFORT, deadline=None)
@given(rows=rules, parents=inheritance, held=role_sets, register=st.one_of(st.just(PURPOSES), registers))
def test_a_remembered_decision_is_what_plain_casbin_decides(rows, parents, held, register):
    """For random roles, rules, denies and categories both agree on every question, the first time and again."""
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    numbered = [Rule(number, *row) for number, row in enumerate(rows, 1)]
    snapshot = Snapshot("t", 1, above, register, numbered, FIELDS)
    enforcer = plain_enforcer(rows, parents, held, register)
    questions = list(product(OBJECTS, ACTIONS, [purpose.key for purpose in PURPOSES]))
    expected = [enforcer.enforce("somebody", *question) for question in questions]
    assert [snapshot.decide(held, *question).allow for question in questions] == expected
    assert [snapshot.decide(held, *question).allow for question in questions] == expected


@settings(max_examples=60 * EFFORT, deadline=None)
@given(limited=limited_rules(), parents=inheritance, held=role_sets, now=st.sampled_from(MOMENTS), made=st.booleans())
def test_rules_out_of_time_count_for_nothing_and_masks_change_no_answer_but_an_unknown_one(
    limited, parents, held, now, made
):
    """Plain Casbin with exactly the rules of this moment agrees on every question; the mask is the strictest.

    ``made``: the snapshot was made for this moment, or led there from another one.
    """
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    first = Snapshot("t", 1, above, PURPOSES, limited, FIELDS, fits=fits, now=now if made else 17)
    snapshot = first if made else first.at(now)
    assert snapshot.holds(now)
    in_force = [
        rule
        for rule in limited
        if (rule.starts_at is None or now >= rule.starts_at) and (rule.ends_at is None or now < rule.ends_at)
    ]
    enforcer = plain_enforcer({rule.row() for rule in in_force}, parents, held)
    by_mask = {
        mask: plain_enforcer(rows, parents, held)
        for mask in MASKS
        if (rows := {rule.row() for rule in in_force if rule.mask == mask})
    }
    for obj, action, purpose in product(OBJECTS, ACTIONS, [purpose.key for purpose in PURPOSES]):
        allow, mask = enforcer.enforce("somebody", obj, action, purpose), ""
        if allow and action == "read_masked":
            named = [one for one in MASKS if one in by_mask and by_mask[one].enforce("somebody", obj, action, purpose)]
            allow = "unknown" not in named
            mask = named[-1] if named and allow else ""
        for _ in range(2):
            decision = snapshot.decide(held, obj, action, purpose)
            assert (decision.allow, decision.mask) == (allow, mask)
        deciding = next((rule for rule in in_force if rule.id == decision.rule), None)
        assert (deciding is None) == (decision.rule is None)
        assert not mask or deciding.mask == mask


@settings(max_examples=60, deadline=None)
@given(rows=rules, parents=inheritance, held=role_sets)
def test_the_rule_that_is_named_decides_alone(rows, parents, held):
    """Taken by itself, the rule that a decision names has the effect decided; without a rule the answer is no."""
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    numbered = [Rule(number, *row) for number, row in enumerate(rows, 1)]
    snapshot = Snapshot("t", 1, above, PURPOSES, numbered, FIELDS)
    by_id = {rule.id: rule for rule in numbered}
    for question in product(("a", "a.x", "a.y", "b.x"), ACTIONS, ("p.one", "p.two")):
        decision = snapshot.decide(held, *question)
        if decision.rule is None:
            assert not decision.allow
            continue
        rule = by_id[decision.rule]
        assert (rule.effect == "allow") is decision.allow
        as_allow = Rule(1, rule.role, rule.object, rule.action, rule.purpose)
        alone = Snapshot("t", 1, above, PURPOSES, [as_allow], FIELDS)
        assert alone.decide(held, *question).allow


@settings(max_examples=60, deadline=None)
@given(rows=rules, parents=inheritance, held=role_sets, register=registers)
def test_categories_close_columns_and_open_nothing(rows, parents, held, register):
    """A decision is what it would be without categories, and a no where the purpose is not registered for them."""
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    numbered = [Rule(number, *row) for number, row in enumerate(rows, 1)]
    free = Snapshot("t", 1, above, PURPOSES, numbered, FIELDS)
    bound = Snapshot("t", 1, above, register, numbered, FIELDS)
    for obj, action, purpose in product(OBJECTS, ACTIONS, [one.key for one in PURPOSES]):
        before, after = free.decide(held, obj, action, purpose), bound.decide(held, obj, action, purpose)
        shut = action in ("read", "read_masked") and closed(register, obj, purpose)
        assert after.allow == (before.allow and not shut)
        assert (bound.explain(held, obj, action, purpose).closed_by != "") == shut
        if not shut:
            assert after == before
