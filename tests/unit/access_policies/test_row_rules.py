"""Rules that speak of some rows: what may be written, what is read back, and what nobody declared."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from amanah.access_policies import models, templates
from amanah.access_policies.decision import NO_LIMITS
from amanah.access_policies.policies import Policies
from amanah.access_policies.rules import Rule
from amanah.database import bump, version
from amanah.errors import InvalidInput

BILLING = "essential.service.payment_processing"
DECLARED = {"assigned": frozenset({"order"}), "own": frozenset({"order", "visit"})}


@pytest.fixture
def policies(own_database):
    """Policies with a tenant "toko", a role and a purpose, and two declared row filters."""
    made = Policies(own_database, {"order.phone": "user.contact.phone_number"}, row_filters=DECLARED)
    with own_database.begin() as connection:
        bump(connection, "toko")
        made.add_role(connection, "toko", "courier")
        made.add_purpose(connection, "toko", BILLING, alias="billing", legal_basis="contract")
    return made


def snapshot(policies, engine):
    """The policy of this moment."""
    with engine.connect() as connection:
        at = connection.execute(select(version.c.version).where(version.c.tenant_id == "toko")).scalar_one()
    return policies.snapshot("toko", at)


def add(policies, engine, **facts):
    """Add a rule about reading orders, but for ``facts``."""
    said = {"role": "courier", "object": "order", "action": "read", "purpose": "billing", **facts}
    with engine.begin() as connection:
        return policies.add_rule(connection, "toko", **said)


@pytest.mark.parametrize("name", ["Assigned", "a b", "a,b", "a\n", "x" * 65, "set:1", "'", "nobody_declared_it", None])
def test_a_row_filter_that_is_none_is_refused_when_written(policies, own_database, name):
    """A name that is none, and one that nobody declared."""
    with pytest.raises(InvalidInput):
        add(policies, own_database, row_filter=name)
    assert snapshot(policies, own_database).rules == ()


@pytest.mark.parametrize("about", ["*", "order.phone", "order.*", "category:user.contact", "invoice"])
def test_only_a_rule_about_a_resource_of_the_filter_names_it(policies, own_database, about):
    """A column's decision never depends on the row; and a filter tells only its own tables' rows apart."""
    with pytest.raises(InvalidInput):
        add(policies, own_database, object=about, row_filter="assigned")


@pytest.mark.parametrize("action", ["create", "read_masked", "export"])
def test_only_what_is_done_to_rows_names_a_filter(policies, own_database, action):
    """What is created is no row yet, and a verb of the application's is no statement."""
    with pytest.raises(InvalidInput):
        add(policies, own_database, action=action, row_filter="assigned")


def test_a_rule_comes_back_with_its_filter_and_is_no_repetition_of_one_without(policies, own_database):
    """The same words with another filter, or with none, are another rule; the very same are refused."""
    for name in ("assigned", "own", ""):
        add(policies, own_database, row_filter=name)
    assert [rule.row_filter for rule in snapshot(policies, own_database).rules] == ["assigned", "own", ""]
    with pytest.raises(InvalidInput, match="assigned"):
        add(policies, own_database, row_filter="assigned")


def test_many_rules_take_the_filter_as_their_sixth_part(policies, own_database):
    """Beside rules of five parts."""
    rules = [("courier", "order", "read", "billing", "allow", "own"), ("courier", "visit", "read", "*", "allow")]
    with own_database.begin() as connection:
        policies.add_rules(connection, "toko", rules)
    assert [rule.words()[4:] for rule in snapshot(policies, own_database).rules] == [("allow", "own"), ("allow",)]


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_a_filter_that_this_process_does_not_know_never_widens(policies, own_database, effect):
    """Written by another version of the application: its permission is none, its denial denies every row."""
    add(policies, own_database, action="update")
    with own_database.begin() as connection:
        facts = {"tenant_id": "toko", "number": 9, "role": "courier", "object": "order", "action": "read"}
        rest = {"purpose": BILLING, "effect": effect, "row_filter": "newer", "since": 1}
        connection.execute(insert(models.rule).values(**facts, **rest))
        bump(connection, "toko")
    if effect == "deny":
        add(policies, own_database)
    found = snapshot(policies, own_database)
    assert not found.decide(frozenset({"courier"}), "order", "read", BILLING).allow
    assert found.limits(frozenset({"courier"}), BILLING) == NO_LIMITS
    assert found.decide(frozenset({"courier"}), "order", "update", BILLING).allow


def test_an_explanation_names_the_filters(policies, own_database):
    """Which rule allows, and of which rows it speaks."""
    add(policies, own_database, row_filter="assigned")
    add(policies, own_database, row_filter="own", effect="deny")
    found = snapshot(policies, own_database).explain(frozenset({"courier"}), "order", "read", BILLING)
    assert (found.allow, found.rows.allowed, found.rows.denied) == (True, ("assigned",), ("own",))
    assert found.rule.words()[-1] == "assigned"


def test_a_template_may_name_filters(own_database, policies):
    """``row_filter`` in a rule; installing one that names a filter which the guard does not know is refused."""
    parsed = templates.parse(
        {
            "role": {"courier": {"en": "Delivers.", "id": "Mengantar."}},
            "purpose": {BILLING: {"alias": "billing", "legal_basis": "contract", "en": "Pay.", "id": "Bayar."}},
            "rule": [
                {"role": "courier", "objects": ["order"], "actions": ["read"], "purposes": ["billing"]},
                {"role": "courier", "objects": ["order"], "actions": ["read"], "purposes": ["billing"]}
                | {"row_filter": "assigned"},
            ],
        }
    )
    assert parsed.rules == (
        Rule(0, "courier", "order", "read", BILLING),
        Rule(0, "courier", "order", "read", BILLING, "allow", "assigned"),
    )
