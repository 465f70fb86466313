"""The command: what an operator types, sees and gets as exit code."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
import warnings

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from amanah import Actor, Identity, database, migrations
from amanah.audit.models import entry as entry_table
from amanah.cli import app
from amanah.errors import FieldWithheld
from amanah.guard import create_keys
from amanah.settings import Settings

APP = '''"""An application of this test's own."""
from pathlib import Path
from sqlalchemy import Column, MetaData, String, Table, create_engine
from amanah import Guard, Personal, declare, route

URL = {url!r}
STATE = Path(__file__).parent / "state"

def guard():
    metadata = MetaData()
    Table(
        "customer", metadata,
        Column("tenant_id", String(64), primary_key=True), Column("id", String(36), primary_key=True),
        Column("phone", String(20)), Column("email", String(100)),
    )
    phone = Personal(category="user.contact.phone_number", search="exact")
    return Guard.development(
        metadata=metadata, engine=create_engine(URL), identify=lambda _: None, state=STATE,
        routes=[route("GET /customers/{{id}}", "customer", "read", ["billing", "support"])],
        declarations=[declare("customer", subject="id", columns={{"phone": phone}})],
    )

nothing = 3
'''


class Office:
    """Runs the command on an application in a folder of its own."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.module = f"shop_{uuid.uuid4().hex}"
        (folder / f"{self.module}.py").write_text(APP.format(url=url), "utf-8")
        create_keys(Settings.in_folder(folder / "state"))

    def run(self, *arguments, guard="guard"):
        """The result of ``amanah --guard … arguments``."""
        return CliRunner().invoke(app, ["--lang", "en", "--guard", f"{self.module}:{guard}", *arguments])

    def bare(self, *arguments, **environment):
        """The result without a guard."""
        return CliRunner(env=environment).invoke(app, ["--lang", "en", *arguments])

    def guard(self):
        """The application's guard, as the application itself makes it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return __import__(self.module).guard()

    def touch_database(self):
        """Let there be an empty database."""
        engine = database.own_engine(self.url)
        engine.connect().close()
        engine.dispose()

    def with_tenant(self):
        """Migrated, with the tenant toko-a and its owner budi."""
        for arguments in (
            ("db", "upgrade"),
            ("tenant", "create", "toko-a", "--name", "Toko A", "--template", "trading", "--admin", "budi"),
        ):
            result = self.run(*arguments)
            assert result.exit_code == 0, result.output
        return self

    def refuse(self, purpose, *, role=None, by_the_sql_gate=None):
        """Let sari be refused at the gate, or later by the SQL gate; the id of the refusal in the trail."""
        guard = self.guard()
        self.run("member", "add", "toko-a", "sari")
        if role:
            self.run("grant", "give", "toko-a", "sari", role, "--reason", "test")
        try:
            route = guard.routes.match("GET", "/customers/1")
            access, refusal = asyncio.run(
                guard.admission.consider(Identity(tenant="toko-a", actor=Actor(id="sari")), route, purpose)
            )
            refusal = refusal or by_the_sql_gate
            entry = access.entry("refusal", "refused", status=refusal.status, refusal=refusal.code)
            guard.writer.record(entry)
        finally:
            guard.close()
        return entry.id


@pytest.fixture
def office(tmp_path, monkeypatch, database_url):
    """An office on SQLite and on PostgreSQL."""
    return _office(tmp_path, monkeypatch, database_url)


@pytest.fixture
def small_office(tmp_path, monkeypatch, sqlite_database):
    """An office on SQLite."""
    return _office(tmp_path, monkeypatch, sqlite_database)


def _office(folder, monkeypatch, url):
    for name in ("AMANAH_GUARD", "AMANAH_DATABASE_URL", "AMANAH_STATE", "AMANAH_KEY_FILE", "AMANAH_SIGNER_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AMANAH_OPERATOR", "ops")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return Office(folder, url)


# -- from nothing to a tenant ------------------------------------------------------------------------------------------


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


# -- errors before anything can be done --------------------------------------------------------------------------------


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


# -- without a guard ---------------------------------------------------------------------------------------------------


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


def test_keys_are_made_once(small_office, tmp_path):
    """The second `keys init` refuses, and the file stays as it is."""
    known = {"AMANAH_STATE": str(tmp_path / "fresh")}
    first = small_office.bare("keys", "init", **known)
    assert (first.exit_code, "amanah+" in first.stdout) == (0, True)
    content = (tmp_path / "fresh" / "keys.json").read_bytes()
    assert small_office.bare("keys", "init", **known).exit_code == 2
    assert (tmp_path / "fresh" / "keys.json").read_bytes() == content


def test_upgrading_twice_does_no_harm(office):
    """`db upgrade` brings an empty database to this version and leaves a current one alone."""
    for _ in range(2):
        result = office.bare("--database", office.url, "db", "upgrade")
        assert (result.exit_code, migrations.head("core") in result.stdout) == (0, True)


# -- verify ------------------------------------------------------------------------------------------------------------


def test_an_edited_entry_is_named_and_fails_verification(office):
    """Exit code 1, with the place of the first wrong entry, in words and as JSON."""
    office.with_tenant()
    office.run("member", "add", "toko-a", "sari")
    office.run("audit", "verify")
    trail = database.own_engine(database.trail_url(office.url))
    with trail.begin() as connection:
        mine = (entry_table.c.tenant_id == "toko-a") & (entry_table.c.position == 2)
        connection.execute(update(entry_table).where(mine).values(actor="somebody-else"))
    trail.dispose()
    result = office.run("audit", "verify")
    assert (result.exit_code, "toko-a: edited at 2" in result.stdout) == (1, True)
    told = json.loads(office.run("audit", "verify", "--tenant", "toko-a", "--json").stdout)
    assert (told["whole"], told["tenants"][0]["finding"]["position"]) == (False, 2)


# -- explain and doctor ------------------------------------------------------------------------------------------------


def test_a_refusal_is_explained_by_what_is_missing(office):
    """The entry's facts, the reason, and the role that would do."""
    refusal = office.with_tenant().refuse("billing")
    result = office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    for told in ("None of your roles may read customer", "GET /customers/{id}", "sari", "What is missing: a grant of"):
        assert told in result.stdout


def test_a_refusal_before_the_policy_is_explained_too(small_office):
    """No purpose was named: the purposes of the route are told."""
    refusal = small_office.with_tenant().refuse(None)
    result = small_office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    assert "billing, support" in result.stdout


def test_a_changed_policy_is_said_to_have_changed(small_office):
    """The explanation is by today's policy, and says which one decided then."""
    refusal = small_office.with_tenant().refuse("billing")
    small_office.run("grant", "give", "toko-a", "sari", "cashier", "--reason", "till")
    assert "follows is by today's" in small_office.run("explain", refusal).stdout


def test_a_withheld_field_is_explained_by_what_the_roles_see(small_office):
    """The entry does not say which field it was; how the roles see each of the resource's fields is told."""
    withheld = FieldWithheld(field="customer.phone", purpose="support")
    refusal = small_office.with_tenant().refuse("support", role="support", by_the_sql_gate=withheld)
    result = small_office.run("explain", refusal)
    assert result.exit_code == 0, result.output
    assert "Rule r" in result.stdout
    assert "see masked: customer.phone" in result.stdout
    assert "{" not in result.stdout.replace("{id}", "")


def test_explaining_is_in_the_trail(small_office):
    """Looking a decision up is looking at the trail."""
    refusal = small_office.with_tenant().refuse("billing")
    small_office.run("explain", refusal)
    listed = json.loads(small_office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    assert {"act": "explain", "entry": refusal} in [one["detail"] for one in listed]


def test_the_doctor_names_an_undeclared_personal_column_and_fails(office):
    """Exit code 1 from the level on that one asks for; what is protected is listed too."""
    office.with_tenant()
    result = office.run("doctor")
    assert result.exit_code == 1
    assert "AMN-D001 error  customer.email" in result.stdout
    assert "sealed, searchable, last4" in result.stdout
    told = json.loads(office.run("doctor", "--json").stdout)
    assert told["protected"][0]["columns"][0]["name"] == "phone"
    assert {"AMN-D001", "AMN-D022"} <= {one["id"] for one in told["findings"]}
    assert office.run("doctor", "--fail-level", "never").exit_code == 2


def test_the_doctor_works_on_an_unmigrated_database(small_office):
    """It is a finding, not an error."""
    small_office.touch_database()
    result = small_office.run("doctor")
    assert (result.exit_code, "AMN-D021" in result.stdout) == (1, True)


# -- the command itself ------------------------------------------------------------------------------------------------


def test_errors_are_told_in_indonesian(small_office):
    """By --lang, and by the locale's language."""
    command = ("--database", "sqlite:///none.db", "tenant", "list")
    english = CliRunner(env={"LC_ALL": "C"}).invoke(app, list(command)).stderr
    for result in (
        CliRunner().invoke(app, ["--lang", "id", *command]),
        CliRunner(env={"LC_ALL": "id_ID.UTF-8"}).invoke(app, list(command)),
    ):
        assert result.exit_code == 2
        assert result.stderr != english


def test_the_installed_command_tells_its_version():
    """The console script's module runs by itself."""
    ran = subprocess.run([sys.executable, "-m", "amanah.cli", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("amanah ")


def test_an_unknown_language_is_wrong_use():
    """Exit code 2, as for any other wrong use."""
    assert CliRunner().invoke(app, ["--lang", "fr", "tenant", "list"]).exit_code == 2
