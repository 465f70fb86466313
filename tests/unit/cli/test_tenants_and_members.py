"""Tenants, their members and what these may do."""

from __future__ import annotations

import json

import pytest


def test_a_tenant_is_made_worked_with_and_verified(office):
    """The whole round: tables, tenant, member, grant, trail; each step says what it did and is in the trail."""
    office.with_tenant()
    assert office.run("member", "add", "toko-a", "sari", "--label", "Sari").exit_code == 0
    given = office.run("grant", "give", "toko-a", "sari", "cashier", "--reason", "till", "--ends", "2099-01-01T00:00Z")
    assert given.exit_code == 0, given.output
    grants = json.loads(office.run("grant", "list", "toko-a", "--json").stdout)
    mine = next(one for one in grants if one["member_id"] == "sari")
    assert (mine["role"], mine["state"], mine["granted_by"]) == ("cashier", "in force", "operator:ops")
    members = json.loads(office.run("member", "list", "toko-a", "--json").stdout)
    assert {one["id"]: one["roles"] for one in members} == {"budi": ["owner"], "sari": ["cashier"]}
    assert office.run("grant", "revoke", "toko-a", mine["id"]).exit_code == 0
    assert office.run("member", "suspend", "toko-a", "sari").exit_code == 0
    assert office.run("member", "remove", "toko-a", "sari").exit_code == 0
    assert office.run("tenant", "suspend", "toko-a").exit_code == 0
    assert "suspended" in office.run("tenant", "list").stdout
    assert office.run("tenant", "resume", "toko-a").exit_code == 0
    listed = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert [one["detail"]["act"] for one in reversed(listed)] == [
        "tenant.create",
        "member.invite",
        "member.add",
        "grant.give",
        "grant.revoke",
        "member.suspend",
        "member.remove",
        "tenant.suspend",
        "tenant.resume",
    ]
    assert {one["actor"] for one in listed} == {"operator:ops"}
    verified = office.run("audit", "verify")
    assert (verified.exit_code, "The trail is whole" in verified.stdout) == (0, True)


def test_the_first_owner_gets_a_link_to_the_console_once(small_office):
    """Printed, not kept: the trail and the database hold no token; a new link can be had."""
    small_office.run("db", "upgrade")
    made = (
        "tenant",
        "create",
        "toko-a",
        "--name",
        "Toko A",
        "--admin",
        "budi",
        "--console",
        "https://a.example/console/",
    )
    links = []
    for arguments in (made, ("member", "invite", "toko-a", "budi")):
        result = small_office.run(*arguments)
        assert result.exit_code == 0, result.output
        links.append(result.stdout.splitlines()[-1])
    assert links[0].startswith("https://a.example/console/join/")
    assert links[1].startswith("/join/")
    tokens = {link.rpartition("/")[2] for link in links}
    assert len(tokens) == 2
    kept = b"".join(path.read_bytes() for path in small_office.folder.glob("app*.db*"))
    assert not any(token.encode() in kept for token in tokens)
    assert small_office.run("member", "invite", "toko-a", "nobody").exit_code == 2


def test_the_last_owner_stays(small_office):
    """What the directory refuses is told, and nothing is changed."""
    result = small_office.with_tenant().run("member", "remove", "toko-a", "budi")
    assert (result.exit_code, "last owner" in result.stderr) == (2, True)
    assert "active" in small_office.run("member", "list", "toko-a").stdout


@pytest.mark.parametrize(
    "arguments, told",
    [
        (("tenant", "suspend", "toko-b"), "there is no tenant toko-b"),
        (("tenant", "create", "toko-a", "--name", "A", "--admin", "x"), "there is a tenant toko-a already"),
        (("tenant", "create", "b", "--name", "B", "--admin", "x", "--template", "bank"), "there is no template"),
        (("grant", "give", "toko-a", "budi", "wizard", "--reason", "x"), "there is no role wizard"),
        (("grant", "give", "toko-a", "budi", "courier", "--reason", "x", "--ends", "soon"), "a point in time"),
        (("grant", "give", "toko-a", "budi", "courier", "--reason", "x", "--ends", "2099-01-01"), "time zone"),
        (("grant", "revoke", "toko-a", "0" * 32), "no such grant"),
        (("audit", "verify", "--tenant", "toko-b"), "there is no tenant toko-b"),
        (("audit", "verify", "--key", "rubbish"), "a verifier key is written"),
        (("audit", "list", "--tenant", "toko-b"), "there is no tenant toko-b"),
        (("explain", "0" * 32), "there is no entry with this id"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(small_office, arguments, told):
    """Each has its sentence on stderr, exit code 2, and no traceback."""
    result = small_office.with_tenant().run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_terminal_is_not_steered_by_a_name(small_office):
    """Control characters of a stored text do not reach the terminal."""
    small_office.with_tenant()
    created = small_office.run(
        "tenant", "create", "b", "--name", "B\x1b[2J[red]", "--template", "blank", "--admin", "x"
    )
    assert created.exit_code == 0
    shown = small_office.run("tenant", "list").stdout
    assert "\x1b" not in shown
    assert "[red]" in shown


def test_duties_bind_grants_and_are_in_the_trail(office, monkeypatch):
    """A role that excludes another, a role that wants a second person, and who that is."""
    office.with_tenant()
    for member in ("sari", "dewi"):
        assert office.run("member", "add", "toko-a", member).exit_code == 0
    assert office.run("duty", "add", "toko-a", "accountant", "--excludes", "courier").exit_code == 0
    added = office.run("duty", "add", "toko-a", "courier", "--two-people")
    assert "courier two-people" in added.stdout
    assert office.run("duty", "add", "toko-a", "courier").exit_code == 2
    assert office.run("duty", "add", "toko-a", "courier", "--two-people", "--at-most", "2").exit_code == 2
    assert office.run("grant", "give", "toko-a", "sari", "accountant", "--reason", "till").exit_code == 0
    refused = office.run("grant", "give", "toko-a", "sari", "courier", "--reason", "both")
    assert refused.exit_code == 2
    assert "excludes courier" in refused.output
    proposed = office.run("grant", "give", "toko-a", "dewi", "courier", "--reason", "questions")
    assert "wants a second person" in proposed.stdout
    waiting = next(one for one in json.loads(office.run("grant", "list", "toko-a", "--json").stdout) if one["waits"])
    assert waiting["state"] == "waits for a second person"
    own = office.run("grant", "approve", "toko-a", waiting["id"])
    assert own.exit_code == 2
    with monkeypatch.context() as patch:
        patch.setenv("AMANAH_OPERATOR", "second")
        approved = office.run("grant", "approve", "toko-a", waiting["id"])
    assert approved.exit_code == 0, approved.output
    members = json.loads(office.run("member", "list", "toko-a", "--json").stdout)
    assert {one["id"]: one["roles"] for one in members}["dewi"] == ["courier"]
    listed = json.loads(office.run("duty", "list", "toko-a", "--json").stdout)
    assert [(one["role"], one["kind"], one["other"]) for one in listed] == [
        ("accountant", "excludes", "courier"),
        ("courier", "two_people", ""),
    ]
    assert office.run("duty", "remove", "toko-a", "accountant", "--excludes", "courier").exit_code == 0
    entries = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    acts = [one["detail"]["act"] for one in reversed(entries)]
    assert [act for act in acts if act.startswith(("duty", "grant"))] == [
        "duty.add",
        "duty.add",
        "grant.give",
        "grant.propose",
        "grant.approve",
        "duty.remove",
    ]
