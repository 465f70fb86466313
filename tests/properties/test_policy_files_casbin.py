"""Exported files in a plain Casbin enforcer, against the snapshot; and files of both kinds read back."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import casbin
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah.access_policies import casbin_files
from amanah.access_policies.content import Content
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot

ROLES = ("r0", "r1", "r2", "r3")
FIELDS = {"a.x": "user.contact.email", "a.y": "x.user.contact.fax", "b.x": "user.name", "b.y": "user.contact.email"}
OBJECTS = ("a", "b", *FIELDS)
PATTERNS = (*OBJECTS, "*", "a.*", "category:user", "category:user.contact", "category:x.user.contact")
ACTIONS = ("read", "read_masked", "create")
PURPOSES = (
    Purpose("p.one", "one", "contract"),
    Purpose("p.two", "", "consent", {"en": "Two."}, parent="q.main"),
    Purpose("q.main", "main", "contract"),
    Purpose("x.q.main.sub", "sub", "contract"),
)
RULED = ("*", "p", "p.one", "p.two", "q", "q.main", "x.q.main", "x.q.main.sub")


@st.composite
def contents(draw):
    """Random rules and denies over a few roles that inherit without circles."""
    rows = draw(
        st.sets(
            st.tuples(
                st.sampled_from(ROLES),
                st.sampled_from(PATTERNS),
                st.sampled_from(ACTIONS),
                st.sampled_from(RULED),
                st.sampled_from(("allow", "allow", "allow", "deny")),
            ),
            max_size=14,
        )
    )
    pairs = [(low, high) for low, high in product(ROLES, ROLES) if low < high]
    links = draw(st.sets(st.sampled_from(pairs)))
    roles = {role: tuple(sorted(high for low, high in links if low == role)) for role in ROLES}
    rules = []
    for number, row in enumerate(sorted(rows), 1):
        start = draw(st.sampled_from((None, None, None, 10, 20)))
        end = draw(st.sampled_from((None, None, None, 30, 10**16 + 1)))
        masked = (row[2], row[4]) == ("read_masked", "allow") and row[1] not in ("a", "b")
        mask = draw(st.sampled_from(("", "dots", "hash"))) if masked else ""
        rules.append(Rule(number, *row, mask=mask, starts_at=start, ends_at=end))
    rules = tuple(rules)
    named = draw(st.sets(st.sampled_from(("user", "user.contact", "user.contact.email", "user.name")), max_size=2))
    which = draw(st.sampled_from([one.key for one in PURPOSES]))
    register = tuple(replace(one, categories=tuple(sorted(named))) if one.key == which else one for one in PURPOSES)
    return Content(roles, {role: {"en": role} for role in ROLES}, register, rules)


@settings(max_examples=60)
@given(content=contents(), now=st.sampled_from((5, 10, 25, 30)))
def test_a_plain_enforcer_on_the_exported_files_decides_as_the_snapshot(content, now):
    """For every role, object, action and purpose, at its moment; and the import reads what the export wrote.

    A rule does not lose its time or its mask on the way through Casbin's files, which have no place for them.
    """
    above = {role: frozenset(parents) for role, parents in content.roles.items()}
    snapshot = Snapshot("t", 1, above, content.purposes, content.rules, FIELDS, fits=lambda *_: True, now=now)
    with tempfile.TemporaryDirectory() as place:
        model, policy = casbin_files.write(Path(place), content, FIELDS, now)
        assert casbin_files.read(Path(place), content, FIELDS) == content
        enforcer = casbin.Enforcer(str(model), str(policy))
    for role, obj, action, purpose in product(ROLES, OBJECTS, ACTIONS, [one.key for one in PURPOSES]):
        ours = snapshot.decide(frozenset({role}), obj, action, purpose).allow
        assert enforcer.enforce(role, obj, action, purpose) == ours


@settings(max_examples=60)
@given(content=contents())
def test_what_is_written_as_toml_is_read_as_the_same(content):
    """However rules are grouped into entries, exactly these rules come back."""
    with tempfile.TemporaryDirectory() as place:
        write_folder(Path(place), content)
        assert read_folder(Path(place)) == content
