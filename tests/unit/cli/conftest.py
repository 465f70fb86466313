"""An application of the tests' own, and an operator who works on it with the command."""

from __future__ import annotations

import asyncio
import sys
import uuid
import warnings
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from amanah import Actor, Identity, database
from amanah.cli import app
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
        declarations=[declare("customer", subject="id", columns={{"phone": phone}})], silenced={silenced!r},
    )

nothing = 3
'''


class Office:
    """Runs the command on an application in a folder of its own."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.module = f"shop_{uuid.uuid4().hex}"
        self.silence({})
        create_keys(Settings.in_folder(folder / "state"))

    def run(self, *arguments, guard="guard"):
        """The result of ``amanah --guard … arguments``."""
        return CliRunner().invoke(app, ["--lang", "en", "--guard", f"{self.module}:{guard}", *arguments])

    def silence(self, silenced):
        """Let the application's guard silence these findings of the doctor's; before the first command."""
        source = APP.format(url=self.url, silenced=silenced)
        (self.folder / f"{self.module}.py").write_text(source, "utf-8")

    def make_tables(self):
        """Let the application's own tables be there, as its models have them."""
        guard = self.guard()
        guard.metadata.create_all(guard.engine)
        guard.close()
        return self

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

    def refuse(self, purpose, *, role=None, later=None, **other):
        """Let sari be refused at the gate, or by ``later`` behind it; the id of the refusal in the trail.

        ``other``: what the entry says otherwise than the access would.
        """
        guard = self.guard()
        self.run("member", "add", "toko-a", "sari")
        if role:
            self.run("grant", "give", "toko-a", "sari", role, "--reason", "test")
        try:
            route = guard.routes.match("GET", "/customers/1")
            access, refusal = asyncio.run(
                guard.admission.consider(Identity(tenant="toko-a", actor=Actor(id="sari")), route, purpose)
            )
            refusal = refusal or later
            entry = access.entry("refusal", "refused", status=refusal.status, refusal=refusal)
            guard.writer.record(replace(entry, **other))
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
