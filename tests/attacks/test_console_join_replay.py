"""Invitations used twice, too late, after a newer one, or guessed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from amanah.console import invite
from amanah.console.models import invitation

NEW, OTHER = "sembilan kuda putih", "sepuluh kuda hitam"


@pytest.fixture
def link(console):
    """An invitation of the cashier."""
    with console.guard.engine.begin() as connection:
        return invite(console.guard, connection, "toko", "m-sri")


def test_an_invitation_works_once(console, link):
    """The second use is refused, and the password of the first stays."""
    assert "Sign in with it" in console.browser().join(link, NEW).text
    assert console.browser().get(link).status_code == 410
    assert console.browser().sign_in("m-sri", NEW, "toko").status_code == 403  # a cashier, but the password is right
    assert [one.refusal for one in console.entries() if one.actor == "m-sri"][-1] == "forbidden"


def test_a_form_that_was_open_when_the_invitation_was_used_is_refused(console, link):
    """Two browsers open the link; who sends the form second gets nothing."""
    late = console.browser()
    late.get(link)
    csrf = late.token("/join")
    console.browser().join(link, NEW)
    answer = late.post("/join", {"csrf": csrf, "password": OTHER, "again": OTHER})
    assert answer.status_code == 410
    assert "no longer good" in answer.text


def test_of_two_at_once_one_wins(console, link):
    """The database decides, not who looked first."""
    browsers = [console.browser(), console.browser()]
    for browser in browsers:
        browser.get(link)
    forms = [(one, {"csrf": one.token("/join"), "password": NEW, "again": NEW}) for one in browsers]
    answers = []
    threads = [
        threading.Thread(target=lambda one=one, form=form: answers.append(one.post("/join", form).status_code))
        for one, form in forms
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 410]


def test_an_invitation_ends_after_72_hours(console, link):
    """Later it is refused like one that never was."""
    with console.guard.engine.begin() as connection:
        later = timedelta(hours=72, seconds=1) // timedelta(microseconds=1)
        connection.execute(update(invitation).values(expires_at=invitation.c.expires_at - later))
    assert console.browser().get(link).status_code == 410


def test_a_newer_invitation_ends_the_one_before(console, link):
    """Only the last link that was sent is good."""
    with console.guard.engine.begin() as connection:
        newer = invite(console.guard, connection, "toko", "m-sri")
    assert console.browser().get(link).status_code == 410
    assert console.browser().get(newer).status_code == 200


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 5000, "%00", "..%2f..%2fetc"])
def test_a_guessed_invitation_is_refused(console, token):
    """Whatever stands in its place."""
    assert console.browser().get(f"/join/{token}").status_code in {403, 404, 410}
