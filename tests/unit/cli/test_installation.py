"""What is told before anything can be done, and making keys and tables ready."""

from __future__ import annotations

import pytest

from amanah import database, migrations


def test_a_missing_database_is_told_and_not_made(small_office, tmp_path):
    """SQLite would make an empty file; the command does not let it."""
    result = small_office.bare("--database", f"sqlite:///{tmp_path}/none.db", "tenant", "list")
    assert (result.exit_code, "does not exist" in result.stderr) == (2, True)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.postgresql
def test_a_postgresql_that_has_no_such_database_is_told_without_its_password(small_office, postgres_url):
    """The URL in the message hides the password."""
    url = database.own_url(postgres_url).set(database="nowhere", password="hush-hush")
    result = small_office.bare("--database", url.render_as_string(hide_password=False), "tenant", "list")
    assert (result.exit_code, "does not answer" in result.stderr) == (2, True)
    assert "hush-hush" not in result.output


def test_a_file_that_is_no_database_is_told(small_office, tmp_path):
    """Also by the command that would make the tables."""
    (tmp_path / "text.db").write_text("no database " * 100)
    for command in (("tenant", "list"), ("db", "upgrade")):
        result = small_office.bare("--database", f"sqlite:///{tmp_path}/text.db", *command)
        assert (result.exit_code, "database cannot be used" in result.stderr) == (2, True), result.output


def test_an_unmigrated_database_is_told_with_the_remedy(office):
    """Every command but `db upgrade` and `doctor` says: amanah db upgrade."""
    office.touch_database()
    for command in (("tenant", "list"), ("audit", "verify"), ("explain", "0" * 32)):
        result = office.run(*command)
        assert (result.exit_code, "amanah db upgrade" in result.stderr) == (2, True), result.output


def test_a_missing_key_file_is_told_with_the_remedy(small_office):
    """With keys in the database, a development guard makes no new key file."""
    small_office.with_tenant()
    (small_office.folder / "state" / "keys.json").unlink()
    result = small_office.run("tenant", "list")
    assert (result.exit_code, "amanah keys init" in result.stderr) == (2, True)
    assert not (small_office.folder / "state" / "keys.json").exists()


@pytest.mark.parametrize(
    "guard, told",
    [
        ("nosuchmodule:guard", "there is no module nosuchmodule"),
        ("guard", "named like"),
        ("{module}:other", "has no other"),
        ("{module}:nothing", "no guard"),
    ],
)
def test_a_guard_that_is_not_there_is_told(small_office, guard, told):
    """A typing error in --guard is no traceback."""
    result = small_office.bare("--guard", guard.format(module=small_office.module), "tenant", "list")
    assert (result.exit_code, told in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "url, told", [("rubbish", "cannot be read"), ("mysql://x/y", "PostgreSQL or SQLite"), ("nosql://x", "PostgreSQL")]
)
def test_a_database_url_that_cannot_be_used_is_told(small_office, url, told):
    """Another kind of database, or no URL at all."""
    result = small_office.bare("--database", url, "db", "upgrade")
    assert (result.exit_code, told in result.stderr) == (2, True)


def test_nothing_said_of_the_installation_is_told(small_office):
    """Neither guard nor database: both ways are named."""
    result = small_office.bare("tenant", "list")
    assert (result.exit_code, "--guard" in result.stderr, "--database" in result.stderr) == (2, True, True)


def test_keys_are_made_once(small_office, tmp_path):
    """The second `keys init` refuses and says what to do instead; the file stays as it is."""
    known = {"AMANAH_STATE": str(tmp_path / "fresh")}
    first = small_office.bare("keys", "init", **known)
    assert (first.exit_code, "amanah+" in first.stdout) == (0, True)
    content = (tmp_path / "fresh" / "keys.json").read_bytes()
    second = small_office.bare("keys", "init", **known)
    assert (second.exit_code, "Go on with the file that is there" in second.stderr) == (2, True)
    assert "mode 600" not in second.stderr
    assert (tmp_path / "fresh" / "keys.json").read_bytes() == content


def test_a_first_key_is_made_in_a_token(small_office, tmp_path, soft_token):
    """`keys init` says which key it is; again, and it is the same one. No key file is made, and no PIN is told."""
    known = {
        "AMANAH_STATE": str(tmp_path / "fresh"),
        "AMANAH_KEY_PROVIDER": "pkcs11",
        "AMANAH_PKCS11_MODULE": soft_token.module,
        "AMANAH_PKCS11_TOKEN": soft_token.label,
        "AMANAH_PKCS11_PIN": soft_token.pin,
        "AMANAH_PKCS11_LABEL": "office",
    }
    first, second = (small_office.bare("keys", "init", **known) for _ in range(2))
    assert (first.exit_code, "office-tenants:" in first.stdout, "amanah+" in first.stdout) == (0, True, True)
    assert second.stdout == first.stdout
    assert soft_token.pin not in first.output
    assert not (tmp_path / "fresh" / "keys.json").exists()
    assert (tmp_path / "fresh" / "signer.key").exists()
    missing = small_office.bare("keys", "init", **{**known, "AMANAH_PKCS11_TOKEN": "elsewhere"})
    assert (missing.exit_code, "There is no PKCS#11 token elsewhere" in missing.stderr) == (2, True)


def test_upgrading_twice_does_no_harm(office):
    """`db upgrade` brings an empty database to this version and leaves a current one alone."""
    for _ in range(2):
        result = office.bare("--database", office.url, "db", "upgrade")
        assert (result.exit_code, migrations.head("core") in result.stdout) == (0, True)
