"""Questions to the policy in force, and to one that is not yet."""

from __future__ import annotations

import json


def ok(result, code=0):
    """The result, if the command ended so."""
    assert result.exit_code == code, result.output + result.stderr
    return result


def ask(office, *words, code=0):
    """What ``amanah policy ask`` says."""
    return ok(office.run("policy", "ask", "--tenant", "toko-a", *words), code).stdout


def test_the_policy_is_asked_for_roles_and_for_a_member(office):
    """The deciding rule; for a no, the role that is missing, and the grant that is nearest."""
    office.with_tenant()
    told = ask(office, "invoice", "--purpose", "billing", "--role", "cashier")
    assert told.startswith("allowed\n")
    assert "cashier invoice read essential.service.payment_processing allow" in told
    office.run("member", "add", "toko-a", "sari")
    told = ask(office, "invoice", "--purpose", "billing", "--member", "sari", code=1)
    assert told.startswith("denied\n")
    assert "What is missing: a grant of the role cashier." in told
    ok(office.run("grant", "give", "toko-a", "sari", "cashier", "--reason", "x", "--starts", "2099-01-01T00:00+07:00"))
    assert "begins on 31 Dec 2098" in ask(office, "invoice", "--purpose", "billing", "--member", "sari", code=1)
    ok(office.run("grant", "give", "toko-a", "sari", "support", "--reason", "x"))
    told = ask(office, "customer.phone", "--purpose", "support", "--member", "sari", code=1)
    assert told.startswith("masked\n")


def test_the_answer_is_there_for_machines(small_office):
    """JSON, with what is missing; a no ends with 1."""
    small_office.with_tenant()
    told = json.loads(ask(small_office, "invoice", "--purpose", "billing", "--role", "courier", "--json", code=1))
    assert (told["allow"], told["missing_grant"]) == (False, "cashier")


def test_what_cannot_be_asked_is_said(small_office):
    """Nobody, two of them, and an object that is a pattern."""
    small_office.with_tenant()
    ask(small_office, "invoice", "--purpose", "billing", code=2)
    ask(small_office, "invoice", "--purpose", "billing", "--member", "a", "--role", "b", code=2)
    ask(small_office, "category:user", "--purpose", "billing", "--role", "cashier", code=2)
    assert "not in the tenant's register" in ask(small_office, "invoice", "--purpose", "x", "--role", "cashier", code=1)


def test_a_draft_is_tried_on_what_happened(office):
    """A refusal that the draft would not make is told; then it is in force, and there is no difference any more."""
    refusal = office.with_tenant().refuse("billing", role="support")
    ok(office.run("policy", "export", "--tenant", "toko-a", "draft"))
    what_if = ("policy", "what-if", "--tenant", "toko-a", "draft")
    assert ": 1 accesses. Answers that would change: 0." in ok(office.run(*what_if)).stdout
    more = '[[rule]]\nrole = "support"\nobjects = ["customer"]\nactions = ["read"]\npurposes = ["billing"]\n'
    (office.folder / "draft" / "more.toml").write_text(more, "utf-8")
    told = json.loads(ok(office.run(*what_if, "--json"), 1).stdout)
    (change,) = told["changes"]
    assert (change["roles"], change["object"], change["example"]) == (["support"], "customer", refusal)
    assert (change["now"]["verdict"], change["draft"]["verdict"], change["accesses"]) == ("deny", "allow", 1)
    shown = ok(office.run(*what_if), 1).stdout
    assert "denied" in shown
    assert "Answers that would change: 1." in shown
    ok(office.run("policy", "apply", "--tenant", "toko-a", "draft", "--yes"))
    assert "Answers that would change: 0." in ok(office.run(*what_if)).stdout
    purposes = office.folder / "draft" / "purposes.toml"
    contract, consent = 'legal_basis = "contract"', 'legal_basis = "consent"'
    before, key, after = purposes.read_text("utf-8").partition('"essential.service.payment_processing"')
    purposes.write_text(before + key + after.replace(contract, consent, 1), "utf-8")
    shown = ok(office.run(*what_if), 1).stdout
    assert "only rows would be met of those who consented. Of these accesses for it: 1." in " ".join(shown.split())
    told = json.loads(ok(office.run(*what_if, "--json"), 1).stdout)
    basis = {"purpose": "essential.service.payment_processing", "now": False, "draft": True, "accesses": 1}
    assert (told["consent"], told["changes"]) == ([basis], [])
    listed = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert listed[0]["detail"] == {"act": "policy.what_if", "last": 1000}
