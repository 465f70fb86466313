"""What a client is told when the answer is no."""

from __future__ import annotations

import json
import shlex

import pytest

from amanah import errors
from amanah.middleware.access import Access, Actor
from amanah.middleware.problems import paste_for, prefers_html, problem


def test_a_refusal_is_a_problem_document():
    """RFC 9457: type, title, status, detail; and the remedy, the stable code, the decision's id."""
    error = errors.PurposeNotServed(purpose="reporting", purposes="billing, support")
    error.decision_id = "ab" * 16
    made = problem(error)
    body = json.loads(made.body)
    assert made.status == body["status"] == 403
    assert body["type"] == "urn:amanah:problem:purpose-not-served"
    assert body["title"] == "The request was stopped."
    assert body["detail"] == "This route does not serve the purpose reporting. It serves: billing, support."
    assert body["remedy"].startswith("Name one of these")
    assert body["decision"] == "ab" * 16
    assert "declare" not in body
    assert dict(made.headers)[b"content-type"] == b"application/problem+json"


def test_a_refusal_speaks_indonesian():
    """The sentences are translated, the code is not."""
    made = problem(errors.NotIdentified(), language="id")
    body = json.loads(made.body)
    assert body["title"] != "The request was stopped."
    assert body["code"] == "not-identified"
    assert dict(made.headers)[b"content-language"] == b"id"


def test_a_401_names_the_scheme_and_a_503_when_to_come_back():
    """RFC 9110 sections 15.5.2 and 10.2.3."""
    assert dict(problem(errors.NotIdentified()).headers)[b"www-authenticate"] == b"Bearer"
    assert b"invalid_token" in dict(problem(errors.TokenExpired()).headers)[b"www-authenticate"]
    assert dict(problem(errors.TrailUnavailable()).headers)[b"retry-after"] == b"5"


def test_a_page_escapes_what_it_shows():
    """A fact with markup in it is text."""
    made = problem(errors.RouteUndeclared(route="GET /<script>"), html=True, paste='route("<b>")')
    assert b"<script>" not in made.body
    assert b"&lt;script&gt;" in made.body
    assert b"<b>" not in made.body
    assert b"default-src 'none'" in dict(made.headers)[b"content-security-policy"]


@pytest.mark.parametrize(
    "accept, html",
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0", False),
        ("text/html;q=wat, application/json;q=0.1", False),
    ],
)
def test_a_page_is_for_those_who_prefer_one(accept, html):
    """A browser gets a page, an API client a document."""
    assert prefers_html(accept) is html


def test_an_undeclared_route_shows_the_declaration_to_paste():
    """It is valid Python for the routes of the guard."""
    pasted = paste_for(errors.RouteUndeclared(route="DELETE /invoices/{id}"), None)
    assert pasted is not None
    assert pasted.startswith('route("DELETE /invoices/{id}", "invoices", "delete", ')


def test_a_missing_grant_shows_the_grant_and_the_rule(world):
    """From the policy's own explanation: the role with the fewest rights that would do."""
    snapshot = world.policies.snapshot("toko", world.versions.current_now("toko").version)
    access = Access(kind="request", tenant="toko", actor=Actor("sari"), roles=frozenset({"support"}), snapshot=snapshot)
    pasted = paste_for(errors.Forbidden(action="read", resource="customer", purpose="billing"), access)
    assert pasted is not None
    assert 'amanah grant give toko sari cashier --reason "…"'.replace('"', "'") in pasted
    assert 'policies.add_rule(connection, "toko", role="support", object="customer", action="read"' in pasted


def test_a_stranger_is_shown_the_command_that_adds_them(world):
    """In words that a shell reads as they are, whatever the account is called; who was sent away is shown none."""
    for member in ("17", "x; rm -rf ~", "$(id) 'a' \"b\""):
        access = Access(kind="request", tenant="toko", actor=Actor(member))
        pasted = paste_for(errors.NotAMember(stranger=True), access)
        assert pasted is not None
        assert shlex.split(pasted) == ["amanah", "member", "add", "toko", member]
    assert (
        paste_for(errors.NotAMember(stranger=True), Access(kind="request", tenant="toko", actor=Actor("a\nb"))) is None
    )
    assert paste_for(errors.NotAMember(stranger=False), Access(kind="request", tenant="toko")) is None


def test_who_has_no_role_is_shown_one_for_each_purpose(world):
    """As a grant, or in the map where the application gives the roles."""
    snapshot = world.policies.snapshot("toko", world.versions.current_now("toko").version)
    access = Access(kind="request", tenant="toko", actor=Actor("17"), snapshot=snapshot)
    facts = {"purposes": "billing, support, nothing", "resource": "customer", "action": "read"}
    pasted = paste_for(errors.RoleMissing(**facts), access)
    assert pasted == (
        "amanah grant give toko 17 cashier --reason '…'  # billing\n"
        "amanah grant give toko 17 support --reason '…'  # support"
    )
    mapped = paste_for(errors.RoleMissing(**facts, mapped=True), access)
    assert mapped is not None
    assert "RoleMap" in mapped
    assert "amanah grant" not in mapped


def test_a_login_that_meets_a_gate_is_shown_the_declaration():
    """Before anybody is known no grant can help."""
    asking = Access(kind="sign_in")
    searched = paste_for(errors.FieldProbed(field="account.email", purpose="-"), asking)
    assert searched is not None
    assert "platform=True" in searched
    assert paste_for(errors.AccessRequired(resource="account"), asking) == 'declare("account", …, sign_in=True)'
    assert paste_for(errors.AccessRequired(resource="account"), None) is None
