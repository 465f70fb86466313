"""Forms that another site sends in the name of somebody who is signed in."""

from __future__ import annotations

import pytest

OFFICER, PASSWORD = "ratna@toko.example", "tujuh burung biru"


@pytest.mark.parametrize("token", [None, "", "A" * 43])
def test_a_form_without_this_browsers_token_signs_nobody_in(console, token):
    """Signing a victim in as the attacker is refused too."""
    browser = console.browser()
    browser.get("/sign-in")
    fields = {"name": OFFICER, "password": PASSWORD, **({} if token is None else {"csrf": token})}
    assert browser.post("/sign-in", fields).status_code == 403
    assert console.sessions() == 0


def test_a_token_of_another_browser_is_worth_nothing(console):
    """The attacker's own token does not fit the victim's cookie."""
    stolen = console.browser().token("/sign-in")
    victim = console.browser()
    victim.get("/sign-in")
    assert victim.post("/sign-in", {"csrf": stolen, "name": OFFICER, "password": PASSWORD}).status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_form_that_the_browser_says_is_foreign_is_refused(console, told):
    """Even with the right token: a sibling site may have planted the cookie."""
    browser = console.browser()
    fields = {"csrf": browser.token("/sign-in"), "name": OFFICER, "password": PASSWORD}
    assert browser.post("/sign-in", fields, headers=told).status_code == 403
    assert console.sessions() == 0


def test_nobody_is_signed_out_by_another_site(console):
    """Sign-out needs the session's own token."""
    browser = console.signed_in()
    assert browser.post("/sign-out", {"csrf": "A" * 43}).status_code == 403
    assert browser.http.get("/amanah/sign-out").status_code == 403
    assert console.sessions() == 1


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_only_a_plain_form_is_read(console, kind):
    """Other bodies, and bodies larger than any of our forms, are refused before they are read."""
    browser = console.browser()
    answer = browser.http.post("/amanah/sign-in", content=b"csrf=x", headers={"content-type": kind})
    assert answer.status_code == 413
    assert browser.post("/sign-in", {"csrf": browser.token("/sign-in"), "name": "x" * 20_000}).status_code == 413
