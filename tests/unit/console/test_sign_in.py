"""Signing in to the console, staying signed in, and signing out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from amanah.console import invite, set_password
from amanah.console.models import credential, invitation, session
from amanah.console.throttle import Throttle
from amanah.encryption.passwords import hash_password, matches
from amanah.errors import InvalidInput

OFFICER, OWNER = "ratna@toko.example", "hendra@toko.example"
PASSWORD = "tujuh burung biru"


def hours(number):
    """Microseconds."""
    return timedelta(hours=number) // timedelta(microseconds=1)


def test_a_password_matches_itself_and_nothing_else():
    """The kept text is Argon2id in PHC notation with a salt of its own; composed accents do not matter."""
    kept = hash_password("kucing é di atap")
    assert kept.startswith("$argon2id$v=19$")
    assert kept != hash_password("kucing é di atap")
    assert matches("kucing e\u0301 di atap", kept)
    assert not matches("kucing e di atap", kept)
    assert not matches("anything", None)
    assert not matches("anything", "$argon2id$nonsense")


def test_the_name_itself_is_not_in_the_database(console):
    """Only a keyed token of the e-mail address is kept."""
    with console.guard.engine.connect() as connection:
        row = connection.execute(credential.select().where(credential.c.member_id == "m-ratna")).one()
    assert len(row.name_token) == 16
    assert "ratna@" not in repr(row)


def test_an_address_is_recognised_however_it_is_typed(console):
    """Capitals and blanks around do not matter; the member id does with the organisation, and not without it."""
    assert console.browser().sign_in(" Ratna@Toko.example ").status_code == 200
    assert console.browser().sign_in("m-ratna", organisation="toko").status_code == 200
    assert console.browser().sign_in("m-ratna").status_code == 403


def test_a_wrong_password_is_told_like_an_unknown_name(console):
    """Nothing on the page tells whether there is such a person; the known member's trail remembers the attempt."""
    wrong = console.browser().sign_in(OFFICER, "something else entirely")
    unknown = console.browser().sign_in("nobody@toko.example", "something else entirely")
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    strip = {OFFICER: "", "nobody@toko.example": ""}
    pages = []
    for answer in (wrong, unknown):
        page = answer.text
        for name in strip:
            page = page.replace(name, "")
        pages.append(page.split('name="csrf"')[0] + page.split("</form>", 1)[1])
    assert pages[0] == pages[1]
    assert [(one.actor, one.refusal) for one in console.entries() if one.refusal] == [("m-ratna", "sign-in-failed")]


def test_signing_in_and_out_are_entries(console):
    """Both are acts of the member in their organisation's trail."""
    browser = console.signed_in(OFFICER)
    browser.post("/sign-out", {"csrf": browser.token("/")})
    acts = [one.detail["act"] for one in console.entries() if one.actor == "m-ratna" and one.detail]
    assert acts == ["console.sign_in", "console.sign_out"]
    assert console.sessions() == 0
    assert browser.get("/").url.path == "/amanah/sign-in"


def test_somebody_of_two_organisations_names_the_one_they_mean(console):
    """The same address may belong to members of several organisations."""
    with console.guard.engine.begin() as connection:
        console.guard.directory.add_member(connection, "lain", "m-ratna2")
        console.guard.directory.grant(
            connection, "lain", "m-ratna2", "compliance_officer", reason="test", granted_by="platform"
        )
        set_password(console.guard, connection, "lain", "m-ratna2", PASSWORD, name=OFFICER)
    assert console.browser().sign_in(OFFICER).status_code == 403
    assert "Lain" in console.browser().sign_in(OFFICER, organisation="lain").text


@pytest.mark.parametrize("column, age", [("last_seen_at", 0.51), ("expires_at", 12.01)])
def test_a_session_ends_by_itself(console, column, age):
    """After half an hour without a request, and after twelve hours whatever happens."""
    browser = console.signed_in(OFFICER)
    with console.guard.engine.begin() as connection:
        connection.execute(update(session).values({column: session.c[column] - hours(age)}))
    assert browser.get("/").url.path == "/amanah/sign-in"


def test_cookies_are_out_of_reach_of_scripts_and_of_the_application(console):
    """HttpOnly, SameSite, below the mount only; Secure as soon as the way is."""
    browser = console.browser()
    fields = {"csrf": browser.token("/sign-in"), "name": OFFICER, "password": PASSWORD}
    plain = browser.post("/sign-in", fields, follow_redirects=False).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Path=/amanah" in plain
    assert "Secure" not in plain
    assert "Secure" in browser.http.get("https://testserver/amanah/sign-in").headers["set-cookie"]


