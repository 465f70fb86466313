"""Reading the trail and verifying it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from sqlalchemy import make_url, update

from amanah import database
from amanah.audit.models import entry as entry_table


def test_looking_at_the_trail_is_in_the_trail(small_office):
    """Who reads a tenant's trail leaves an entry there."""
    small_office.with_tenant().run("audit", "list", "--tenant", "toko-a")
    listed = json.loads(small_office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert [one["detail"]["act"] for one in listed] == ["audit.list", "member.invite", "tenant.create"]


def test_the_trail_can_be_narrowed_and_paged(small_office):
    """By actor, by number of entries, and on from a position."""
    small_office.with_tenant().run("member", "add", "toko-a", "sari")
    assert json.loads(small_office.run("audit", "list", "--actor", "nobody", "--json").stdout) == []
    newest = json.loads(small_office.run("audit", "list", "--tenant", "toko-a", "--limit", "1", "--json").stdout)
    older = small_office.run("audit", "list", "--tenant", "toko-a", "--before", str(newest[0]["position"]), "--json")
    assert [one["detail"]["act"] for one in json.loads(older.stdout)][-1] == "tenant.create"
    assert small_office.run("audit", "list", "--before", "3").exit_code == 2


def test_an_address_used_as_an_account_id_is_masked_in_the_trail(small_office):
    """The list of the trail shows no e-mail address and no telephone number."""
    small_office.with_tenant()
    small_office.run("member", "add", "toko-a", "sari@example.com")
    small_office.run("member", "add", "toko-a", "+6281234567890")
    for result in (small_office.run("audit", "list"), small_office.run("audit", "list", "--json")):
        assert result.exit_code == 0
        assert "sari@example" not in result.stdout
        assert "81234567890" not in result.stdout


def test_the_trail_is_read_and_verified_without_the_application(office):
    """A URL and the settings of the environment are enough."""
    office.with_tenant()
    known = {"AMANAH_DATABASE_URL": office.url, "AMANAH_STATE": str(office.folder / "state")}
    assert "toko-a" in office.bare("tenant", "list", **known).stdout
    assert "tenant.create" in office.bare("audit", "list", **known).stdout
    assert office.bare("audit", "verify", **known).exit_code == 0
    assert office.bare("doctor", **known).exit_code == 2


def test_an_auditor_verifies_with_the_published_key_only(small_office):
    """No key file, no signer: the key that `audit key` prints."""
    small_office.with_tenant()
    small_office.run("audit", "verify")
    key = small_office.run("audit", "key").stdout.strip()
    assert key.startswith("amanah+")
    folder = str(small_office.folder / "state" / "checkpoints")
    arguments = ("--database", small_office.url, "audit", "verify", "--key", key, "--checkpoints", folder, "--json")
    result = small_office.bare(*arguments)
    assert (result.exit_code, json.loads(result.stdout)["whole"]) == (0, True)
    again = json.loads(small_office.bare(*arguments).stdout)
    assert again == json.loads(result.stdout)  # with --key nothing is written


def test_an_edited_entry_is_named_and_fails_verification(office):
    """Exit code 1, with the place of the first wrong entry, in words and as JSON."""
    office.with_tenant()
    office.run("member", "add", "toko-a", "sari")
    office.run("audit", "verify")
    trail = database.own_engine(database.trail_url(office.url))
    with trail.begin() as connection:
        mine = (entry_table.c.tenant_id == "toko-a") & (entry_table.c.position == 2)
        connection.execute(update(entry_table).where(mine).values(event_id="0" * 32))
    trail.dispose()
    result = office.run("audit", "verify")
    assert (result.exit_code, "toko-a: edited at 2" in result.stdout) == (1, True)
    told = json.loads(office.run("audit", "verify", "--tenant", "toko-a", "--json").stdout)
    assert (told["whole"], told["tenants"][0]["finding"]["position"]) == (False, 2)


def test_verifying_the_trail_is_in_the_trail(office):
    """Of every tenant that was verified, and of the platform; damage that was found does not keep it out."""
    office.with_tenant()
    assert office.run("audit", "verify").exit_code == 0
    assert office.run("audit", "verify", "--tenant", "toko-a").exit_code == 0
    listed = json.loads(office.run("audit", "list", "--json").stdout)
    verified = [(one["tenant"], one["kind"], one["actor"]) for one in listed if one["detail"]["act"] == "trail.verify"]
    mine = ("toko-a", "admin", "operator:ops")
    assert sorted(verified) == [("platform", "admin", "operator:ops"), mine, mine]


def test_the_trail_of_a_tenant_that_is_gone_is_verified_and_that_is_in_the_platforms(small_office):
    """A tenant's row can be deleted behind our back; what stands in its trail is verified all the same."""
    small_office.with_tenant().run("audit", "verify")
    with closing(sqlite3.connect(make_url(small_office.url).database)) as raw:  # who has the file needs no permission
        raw.execute("DELETE FROM amanah_tenant WHERE id = 'toko-a'")
        raw.commit()
    told = json.loads(small_office.run("audit", "verify", "--tenant", "toko-a", "--json").stdout)
    assert (told["whole"], told["tenants"][0]["tenant"]) == (True, "toko-a")
    listed = json.loads(small_office.run("audit", "list", "--tenant", "platform", "--json").stdout)
    assert [one["detail"]["act"] for one in listed] == ["trail.verify", "trail.verify"]
