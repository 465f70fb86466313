"""Script in everything that an actor can put into the trail or into a form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah.audit.entries import Entry, What, new_event_id, now_us

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}{x:>99}'


def test_script_in_an_entry_is_shown_as_text(console):
    """Every free text of an entry, in the list and on the entry's own page."""
    evil = Entry(
        id=new_event_id(),
        at=now_us(),
        tenant="toko",
        access=SCRIPT,
        kind="access",
        actor=SCRIPT,
        actor_kind=SCRIPT,
        roles=(SCRIPT,),
        strength=SCRIPT,
        purpose=SCRIPT,
        route=SCRIPT,
        request=SCRIPT,
        refusal=SCRIPT,
        what=(What(SCRIPT, SCRIPT, (SCRIPT,), (SCRIPT,), (SCRIPT,), ("other",), 1),),
        decision={"resource": SCRIPT, "action": SCRIPT, "allow": True, "rule": SCRIPT, "policy_version": 1},
        sealed={SCRIPT: "eA=="},
        detail={"act": SCRIPT, SCRIPT: SCRIPT},
    )
    second = replace(evil, id=new_event_id(), what=(), detail={})
    console.guard.writer.record(evil)
    console.guard.writer.record(second)
    console.entries()
    browser = console.signed_in()
    for path in ("/", f"/entries/{evil.id}", f"/entries/{second.id}"):
        page = browser.get(path).text
        assert "&lt;script&gt;" in page
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "49" not in page.split("{{7*7}}")[0][-20:]


@pytest.mark.parametrize("parameter", ["actor", "resource", "outcome", "before", "lang"])
def test_script_in_the_address_is_shown_as_text(console, parameter):
    """Filters come back escaped or not at all."""
    page = console.signed_in().get("/", params={parameter: SCRIPT}).text
    assert "<script" not in page
    assert "<img src=x" not in page


def test_script_typed_into_the_sign_in_comes_back_as_text(console):
    """What was typed is shown again, escaped; the password is not."""
    page = console.browser().sign_in(SCRIPT, "my secret password", SCRIPT).text
    assert "<script" not in page
    assert "my secret password" not in page


def test_script_in_a_members_label_or_an_organisations_name_is_text(console):
    """Names that administrators give."""
    with console.guard.engine.begin() as connection:
        console.guard.directory.create_tenant(connection, "xss", SCRIPT)
        console.guard.directory.suspend_member(connection, "toko", "m-sri")
        console.guard.directory.add_member(connection, "toko", "m-sri", SCRIPT)
    console.browser().sign_in("sri@toko.example")
    console.entries()
    assert "<script" not in console.signed_in().get("/?actor=m-sri").text