def test_a_new_password_ends_every_session(console):
    """Whoever had the old password, or the session of it, is out."""
    browser = console.signed_in(OFFICER)
    with console.guard.engine.begin() as connection:
        set_password(console.guard, connection, "toko", "m-ratna", "sebelas ikan hijau")
    assert browser.get("/").url.path == "/amanah/sign-in"
    assert browser.sign_in(OFFICER).status_code == 403
    assert browser.sign_in(OFFICER, "sebelas ikan hijau").status_code == 200


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 257, "has a nul \x00 inside"])
def test_passwords_that_cannot_be_taken_are_refused(console, password):
    """At least 12 and at most 256 characters."""
    with console.guard.engine.begin() as connection, pytest.raises(InvalidInput):
        set_password(console.guard, connection, "toko", "m-ratna", password)


def test_only_active_members_get_a_password_or_an_invitation(console):
    """A credential never makes a member, and one name belongs to one member of an organisation."""
    with console.guard.engine.begin() as connection:
        with pytest.raises(InvalidInput):
            set_password(console.guard, connection, "toko", "nobody", PASSWORD)
        with pytest.raises(InvalidInput):
            invite(console.guard, connection, "lain", "m-ratna")
        with pytest.raises(InvalidInput):
            set_password(console.guard, connection, "toko", "m-ratna", PASSWORD, name=OWNER)


def test_an_invitation_leads_to_a_password(console):
    """Open the link, choose a password, sign in with it; the token leaves the address at once."""
    with console.guard.engine.begin() as connection:
        console.guard.directory.add_member(connection, "toko", "m-baru")
        role = {"reason": "test", "granted_by": "platform"}
        console.guard.directory.grant(connection, "toko", "m-baru", "compliance_officer", **role)
        link = invite(console.guard, connection, "toko", "m-baru", name="baru@toko.example")
        kept = connection.execute(invitation.select()).one()
    browser = console.browser()
    page = browser.get(link)
    assert page.url.path == "/amanah/join"
    assert "Toko &amp; Anak invites you" in page.text
    assert "set. Sign in with it" in browser.join(link, "sembilan kuda putih").text
    assert browser.sign_in("baru@toko.example", "sembilan kuda putih").status_code == 200
    token = link.rpartition("/")[2]
    assert token not in repr(kept)
    assert all(token.encode() not in one.encode() for tenant in ("toko", "platform") for one in console.entries(tenant))


def test_a_password_that_is_too_short_leaves_the_invitation_good(console):
    """Nothing is used up by a mistake."""
    with console.guard.engine.begin() as connection:
        link = invite(console.guard, connection, "toko", "m-sri")
    browser = console.browser()
    assert "fewer than 12" in browser.join(link, "short").text
    assert "set. Sign in" in browser.join(link).text


def test_an_unmigrated_console_says_so(console):
    """Where the table of sessions cannot be read nobody gets in, and nothing breaks loose."""
    browser = console.signed_in(OFFICER)
    with console.guard.engine.begin() as connection:
        connection.execute(text("ALTER TABLE amanah_console_session RENAME TO amanah_gone"))
    assert browser.get("/").status_code == 503


class Clock:
    """A clock that stands still until told otherwise."""

    now = 0.0

    def __call__(self):
        return self.now


def test_guessing_is_slowed_down_and_locks_nobody_out():
    """After five mistakes from one address the waits double up to a minute; another address is not concerned."""
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(13):
        throttle.wrong(b"ratna", "1.2.3.4")
        waits.append(throttle.wait(b"ratna", "1.2.3.4"))
        clock.now += waits[-1]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert throttle.wait(b"ratna", "5.6.7.8") == 0
    assert throttle.wait(b"hendra", "1.2.3.4") == 0


def test_one_address_cannot_try_many_names():
    """After thirty mistakes an address has to wait for any name; a right password does not wash that off."""
    throttle = Throttle(Clock())
    for number in range(31):
        throttle.wrong(str(number).encode(), "1.2.3.4")
    throttle.right(b"1", "1.2.3.4")
    assert throttle.wait(b"never tried", "1.2.3.4") > 0


def test_a_name_under_attack_gets_slower_and_stays_open():
    """From everywhere at once: an answer takes up to three seconds, and is never refused to a fresh address."""
    throttle = Throttle(Clock())
    for number in range(10_000):
        throttle.wrong(b"ratna", f"10.0.{number // 256}.{number % 256}")
    assert throttle.delay(b"ratna") == 3
    assert throttle.wait(b"ratna", "192.0.2.1") == 0
    assert throttle.delay(b"hendra") == 0


def test_too_many_attempts_are_told_how_long_to_wait(console):
    """429 with Retry-After; somebody at another address still gets in."""
    browser = console.browser("10.9.9.9")
    answers = [browser.sign_in(OFFICER, "wrong again and again").status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]
    slow = browser.sign_in(OFFICER)
    assert slow.status_code in {200, 429}
    assert console.browser("10.1.1.1").sign_in(OFFICER).status_code == 200
