"""The categories that a purpose is registered for."""

from __future__ import annotations

import pytest

from amanah.access_policies import casbin_files, categories
from amanah.access_policies.content import Content, check
from amanah.access_policies.policy_tests import run_policy_tests
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.errors import InvalidInput, PolicyFileWrong
from amanah.middleware.explain import explanation_words

FIELDS = {
    "customer.name": "user.name",
    "customer.phone": "user.contact.phone_number",
    "visit.diagnosis": "x.user.health_and_medical.diagnosis",
}
CLERK = frozenset({"clerk"})
RULES = tuple(Rule(n, "clerk", "*", action, "*") for n, action in enumerate(("read", "read_masked", "create"), 1))


def snapshot(*purposes: Purpose, rules: tuple[Rule, ...] = RULES) -> Snapshot:
    """A clerk may do everything, as far as rules go."""
    return Snapshot("t", 1, {"clerk": frozenset()}, purposes, rules, FIELDS)


def opened(found: Snapshot, purpose: str, action: str = "read") -> set[str]:
    """The columns that a clerk sees for a purpose."""
    return {field for field in FIELDS if found.decide(CLERK, field, action, purpose).allow}


@pytest.mark.parametrize(
    "named, expected",
    [
        ((), set(FIELDS)),
        (("user",), set(FIELDS)),
        (("user.name",), {"customer.name"}),
        (("user.contact",), {"customer.phone"}),
        (("user.contact.phone_number", "user.name"), {"customer.phone", "customer.name"}),
        (("user.health_and_medical",), {"visit.diagnosis"}),
        (("x.user.health_and_medical",), {"visit.diagnosis"}),
        (("user.contact.phone_number.mobile",), set()),
        (("user.contact.phone",), set()),
    ],
)
def test_a_purpose_opens_its_categories_and_those_below(named, expected):
    """In clear or masked; none named is no restriction. Tables, and what is not seen, are none of its business."""
    found = snapshot(Purpose("p.one", "one", "contract", categories=named))
    for action in ("read", "read_masked"):
        assert opened(found, "p.one", action) == expected
    assert found.decide(CLERK, "customer", "read", "p.one").allow
    assert found.decide(CLERK, "customer.name", "create", "p.one").allow


def test_what_closes_a_purpose_closes_those_below_it():
    """By their dots or their parent, as everything that is said of a purpose; those beside it are free."""
    found = snapshot(
        Purpose("p", "p", "contract", categories=("user.name",)),
        Purpose("p.below", "below", "contract"),
        Purpose("other", "other", "contract", parent="p"),
        Purpose("beside", "beside", "contract"),
    )
    assert [opened(found, key) for key in ("p", "p.below", "other")] == [{"customer.name"}] * 3
    assert opened(found, "beside") == set(FIELDS)


def test_a_closed_column_is_explained():
    """Which purpose is not registered for which category, and what would do instead: no grant, no rule."""
    found = snapshot(Purpose("p", "p", "contract", categories=("user.name",)), Purpose("p.low", "", "contract"),
                     Purpose("q", "q", "contract"))  # fmt: skip
    why = found.explain(CLERK, "customer.phone", "read", "p.low")
    assert (why.allow, why.outside, why.closed_by, why.rule) == (False, "user.contact.phone_number", "p", None)
    assert (why.missing_grant, why.missing_rule, why.purposes_that_do) == (None, None, ("q",))
    assert list(explanation_words(why, "en")) == [
        "The purpose p is not registered for the category user.contact.phone_number, whatever rules say.",
        "The same roles may for these purposes: q.",
    ]
    assert found.explain(CLERK, "customer.phone", "create", "p").closed_by == ""


def test_a_rule_that_denies_is_still_the_one_that_is_named():
    """An administrator who denied it by hand finds their rule."""
    deny = Rule(9, "clerk", "customer.phone", "read", "*", "deny")
    found = snapshot(Purpose("p", "p", "contract", categories=("user.name",)), rules=(*RULES, deny))
    assert found.decide(CLERK, "customer.phone", "read", "p").rule == "r9"


