"""Reading the trail and verifying it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from sqlalchemy import make_url, text, update

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


def test_a_bundle_is_written_and_verified_without_the_database(office):
    """All, a range, some entries; the export is in the trail; a changed one is exit code 1, another's is 2."""
    office.with_tenant()
    office.run("member", "add", "toko-a", "sari")
    file, key = office.folder / "toko-a.bundle", office.run("audit", "key").stdout.strip()
    result = office.run("audit", "bundle", "--tenant", "toko-a", "--to", str(file), "--heads")
    assert (result.exit_code, "4 of 4 entries" in result.stdout) == (0, True), result.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert office.run("audit", "bundle", "--tenant", "toko-a", "--to", str(file)).exit_code == 2
    verified = office.bare("audit", "verify", "--bundle", str(file), "--key", key, "--tenant", "toko-a")
    assert (verified.exit_code, "The bundle is whole: 4 of 4" in verified.stdout) == (0, True), verified.output
    part = office.folder / "part.bundle"
    for options, count in ((("--first", "1", "--last", "2"), 2), (("--position", "3", "--position", "0"), 2)):
        part.unlink(missing_ok=True)
        assert office.run("audit", "bundle", "--tenant", "toko-a", "--to", str(part), *options).exit_code == 0
        told = json.loads(office.run("audit", "verify", "--bundle", str(part), "--json").stdout)
        assert (told["whole"], told["entries"]) == (True, count)
    file.write_bytes(file.read_bytes().replace(b'"member.invite"', b'"member.inviti"', 1))
    edited = office.bare("audit", "verify", "--bundle", str(file), "--key", key)
    assert (edited.exit_code, "edited at 1" in edited.stdout) == (1, True), edited.output
    for wrong in (("--tenant", "toko-b"), ("--processes", "2"), ("--checkpoint", str(part))):
        assert office.bare("audit", "verify", "--bundle", str(part), "--key", key, *wrong).exit_code == 2
    stranger = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    assert "not signed by" in office.bare("audit", "verify", "--bundle", str(part), "--key", stranger).stderr
    listed = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert [one["detail"]["act"] for one in listed].count("audit.bundle") == 4


def test_positions_and_files_that_make_no_sense_are_refused(small_office):
    """Nothing is left behind: a bundle that could not be finished is no file."""
    small_office.with_tenant()
    to = small_office.folder / "a.bundle"
    for wrong in (("--last", "99"), ("--first", "3", "--last", "1"), ("--first", "1", "--position", "2")):
        result = small_office.run("audit", "bundle", "--tenant", "toko-a", "--to", str(to), *wrong)
        assert (result.exit_code, to.exists()) == (2, False)
    assert small_office.run("audit", "bundle", "--tenant", "nobody", "--to", str(to)).exit_code == 2
    nowhere = small_office.folder / "nowhere" / "a.bundle"
    assert small_office.run("audit", "bundle", "--tenant", "toko-a", "--to", str(nowhere)).exit_code == 2


def test_tiles_are_exported_and_that_is_in_the_trail(small_office):
    """A folder with a checkpoint, hashes and entries; a second export goes on."""
    small_office.with_tenant()
    to = small_office.folder / "tiles"
    for _ in range(2):
        result = small_office.run("audit", "tiles", "--tenant", "toko-a", "--to", str(to))
        assert result.exit_code == 0, result.output
    assert "amanah/toko-a\n4\n" in (to / "checkpoint").read_text("utf-8")
    assert sorted(path.name for path in (to / "tile" / "entries" / "000.p").iterdir()) == ["3", "4"]
    listed = json.loads(small_office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert [one["detail"]["act"] for one in listed].count("audit.tiles") == 2


def test_a_verification_goes_on_from_a_file(small_office):
    """Mode 0600, of this key and these trails; refused where others may write it."""
    small_office.with_tenant()
    state = small_office.folder / "verified"
    assert small_office.run("audit", "verify", "--resume", str(state)).exit_code == 0
    assert state.stat().st_mode & 0o777 == 0o600
    before = json.loads(state.read_text("utf-8"))
    small_office.run("member", "add", "toko-a", "sari")
    result = small_office.run("audit", "verify", "--resume", str(state), "--processes", "1")
    assert (result.exit_code, "The trail is whole" in result.stdout) == (0, True), result.output
    after = json.loads(state.read_text("utf-8"))
    assert after["after"] > before["after"]
    assert after["trails"]["toko-a"]["size"] > before["trails"]["toko-a"]["size"]
    assert small_office.run("audit", "verify", "--resume", str(state), "--tenant", "toko-a").exit_code == 2
    state.chmod(0o620)
    refused = small_office.run("audit", "verify", "--resume", str(state))
    assert (refused.exit_code, "others may write it" in refused.stderr) == (2, True)
    state.chmod(0o600)
    for rubbish in ("", "[]", '{"format": 2}', '{"format": 1, "after": "x"}', "\0"):
        state.write_text(rubbish, "utf-8")
        assert small_office.run("audit", "verify", "--resume", str(state)).exit_code == 2


def test_a_database_that_went_back_is_recovered_by_the_operator(office):
    """Told with exit code 1; accepted with a reason, that is sealed; then whole, with what was lost."""
    office.with_tenant()
    office.run("audit", "verify")
    assert "did not go back" in office.run("audit", "recover").stdout
    trail = database.own_engine(database.trail_url(office.url))
    names = ["entry", "head", "checkpoint", "signed_head", "heartbeat", "tally", "stream"]
    names += ["term"] if trail.dialect.name == "sqlite" else []
    with trail.begin() as connection:
        for name in names:
            connection.execute(text(f"CREATE TABLE old_{name} AS SELECT * FROM amanah_{name}"))
    office.run("member", "add", "toko-a", "sari")
    office.run("audit", "verify")
    with trail.begin() as connection:
        for name in names:
            connection.execute(text(f"DELETE FROM amanah_{name}"))
            connection.execute(text(f"INSERT INTO amanah_{name} SELECT * FROM old_{name}"))
    trail.dispose()
    assert office.run("audit", "verify").exit_code == 1
    looked = office.run("audit", "recover")
    assert (looked.exit_code, "toko-a" in looked.stdout) == (1, True), looked.output
    assert office.run("audit", "recover", "--accept").exit_code == 2
    done = office.run("audit", "recover", "--accept", "--reason", "disk of Ibu Sari broke", "--yes")
    assert (done.exit_code, "Recorded with checkpoint" in done.stdout) == (0, True), done.output
    verified = office.run("audit", "verify")
    assert (verified.exit_code, "were lost when the database went back" in verified.stdout) == (0, True), (
        verified.output
    )
    listed = json.loads(office.run("audit", "list", "--json").stdout)
    found = {one["tenant"]: one for one in listed if one["detail"].get("act") == "trail.recovered"}
    assert set(found) == {"toko-a", "platform"}
    assert found["toko-a"]["detail"]["lost"] > found["toko-a"]["detail"]["kept"]
    assert "Ibu Sari" not in office.run("audit", "list", "--json").stdout
