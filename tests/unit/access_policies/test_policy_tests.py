"""Tests of a policy, in files beside it."""

from __future__ import annotations

import pytest

from amanah.access_policies import templates
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
