"""Tests of a policy, in files beside it."""

from __future__ import annotations

import sys

import pytest

from amanah.access_policies import templates
from amanah.access_policies.policy_cases import read_cases
from amanah.access_policies.policy_files import write_folder
from amanah.errors import PolicyFileWrong
from amanah.testing import run_policy_tests

CASES = """\
[fields]
"customer.phone" = "user.contact.phone_number"

[[case]]
as = "support"
object = "customer.phone"
purpose = "support"
expect = "masked"
rule = { role = "support", action = "read_masked", purpose = "support" }

[[case]]
as = ["cashier", "support"]
action = "create"
object = "invoice"
purpose = "billing"
expect = "allow"

[[case]]
as = "courier"
object = "customer.phone"
purpose = "billing"
expect = "deny"
"""


@pytest.fixture
def folder(tmp_path):
    """The trading template as files, with tests beside it."""
    write_folder(tmp_path, templates.load("trading"))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "people.toml").write_text(CASES, "utf-8")
    return tmp_path


def change(folder, old, new):
    """Write something else into the tests."""
    assert old in CASES
    (folder / "tests" / "people.toml").write_text(CASES.replace(old, new, 1), "utf-8")


def test_what_is_expected_passes(folder):
    """Allowed, denied, masked; by one role or several; by the rule that is named."""
    outcomes = run_policy_tests(folder)
    assert [(one.got, one.passed) for one in outcomes] == [("masked", True), ("allow", True), ("deny", True)]
    assert outcomes[0].case.place == f"{folder / 'tests' / 'people.toml'}:4"


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        ('expect = "masked"', 'expect = "allow"', 0),
        ('expect = "masked"', 'expect = "deny"', 0),
        ('role = "support", ', 'role = "staff", ', 0),
        ('action = "create"', 'action = "delete"', 1),
        ('expect = "deny"', 'expect = "masked"', 2),
    ],
)
def test_what_differs_fails_with_what_came_instead(folder, old, new, number):
    """Exactly the case that was changed."""
    change(folder, old, new)
    assert [one.passed for one in run_policy_tests(folder)] == [n != number for n in range(3)]


def test_the_fields_of_the_application_are_known(folder):
    """Given by the caller, they need not stand in the files; a field with two categories is refused."""
    change(folder, '[fields]\n"customer.phone" = "user.contact.phone_number"\n', "")
    assert not run_policy_tests(folder)[0].passed
    assert run_policy_tests(folder, {"customer.phone": "user.contact.phone_number"})[0].passed
    change(folder, "[fields]", "[fields]")
    with pytest.raises(PolicyFileWrong, match="is declared as"):
        run_policy_tests(folder, {"customer.phone": "user.name"})


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('as = "courier"', 'as = "wizard"', "there is no role"),
        ('as = "courier"', "as = []", "a role or a list"),
        ('purpose = "billing"', 'purpose = "marketing"', "there is no purpose"),
        ('object = "invoice"', 'object = "category:user"', "cannot be asked about"),
        ('expect = "deny"', 'expect = "perhaps"', "none of allow"),
        ('expect = "allow"', 'expect = "masked"', "only a read"),
        ('expect = "deny"', "", "lacks: expect"),
        ('expect = "deny"', 'expects = "deny"', "unknown: 'expects'"),
        ('role = "support", ', 'number = "7", ', "rule names columns"),
        ('"user.contact.phone_number"', '"no category"', "no valid name"),
        ("[[case]]", "[[tests]]", "unknown: 'tests'"),
        ('expect = "deny"', 'expect = "deny"\nmask = "dots"', "a mask is expected where"),
        ('expect = "masked"', 'expect = "masked"\nmask = 4', "are texts"),
        ('expect = "deny"', 'expect = "deny"\nnow = 2026-12-01T08:00:00', "has no zone"),
        ('expect = "deny"', 'expect = "deny"\nnow = "today"', "no point in time"),
    ],
)
def test_a_test_that_cannot_be_run_is_an_error(folder, old, new, told):
    """A typing error never passes for a test that holds."""
    change(folder, old, new)
    with pytest.raises(PolicyFileWrong) as caught:
        run_policy_tests(folder)
    assert told in caught.value.facts["detail"]
    assert str(caught.value.facts["place"]).startswith(str(folder / "tests" / "people.toml"))


