"""Looking at the trail of another organisation."""

from __future__ import annotations

STRANGER = "slamet@lain.example"


def test_an_entry_of_another_organisation_does_not_exist(console):
    """The answer is the same as for an id that was never given, and it is an entry in the caller's own trail."""
    theirs = console.entries("toko")[0]
    browser = console.signed_in(STRANGER)
    foreign, unknown = browser.get(f"/entries/{theirs.id}"), browser.get(f"/entries/{'0' * 32}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(theirs.id, "") == unknown.text.replace("0" * 32, "")
    routes = [one.route for one in console.entries("lain") if one.actor == "m-slamet"]
    assert routes.count("GET /amanah/entries/{id}") == 2


def test_filters_do_not_reach_over_the_wall(console):
    """Naming another organisation's actor finds nothing."""
    console.signed_in("ratna@toko.example")
    console.entries()
    page = console.signed_in(STRANGER).get("/?actor=m-ratna")
    assert "No entries fit." in page.text


def test_a_member_id_of_one_organisation_opens_nothing_in_another(console):
    """Naming another organisation at the sign-in does not help whoever knows a password elsewhere."""
    assert console.browser().sign_in("m-slamet", organisation="toko").status_code == 403
    assert console.browser().sign_in(STRANGER, organisation="toko").status_code == 403
    assert console.browser().sign_in(STRANGER, organisation="platform").status_code == 403
