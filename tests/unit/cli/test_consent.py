"""``amanah consent``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amanah.access_policies.purposes import CONSENT

LETTERS = "marketing.communications.email"


@pytest.fixture
def shop(small_office: Any) -> Any:
    """An office with a tenant that has a purpose on consent."""
    small_office.make_tables()
    assert small_office.run("db", "upgrade").exit_code == 0
    made = small_office.run("tenant", "create", "toko", "--name", "Toko", "--admin", "ana", "--template", "trading")
    assert made.exit_code == 0, made.output
    guard = small_office.guard()
    with guard.engine.begin() as connection:
        guard.policies.add_purpose(connection, "toko", LETTERS, alias="letters", legal_basis=CONSENT)
    guard.close()
    return small_office


def listed(shop: Any, *options: str) -> Any:
    """The consents, as machines read them."""
    return json.loads(shop.run("consent", "list", "toko", "--json", *options).output)


def test_a_consent_is_given_listed_and_withdrawn(shop: Any) -> None:
    """Each is an entry of the trail; what was withdrawn is still listed."""
    given = shop.run("consent", "give", "toko", "customer", "c1", "letters", "--source", "paper", "--evidence", "box:7")
    assert given.exit_code == 0, given.output
    assert f"customer c1 consents to {LETTERS}" in given.output
    until = ["--source", "form", "--ends", "2100-01-31T00:00+07:00", "--json"]
    second = json.loads(shop.run("consent", "give", "toko", "customer", "c2", LETTERS, *until).output)
    assert second["purpose"] == LETTERS
    assert [(one["subject"], one["live"], one["evidence"]) for one in listed(shop)] == [
        ("c1", True, "box:7"),
        ("c2", True, ""),
    ]
    assert [one["ends_at"] for one in listed(shop, "--kind", "customer", "--id", "c2")] == ["2100-01-30T17:00:00+00:00"]
    assert listed(shop, "--purpose", "nonsense") == []
    gone = shop.run("consent", "withdraw", "toko", "customer", "c1", "letters")
    assert "no longer: 1 withdrawn" in gone.output
    assert "nothing to withdraw" in shop.run("consent", "withdraw", "toko", "customer", "c1", "letters").output
    again = json.loads(shop.run("consent", "withdraw", "toko", "customer", "c1", "letters", "--json").output)
    assert again["withdrawn"] == []
    table = shop.run("consent", "list", "toko", "--purpose", "letters").output
    assert "withdrawn" in table
    assert "in force" in table
    told = json.loads(shop.run("audit", "list", "--tenant", "toko", "--json").output)
    acts = [one["detail"].get("act") for one in told]
    assert [acts.count(f"consent.{act}") for act in ("give", "withdraw", "list")] == [2, 1, 4]


@pytest.mark.parametrize(
    "words",
    [
        ("give", "toko", "customer", "c1", "billing", "--source", "form"),
        ("give", "toko", "customer", "c1", "nonsense", "--source", "form"),
        ("give", "toko", "patient", "c1", "letters", "--source", "form"),
        ("give", "nobody", "customer", "c1", "letters", "--source", "form"),
        ("give", "toko", "customer", "c1", "letters", "--source", "a form"),
        ("give", "toko", "customer", "c1", "letters", "--source", "form", "--ends", "tomorrow"),
        ("withdraw", "toko", "patient", "c1", "letters"),
        ("list", "nobody"),
        ("list", "toko", "--id", "c1"),
    ],
)
def test_what_cannot_be_recorded_is_refused(shop: Any, words: tuple[str, ...]) -> None:
    """Another legal basis, no such purpose, kind, tenant or time: nothing is written."""
    result = shop.run("consent", *words)
    assert result.exit_code == 2, result.output
    assert listed(shop) == []
