"""The judge hands Casbin what could match, and no more."""

from __future__ import annotations

from itertools import product

from amanah.access_policies import judge as judges
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule

PURPOSES = {one.key: one for one in (Purpose("a.b", "ab", "contract"), Purpose("c", "c", "contract", parent="a"))}
FIELDS = {"invoice.phone": "user.contact.phone", "order.phone": "user.contact.phone"}
ABOVE = {"invoice.phone", "invoice.*", "category:user.contact.phone", "category:user.contact", "category:user", "*"}


def judge(rows):
    """Of somebody with one role and these rules about it: object, action, purpose, effect."""
    rules = [Rule(number, "clerk", *row) for number, row in enumerate(rows, 1)]
    return judges.Judge(frozenset({"clerk"}), {"clerk": frozenset()}, rules, PURPOSES, FIELDS)


def test_of_several_rules_that_allow_the_first_is_named():
    """Wherever in the hierarchies they stand: the number that explanations and the trail show does not wander."""
    rows = [("order.phone", "read", "*", "allow"), *((one, "read", "a", "allow") for one in sorted(ABOVE))]
    for first in range(1, len(rows)):
        kept = [rows[0], *rows[first:], *rows[1:first]]
        assert judge(kept).ask("invoice.phone", "read", "a.b") == (True, 2)


def test_casbin_reads_the_rules_about_the_question_and_no_others():
    """Those of the object and above it, of its action, for its purpose and those above it."""
    objects = (*sorted(ABOVE), "order.phone", "order.*", "invoice", "category:user.name")
    rows = [(*row, "allow") for row in product(objects, ("read", "update"), ("a", "a.b", "c", "*"))]
    asked = judge(rows)
    asked.ask("invoice.phone", "read", "a.b")
    handed = asked._enforcer.get_policy()
    assert {row[1] for row in handed} == ABOVE
    assert {(row[2], row[3]) for row in handed} == {("read", "a"), ("read", "a.b"), ("read", "*")}
    assert len(handed) == len(ABOVE) * 3
    asked.ask("invoice", "update", "c")
    assert {(row[1], row[2]) for row in asked._enforcer.get_policy()} == {("invoice", "update"), ("*", "update")}


def test_what_it_is_handed_is_decided_by_casbin(monkeypatch):
    """A rule that could match and does not, by the enforcer's own roles, allows nothing."""
    asked = judge([("invoice", "read", "*", "allow")])
    assert asked.ask("invoice", "read", "c") == (True, 1)
    monkeypatch.setattr(asked, "_could_match", lambda *_: [("another", "invoice", "read", "*", "allow")])
    assert asked.ask("invoice", "read", "c") == (False, None)