def test_no_tests_are_no_success(folder):
    """A folder without a case would be green for ever."""
    (folder / "tests" / "people.toml").unlink()
    with pytest.raises(PolicyFileWrong, match="no \\[\\[case\\]\\]"):
        run_policy_tests(folder)


TIMED = """\
[[rule]]
role = "courier"
objects = ["customer.phone"]
actions = ["read"]
purposes = ["billing"]
starts_at = 2026-12-01T08:00:00+07:00
ends_at = 2026-12-24T18:00:00+07:00

[[rule]]
role = "courier"
objects = ["customer.phone"]
actions = ["read_masked"]
purposes = ["billing"]
mask = "dots"
ends_at = 2026-12-24T18:00:00+07:00
"""


def asked(folder, **more):
    """The outcome of the courier's case with these keys more."""
    keys = "".join(f"{name} = {value}\n" for name, value in more.items())
    change(folder, 'as = "courier"\n', f'as = "courier"\n{keys}')
    outcome = run_policy_tests(folder)[2]
    return outcome.got, outcome.mask


@pytest.mark.parametrize(
    ("now", "got"),
    [
        ('"2026-12-01T07:59+07:00"', ("masked", "dots")),
        ("2026-12-01T01:00:00Z", ("allow", "")),
        ('"2026-12-24T17:59:59.999999+07:00"', ("allow", "")),
        ('"2026-12-24T18:00+07:00"', ("deny", "")),
    ],
)
def test_the_clock_can_be_pinned(folder, now, got):
    """Rules are in force, or not, at the instant that the case names."""
    (folder / "timed.toml").write_text(TIMED, "utf-8")
    assert asked(folder, now=now) == got


def test_the_mask_can_be_expected(folder):
    """By the name that the rule gives; "" is the column's own; none that is named takes any."""
    (folder / "timed.toml").write_text(TIMED, "utf-8")
    for mask, passed in (('mask = "dots"\n', True), ('mask = "last4"\n', False), ('mask = ""\n', False), ("", True)):
        pinned = f'as = "courier"\nnow = "2026-11-01T08:00Z"\n{mask}'
        text = CASES.replace('as = "courier"\n', pinned).replace('expect = "deny"', 'expect = "masked"')
        (folder / "tests" / "people.toml").write_text(text, "utf-8")
        assert run_policy_tests(folder)[2].passed is passed
    change(folder, 'expect = "masked"', 'expect = "masked"\nmask = ""')
    assert run_policy_tests(folder)[0].passed


def test_a_guard_that_cannot_use_a_mask_says_so_in_the_tests(folder):
    """Its declarations decide for its own fields; those that only the files name take every mask."""
    (folder / "timed.toml").write_text(TIMED.replace("2026", "2999"), "utf-8")
    text = CASES.replace('expect = "deny"', 'expect = "masked"')
    (folder / "tests" / "people.toml").write_text(text, "utf-8")
    phone = {"customer.phone": "user.contact.phone_number"}
    assert run_policy_tests(folder, None, lambda *_: False)[2].got == "masked"
    assert run_policy_tests(folder, phone, lambda *_: True)[2].got == "masked"
    assert run_policy_tests(folder, phone, lambda *_: False)[2].got == "deny"


# -- YAML --------------------------------------------------------------------------------------------------------------

YAML = """\
# What people may see.
fields:
  customer.phone: user.contact.phone_number

case:
  - as: support
    object: customer.phone
    purpose: support
    now: 2026-12-01T08:00:00+07:00
    expect: masked
    rule: {role: support, action: read_masked, purpose: support}
  - as: [cashier, support]
    action: create
    object: invoice
    purpose: billing
    expect: allow
  - as: courier
    object: customer.phone
    purpose: billing
    expect: deny
"""


