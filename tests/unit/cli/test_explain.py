"""What a decision was about, in words."""

from __future__ import annotations

import json

import pytest

from amanah.errors import FieldProbed, FieldWithheld, Forbidden, MaskedWrite


def test_a_refusal_is_explained_by_what_is_missing(office):
    """The entry's facts, the reason, and the role that would do."""
    refusal = office.with_tenant().refuse("billing")
    result = office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    for told in ("None of your roles may read customer", "GET /customers/{id}", "sari", "What is missing: a grant of"):
        assert told in result.stdout


def test_a_refusal_before_the_policy_is_explained_too(small_office):
    """No purpose was named: the purposes of the route are told."""
    refusal = small_office.with_tenant().refuse(None)
    result = small_office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    assert "billing, support" in result.stdout


def test_what_was_only_observed_is_not_called_stopped(small_office):
    """Nothing was stopped, and the reason that would have stopped it is told all the same."""
    told = small_office.run("explain", small_office.with_tenant().refuse("billing", outcome="would_refuse")).stdout
    assert told.startswith("Nothing was stopped")
    assert "None of your roles may read customer" in told


def test_a_changed_policy_is_said_to_have_changed(small_office):
    """The explanation is by today's policy, and says which one decided then."""
    refusal = small_office.with_tenant().refuse("billing")
    small_office.run("grant", "give", "toko-a", "sari", "cashier", "--reason", "till")
    assert "follows is by today's" in small_office.run("explain", refusal).stdout


@pytest.mark.parametrize("kind", [FieldWithheld, FieldProbed, MaskedWrite])
def test_a_refused_field_is_explained_by_name(small_office, kind):
    """The field that the entry names, what the roles see of it, and which role would do; nothing is left unsaid."""
    stopped = kind(field="customer.phone", purpose="support")
    refusal = small_office.with_tenant().refuse("support", role="support", later=stopped)
    result = small_office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    assert "(not recorded)" not in result.stdout
    assert "No rule lets the roles support read customer.phone for the purpose" in result.stdout
    assert "They may see it masked." in result.stdout
    assert "field=customer.phone" in result.stdout
    assert "see masked: customer.phone" not in result.stdout


def test_what_the_application_asked_for_is_explained_and_not_the_route(small_office):
    """The route let sari in to read customers; the handler demanded something else, and that was refused."""
    demanded = Forbidden(resource="invoice", action="delete", purpose="support")
    refusal = small_office.with_tenant().refuse("support", role="support", later=demanded)
    told = small_office.run("explain", refusal).stdout
    assert "None of your roles may delete invoice" in told
    assert "No rule lets the roles support delete invoice for the purpose" in told


def test_a_field_that_the_entry_does_not_name_is_explained_by_what_the_roles_see(small_office):
    """Of an entry without its detail: how the roles see each of the resource's fields is told."""
    withheld = FieldWithheld(field="customer.phone", purpose="support")
    refusal = small_office.with_tenant().refuse("support", role="support", later=withheld, detail={})
    result = small_office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    assert "Rule r" in result.stdout
    assert "see masked: customer.phone" in result.stdout
    assert "{" not in result.stdout.replace("{id}", "")


def test_explaining_is_in_the_trail(small_office):
    """Looking a decision up is looking at the trail."""
    refusal = small_office.with_tenant().refuse("billing")
    small_office.run("explain", refusal)
    listed = json.loads(small_office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert {"act": "explain", "entry": refusal} in [one["detail"] for one in listed]
