"""The record of processing activities."""

from __future__ import annotations

import csv
import io
import json

import pytest

from amanah.access_policies.sensitivity import jurisdictions, special
from amanah.errors import InvalidInput

MORE = """\
[purpose."marketing"]
alias = "news"
legal_basis = "consent"
categories = ["user.name", "user.contact"]
recipients = ["=HYPERLINK(1)", "<b>agency</b>"]
retention = 365
owner = "sales office"
review_at = 2020-01-31
id = "Kabar dikirim."

[[rule]]
role = "support"
objects = ["customer.*"]
actions = ["read_masked"]
purposes = ["news"]
"""


@pytest.fixture
def shop(small_office):
    """An office with a purpose of its own, about which the register says everything."""
    small_office.with_tenant()
    small_office.run("policy", "export", "--tenant", "toko-a", "p")
    (small_office.folder / "p" / "more.toml").write_text(MORE, "utf-8")
    result = small_office.run("policy", "apply", "--tenant", "toko-a", "p", "--yes")
    assert result.exit_code == 0, result.output
    return small_office


def told(shop, *arguments):
    """What the command prints."""
    result = shop.run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_record_says_what_is_read_by_whom_why_and_how_long(shop):
    """From the rules and the declared fields; a category of the register that nobody reads is named."""
    found = json.loads(told(shop, "processing-record", "--tenant", "toko-a", "--format", "json"))
    news = next(one for one in found["activities"] if one["purpose"] == "news")
    assert news == {
        "purpose": "news",
        "description": "Kabar dikirim.",
        "legal_basis": "consent",
        "subjects": ["customer"],
        "categories": ["user.contact.phone_number"],
        "special": [],
        "unread": ["user.name"],
        "roles": ["owner", "support"],
        "recipients": ["=HYPERLINK(1)", "<b>agency</b>"],
        "retention": "365 days",
        "owner": "sales office",
        "review": "overdue since 2020-01-31",
    }
    assert {one["purpose"] for one in found["activities"]} >= {"billing", "fulfilment", "support"}


def test_a_table_holds_no_formula_and_a_page_no_markup_of_others(shop):
    """What somebody wrote into the register is text, in a spreadsheet and in a browser."""
    rows = list(csv.DictReader(io.StringIO(told(shop, "processing-record", "--tenant", "toko-a", "--format", "csv"))))
    news = next(row for row in rows if row["Purpose"] == "news")
    assert news["Recipients"] == "'=HYPERLINK(1); <b>agency</b>"
    page = told(shop, "--lang", "id", "processing-record", "--tenant", "toko-a")
    assert "&lt;b&gt;agency" in page
    assert "<b>" not in page
    assert "Dasar hukum" in page


def test_a_law_that_is_not_there_is_told(shop):
    """The laws that there are, are named."""
    result = shop.run("processing-record", "--tenant", "toko-a", "--law", "atlantis")
    assert (result.exit_code, "there are: eu, id" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("category", "eu", "indonesia"),
    [
        ("user.health_and_medical", "GDPR art. 9(1)", "UU PDP art. 4(2)(a)"),
        ("x.user.health_and_medical.diagnosis", "GDPR art. 9(1)", "UU PDP art. 4(2)(a)"),
        ("user.biometric.fingerprint", "GDPR art. 9(1)", "UU PDP art. 4(2)(b)"),
        ("user.biometric.voice", "GDPR art. 9(1)", "UU PDP art. 4(2)(b)"),
        ("user.criminal_history", "GDPR art. 10", "UU PDP art. 4(2)(d)"),
        ("user.childrens", None, "UU PDP art. 4(2)(e)"),
        ("user.financial.bank_account", None, "UU PDP art. 4(2)(f)"),
        ("user.demographic.religious_belief", "GDPR art. 9(1)", None),
        ("user.demographic", None, None),
        ("user.contact.email", None, None),
    ],
)
def test_a_category_is_specially_protected_by_the_law_that_names_it(category, eu, indonesia):
    """Also by a category above it; a wider category is not, for what is below it."""
    for law, expected in (("eu", eu), ("id", indonesia)):
        assert [kind.law for kind in special(category, law)] == ([] if expected is None else [expected])


def test_there_are_two_laws():
    """And no other can be asked for."""
    assert jurisdictions() == ("eu", "id")
    with pytest.raises(InvalidInput):
        special("user.name", "../templates/blank")