@pytest.fixture
def yaml_folder(folder):
    """The same tests as YAML."""
    (folder / "tests" / "people.toml").unlink()
    (folder / "tests" / "people.yaml").write_text(YAML, "utf-8")
    return folder


def test_yaml_says_the_same(yaml_folder):
    """The same keys, and the line of each case; both spellings can stand side by side."""
    outcomes = run_policy_tests(yaml_folder)
    assert [(one.got, one.passed) for one in outcomes] == [("masked", True), ("allow", True), ("deny", True)]
    path = yaml_folder / "tests" / "people.yaml"
    assert [one.case.place for one in outcomes] == [f"{path}:{line}" for line in (6, 12, 17)]
    (yaml_folder / "tests" / "more.toml").write_text(CASES, "utf-8")
    (yaml_folder / "tests" / "notes.txt").write_text("no tests", "utf-8")
    assert [one.passed for one in run_policy_tests(yaml_folder)] == [True] * 6


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("as: courier", "as: wizard", 17, "there is no role"),
        ("expect: deny", "expects: deny", 17, "unknown: 'expects'"),
        ("    expect: deny\n", "", 17, "lacks: expect"),
        ("as: courier", "as: courier\n    as: owner", 18, "stands there twice"),
        ("as: courier", "as: {role: courier}", 17, "a role or a list"),
        ("as: [cashier, support]", "as: [cashier, support", 13, "no valid YAML"),
        ("now: 2026-12-01T08:00:00+07:00", "now: 2026-12-01 08:00:00", 6, "has no zone"),
        ("rule: {role: support", "rule: {role: [support]", 6, "rule names columns"),
        ("case:", "cases:", None, "unknown: 'cases'"),
        ("  - as: courier", "  - &one courier\n  - *one\n  - as: courier", None, "alias"),
        ("case:", "case: 3\nfields2:", None, "unknown: 'fields2'"),
        ("# What people may see.", "- 1", None, "no valid YAML"),
    ],
)
def test_yaml_that_cannot_be_run_is_told_with_file_and_line(yaml_folder, old, new, line, told):
    """As for TOML: a typing error never passes for a test that holds."""
    path = yaml_folder / "tests" / "people.yaml"
    assert old in YAML
    path.write_text(YAML.replace(old, new, 1), "utf-8")
    with pytest.raises(PolicyFileWrong) as caught:
        run_policy_tests(yaml_folder)
    assert told in caught.value.facts["detail"]
    place = str(caught.value.facts["place"])
    assert place == (f"{path}:{line}" if line else place)
    assert place.startswith(str(path))
    assert caught.value.facts["mend"]


def test_a_word_of_yaml_is_a_text(yaml_folder):
    """``no`` and ``on`` are names like any other, and nothing is made that is no text, list or mapping."""
    path = yaml_folder / "tests" / "people.yaml"
    path.write_text(YAML.replace("as: courier", "as: no").replace("purpose: billing", "purpose: 7"), "utf-8")
    cases = read_cases(yaml_folder / "tests", {})
    assert (cases[2].roles, cases[2].purpose) == (("no",), "7")
    path.write_text("case: !!python/object/apply:os.system [true]\n", "utf-8")
    with pytest.raises(PolicyFileWrong):
        run_policy_tests(yaml_folder)


def test_without_the_library_a_yaml_file_is_an_error_and_no_success(yaml_folder, monkeypatch):
    """It says what to install; TOML needs nothing."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(PolicyFileWrong) as caught:
        run_policy_tests(yaml_folder)
    assert "amanah[yaml]" in caught.value.facts["mend"]
    (yaml_folder / "tests" / "people.yaml").unlink()
    (yaml_folder / "tests" / "people.toml").write_text(CASES, "utf-8")
    assert len(run_policy_tests(yaml_folder)) == 3
