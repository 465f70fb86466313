"""Of which rows a yes speaks, against a brute-force oracle that judges each row by itself."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot

ROLES = ("r0", "r1", "r2", "r3")
OBJECTS = ("a", "b")
ACTIONS = ("read", "update")
FILTERS = ("f", "g", "unknown")
PURPOSES = (Purpose("p.one", "one", "contract"), Purpose("q", "q", "contract", parent="p"))
COVERS = {"*": {"p.one", "q"}, "p": {"p.one", "q"}, "p.one": {"p.one"}, "q": {"q"}}
DECLARED = {"f": frozenset({"a", "b"}), "g": frozenset({"a"})}
ROWS = [frozenset(name for name, held in zip(FILTERS, row, strict=True) if held) for row in product((0, 1), repeat=3)]
"""A row is the set of the filters that let it through."""

rules = st.lists(
    st.tuples(
        st.sampled_from(ROLES),
        st.sampled_from(("*", *OBJECTS)),
        st.sampled_from(ACTIONS),
        st.sampled_from(tuple(COVERS)),
        st.sampled_from(("allow", "allow", "deny")),
        st.sampled_from(("", "", *FILTERS)),
    ),
    max_size=8,
    unique=True,
)
inheritance = st.sets(st.sampled_from([(low, high) for low, high in product(ROLES, ROLES) if low < high]))
role_sets = st.sets(st.sampled_from(ROLES), min_size=1).map(frozenset)


def held_by(roles, parents):
    """The roles and all that they inherit."""
    found = set(roles)
    while more := {high for low, high in parents if low in found} - found:
        found |= more
    return found


def may(row, mine, obj, action, purpose):
    """One row by itself: somebody allows it, nobody denies it; what nobody declared allows nothing and denies all."""
    verdicts = set()
    for _, about, done, why, effect, name in mine:
        if about in ("*", obj) and done == action and purpose in COVERS[why]:
            known = not name or obj in DECLARED.get(name, ())
            speaks = known and (not name or name in row)
            if speaks or (not known and effect == "deny"):
                verdicts.add(effect)
    return verdicts == {"allow"}


@settings(max_examples=80, deadline=None)
@given(rows=rules, parents=inheritance, held=role_sets)
def test_decision_and_rows_together_are_what_each_row_gets_by_itself(rows, parents, held):
    """For random roles, rules, denials and filters; the first time and again."""
    rows = [row for row in rows if not (row[1] == "*" and row[5])]
    above = {role: frozenset(high for low, high in parents if low == role) for role in ROLES}
    snapshot = Snapshot("t", 1, above, PURPOSES, [Rule(n, *row) for n, row in enumerate(rows, 1)], {}, DECLARED)
    mine = [row for row in rows if row[0] in held_by(held, parents)]
    for question in [*product(OBJECTS, ACTIONS, ("p.one", "q"))] * 2:
        yes, which = snapshot.decide(held, *question).allow, snapshot.rows(held, *question)
        for row in ROWS:
            lets = which.allowed is None or any(name in row for name in which.allowed)
            answer = yes and lets and not any(name in row for name in which.denied)
            assert answer == may(row, mine, *question), (question, row)
        obj, action, purpose = question
        limited = {(what, done): some for what, done, some in snapshot.limits(held, purpose).rows}
        assert limited.get((obj, action), (None, ())) == which
        if not yes:
            assert which == (None, ())
