"""A session that the attacker knows before the victim signs in, or still has after they signed out."""

from __future__ import annotations

OFFICER = "ratna@toko.example"
COOKIE = "amanah_console"


def test_a_planted_token_is_never_adopted(console):
    """Signing in makes a new token, whatever the browser held."""
    browser = console.browser()
    browser.http.cookies.set(COOKIE, "P" * 43, path="/amanah")
    browser.sign_in(OFFICER)
    attacker = console.browser()
    attacker.http.cookies.set(COOKIE, "P" * 43, path="/amanah")
    assert attacker.get("/").url.path == "/amanah/sign-in"


def test_signing_in_again_ends_the_session_before(console):
    """The attacker's own session, left in the victim's browser, dies with the victim's sign-in."""
    browser = console.signed_in(OFFICER)
    first = browser.http.cookies[COOKIE]
    browser.sign_in(OFFICER)
    assert browser.http.cookies[COOKIE] != first
    attacker = console.browser()
    attacker.http.cookies.set(COOKIE, first, path="/amanah")
    assert attacker.get("/").url.path == "/amanah/sign-in"


def test_a_stolen_cookie_is_dead_after_the_sign_out(console):
    """Signing out ends the session in the database, not just in the browser."""
    browser = console.signed_in(OFFICER)
    thief = console.browser()
    thief.http.cookies.set(COOKIE, browser.http.cookies[COOKIE], path="/amanah")
    assert thief.get("/").url.path == "/amanah/"
    browser.post("/sign-out", {"csrf": browser.token("/")})
    assert thief.get("/").url.path == "/amanah/sign-in"


def test_the_database_does_not_hold_what_a_thief_could_use(console):
    """Only hashes of session tokens are kept."""
    from amanah.console.models import session

    browser = console.signed_in(OFFICER)
    with console.guard.engine.connect() as connection:
        row = connection.execute(session.select()).one()
    assert browser.http.cookies[COOKIE] not in repr(row)