def test_a_purpose_cannot_name_what_one_above_it_does_not_open():
    """It would be told in the record of processing and never be opened."""
    above, below = Purpose("p", "p", "contract", categories=("user.contact",)), Purpose("p.a", "a", "contract")
    for named, fine in ((("user.contact.email",), True), (("user.name",), False), ((), True)):
        low = Purpose("p.a", "a", "contract", categories=named)
        content = Content({}, {}, (above, low), ())
        if fine:
            check(content)
        else:
            with pytest.raises(InvalidInput, match="p, above it, is not"):
                check(content)
    check(Content({}, {}, (above, below), ()))


def test_a_rule_that_opens_nothing_is_found():
    """What it allows is closed for its purpose, or one above; a category some of which is open is fine."""
    purposes = {one.key: one for one in (
        Purpose("p", "p", "contract", categories=("user.contact.email", "user.name")),
        Purpose("q", "q", "contract", parent="p"),
        Purpose("free", "free", "contract"),
    )}  # fmt: skip
    rows = [
        ("category:user.contact", "read", "p", "allow", False),
        ("category:user", "read", "p", "allow", False),
        ("category:user.contact.phone_number", "read", "p", "allow", True),
        ("category:user.health_and_medical", "read_masked", "q", "allow", True),
        ("customer.phone", "read", "p", "allow", True),
        ("customer.name", "read", "p", "allow", False),
        ("customer.unknown", "read", "p", "allow", False),
        ("customer", "read", "p", "allow", False),
        ("customer.*", "read", "p", "allow", False),
        ("category:user.location", "read", "p", "deny", False),
        ("category:user.location", "create", "p", "allow", False),
        ("category:user.location", "read", "*", "allow", False),
        ("category:user.location", "read", "free", "allow", False),
    ]
    rules = [Rule(n, "clerk", obj, action, why, effect) for n, (obj, action, why, effect, _) in enumerate(rows)]
    idle = categories.idle(rules, purposes, FIELDS)
    assert [rule in idle for rule in rules] == [row[-1] for row in rows]


def test_a_policy_test_says_that_a_category_is_closed(tmp_path):
    """In the place of the rule that decided."""
    (tmp_path / "policy.toml").write_text(
        """[role.clerk]
[purpose.p]
legal_basis = "contract"
categories = ["user.name"]
[[rule]]
role = "clerk"
objects = ["*"]
actions = ["read"]
purposes = ["p"]
""",
        "utf-8",
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "seen.toml").write_text(
        """[fields]
"customer.phone" = "user.contact.phone_number"
"customer.name" = "user.name"
[[case]]
as = "clerk"
object = "customer.phone"
purpose = "p"
expect = "deny"
[[case]]
as = "clerk"
object = "customer.name"
purpose = "p"
expect = "allow"
""",
        "utf-8",
    )
    assert [(one.passed, one.rule) for one in run_policy_tests(tmp_path)] == [
        (True, "outside:p"),
        (True, "clerk * read p allow"),
    ]


def test_casbins_files_have_all_that_closes_categories_or_nothing(tmp_path):
    """With some of it missing or changed, Casbin's tools would decide otherwise than we do."""
    content = Content(
        {"clerk": ()}, {}, (Purpose("p", "p", "contract", categories=("user.name",)),),
        (Rule(0, "clerk", "*", "read", "p"),),
    )  # fmt: skip
    _, policy = casbin_files.write(tmp_path / "one", content, FIELDS, 0)
    text = policy.read_text("utf-8")
    closing = [line for line in text.splitlines() if "role:any" in line]
    assert closing == [
        "p, role:any, outside:p, read, p, deny",
        "p, role:any, outside:p, read_masked, p, deny",
        "g, clerk, role:any",
    ]
    assert "g2, customer.phone, outside:p" in text
    assert casbin_files.read(tmp_path / "one", content, FIELDS) == content
    without = [line for line in text.splitlines() if ":any" not in line and "outside:" not in line and "g2" not in line]
    policy.write_text("\n".join(without), "utf-8")
    assert casbin_files.read(tmp_path / "one", content, FIELDS) == content
    for wrong in (
        text.replace(closing[0] + "\n", ""),
        text.replace("g2, customer.phone, outside:p\n", ""),
        text.replace("p, role:any, outside:p, read, p, deny", "p, role:any, outside:p, read, p, allow"),
        text + "p, role:any, *, read, p, allow\n",
        text + "g, role:any, clerk\n",
    ):
        policy.write_text(wrong, "utf-8")
        with pytest.raises(PolicyFileWrong):
            casbin_files.read(tmp_path / "one", content, FIELDS)
