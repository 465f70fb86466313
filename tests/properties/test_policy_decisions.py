"""Remembered decisions against a plain Casbin enforcer with the same model file."""

from __future__ import annotations

from itertools import product

import casbin
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah.access_policies.hierarchy import object_links, purpose_links
from amanah.access_policies.judge import MODEL_PATH
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot

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

rules = st.lists(
    st.tuples(
        st.sampled_from(ROLES),
        st.sampled_from(PATTERNS),
        st.sampled_from(ACTIONS),
        st.sampled_from(RULED),
        st.sampled_from(("allow", "allow", "allow", "deny")),
    ),
    max_size=12,
    unique=True,
)
# A role inherits only from ones after it: no circles, as the register makes sure.
inheritance = st.sets(st.sampled_from([(low, high) for low, high in product(ROLES, ROLES) if low < high]))
role_sets = st.sets(st.sampled_from(ROLES), min_size=1).map(frozenset)


def plain_enforcer(rows, parents, held):
    """The whole tenant in one enforcer, filled through Casbin's own management API, with a user called "somebody"."""
    enforcer = casbin.Enforcer(str(MODEL_PATH))
    for row in rows:
        enforcer.add_policy(*row)
    for link in parents:
        enforcer.add_grouping_policy(*link)
    for role in held:
        enforcer.add_grouping_policy("somebody", role)
    links = {link for field in FIELDS for link in object_links(field, FIELDS)}
    for link in links:
        enforcer.add_named_grouping_policy("g2", *link)
    for link in purpose_links({purpose.key: purpose for purpose in PURPOSES}):
        enforcer.add_named_grouping_policy("g3", *link)
    return enforcer


@settings(max_examples=60, deadline=None)
@given(rows=rules, parents=inheritance, held=role_sets)
def test_a_remembered_decision_is_what_plain_casbin_decides(rows, parents, held):
    """For random roles, rules and denies both agree on every object, action and purpose, the first time and again."""
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    numbered = [Rule(number, *row) for number, row in enumerate(rows, 1)]
    snapshot = Snapshot("t", 1, above, PURPOSES, numbered, FIELDS)
    enforcer = plain_enforcer(rows, parents, held)
    questions = list(product(OBJECTS, ACTIONS, [purpose.key for purpose in PURPOSES]))
    expected = [enforcer.enforce("somebody", *question) for question in questions]
    assert [snapshot.decide(held, *question).allow for question in questions] == expected
    assert [snapshot.decide(held, *question).allow for question in questions] == expected


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
