"""The pages of the console: who gets in, what they see, and what that leaves in the trail."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from amanah.audit.models import entry as log
from amanah.console import mount
from amanah.errors import ConfigurationError

OFFICER, OWNER, CASHIER = "ratna@toko.example", "hendra@toko.example", "sri@toko.example"


def test_a_browser_that_is_not_signed_in_is_shown_the_way(console):
    """The front page leads to the sign-in, with and without its slash; a machine gets 401."""
    for path in ("", "/"):
        answer = console.browser().get(path)
        assert (answer.status_code, answer.url.path) == (200, "/amanah/sign-in")
    answer = console.browser().http.get("/amanah/", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not-identified")


def test_the_compliance_officer_sees_the_trail_of_their_organisation(console):
    """E-mail address and password are enough; the page names the organisation and shows its entries."""
    browser = console.signed_in(OFFICER)
    console.entries()
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "Toko &amp; Anak" in answer.text
    assert "Signed in to the console" in answer.text


def test_looking_at_the_trail_leaves_an_entry(console):
    """The visit is an access of the visitor, to the trail, for the purpose of compliance."""
    console.signed_in(OFFICER)
    looked = [entry for entry in console.entries() if entry.route == "GET /amanah/"]
    assert [(one.actor, one.purpose, one.what[0].resource, one.what[0].action) for one in looked] == [
        ("m-ratna", "essential.legal_obligation", "amanah.trail", "read")
    ]
    assert looked[0].decision["allow"] is True


def test_an_entry_has_a_page_with_all_its_facts(console):
    """Looking at one entry names that entry in the trail."""
    browser = console.signed_in(OFFICER)
    first = console.entries()[0]
    answer = browser.get(f"/entries/{first.id}")
    assert answer.status_code == 200
    assert first.id in answer.text
    assert "The organisation was set up" in answer.text
    looked = [entry for entry in console.entries() if entry.route == "GET /amanah/entries/{id}"]
    assert looked[0].what[0].rows == (first.id,)


def test_whoever_may_not_read_the_trail_is_refused_by_the_policy(console):
    """A cashier signs in and is told why not; the refusal is in the trail."""
    answer = console.browser().sign_in(CASHIER)
    assert answer.status_code == 403
    assert "None of your roles may read amanah.trail" in answer.text
    assert [entry.refusal for entry in console.entries() if entry.actor == "m-sri"][-1] == "forbidden"


def test_a_suspended_member_is_out_at_once(console):
    """The session is alive, the membership is not."""
    browser = console.signed_in(OFFICER)
    with console.guard.engine.begin() as connection:
        console.guard.directory.suspend_member(connection, "toko", "m-ratna")
    assert browser.get("/").status_code == 403


def test_filters_narrow_the_list(console):
    """By actor, outcome and resource; what fits nothing says so."""
    browser = console.signed_in(OFFICER)
    console.browser().sign_in(CASHIER)
    console.entries()
    assert "m-sri" in browser.get("/?outcome=refused").text
    assert "m-ratna" not in browser.get("/?actor=m-sri").text.split("<tbody")[1]
    assert "No entries fit." in browser.get("/?resource=nothing").text


@pytest.mark.parametrize(
    "query",
    ["before=-1", "before=99999999999999999999", "outcome=maybe", "actor=%00", "resource=" + "x" * 500, "before=%FF"],
)
def test_filters_with_nonsense_are_left_out(console, query):
    """The page stays up and says that it left something out."""
    answer = console.signed_in(OFFICER).get(f"/?{query}")
    assert answer.status_code == 200
    assert "could not be understood" in answer.text


def test_a_long_trail_comes_page_by_page(console):
    """Each page continues where the one before ended, and the last one has no next."""
    browser = console.signed_in(OFFICER)
    for _ in range(60):
        browser.get("/")
    console.entries()
    first = browser.get("/?actor=m-ratna").text
    assert first.count("<tr role") == 51
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    second = browser.http.get(older).text
    assert 'rel="next"' not in second
    assert 1 < second.count("<tr role") < 52


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM amanah_entry WHERE tenant_id = 'toko' AND position > 0",
        "UPDATE amanah_head SET size = 1 WHERE tenant_id = 'toko'",
        "UPDATE amanah_checkpoint SET note = 'x'",
        "UPDATE amanah_signed_head SET size = size + 1 WHERE tenant_id = 'toko'",
    ],
)
def test_a_damaged_end_of_the_log_turns_the_page_red(console, damage):
    """A trail that is shorter than its signature, or signed by somebody else, is said so at the top."""
    browser = console.signed_in(OFFICER)
    console.entries()
    assert "Signed and complete" in browser.get("/").text
    with console.guard.trail_engine.begin() as connection:
        connection.execute(text(damage))
    assert "The trail does not match its signature" in browser.get("/").text


def test_an_entry_that_was_changed_afterwards_says_so(console):
    """The entry's page compares it with its hash in the tree."""
    browser = console.signed_in(OFFICER)
    first = console.entries()[0]
    assert "changed afterwards" not in browser.get(f"/entries/{first.id}").text
    changed = first.encode().decode().replace("tenant.create", "tenant.crEate")
    with console.guard.trail_engine.begin() as connection:
        connection.execute(log.update().where(log.c.event_id == first.id).values(body=changed.encode()))
    assert "changed afterwards" in browser.get(f"/entries/{first.id}").text


def test_the_pages_speak_the_language_that_was_chosen(console):
    """Accept-Language decides, ?lang= overrides it, and the choice is remembered."""
    browser = console.browser()
    assert '<html lang="id">' in browser.get("/sign-in", headers={"accept-language": "id-ID,en;q=0.5"}).text
    assert "Kata sandi" in browser.get("/sign-in?lang=id").text
    assert "Kata sandi" in browser.get("/sign-in").text
    assert "Password" in browser.get("/sign-in?lang=en").text


def test_every_answer_forbids_scripts_frames_and_foreign_content(console):
    """Pages, refusals and the stylesheet carry the strict policy; no page holds a script or an inline style."""
    browser = console.signed_in(OFFICER)
    for path in ("/", "/sign-in", "/nowhere", "/static/console.css", "/entries/nothing"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script" not in answer.text
        assert "style=" not in answer.text.replace("?v=", "")


def test_the_application_beside_stays_itself(console):
    """Only paths below the mount are the console's."""
    assert console.browser().http.get("/health").text == "well"
    assert console.browser().http.get("/amanahx").status_code == 403


@pytest.mark.parametrize("path", ["", "/", "amanah", "/amanah/", "/a//b", "/../x", "/{x}"])
def test_a_path_that_cannot_be_mounted_is_refused(path):
    """The console's path is a plain one."""
    with pytest.raises(ConfigurationError):
        mount(None, None, path)
