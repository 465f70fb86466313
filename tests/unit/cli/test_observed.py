"""`amanah observed`: what would be refused, by count, with what to paste."""

from __future__ import annotations

import json
import sys
import types
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from amanah import migrations
from amanah.cli import app


@pytest.fixture
def shop(observed_world):
    """An observed application that has been used a little."""
    migrations.upgrade(observed_world.url)
    observed_world.guard()
    observed_world.people()
    client = observed_world.client()
    for _ in range(3):
        client.get("/undeclared")
    client.get("/patients", headers={"x-user": "1/clerk"})
    client.get("/patients")
    with Session(observed_world.engine) as session:
        session.scalars(select(observed_world.m.Order)).all()
        session.execute(text("SELECT count(*) FROM patient")).all()
    observed_world.seen()
    return observed_world


@pytest.fixture
def run(shop, monkeypatch):
    """Run ``amanah observed`` on it."""
    module = types.ModuleType(f"shop_{uuid.uuid4().hex}")
    module.guard = shop.made
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(type(shop.made), "close", lambda _: None)  # the test's own guard outlives the command

    def command(*arguments, **options):
        return CliRunner().invoke(
            app, ["--lang", "en", "--guard", f"{module.__name__}:guard", "observed", *arguments], **options
        )

    return command


def test_each_kind_is_listed_with_its_count_and_its_line(run):
    """The most frequent first; equal ones together; each with the declaration, grant or rule to paste."""
    answer = run("--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert [one["count"] for one in found] == sorted((one["count"] for one in found), reverse=True)
    lines = {one["code"]: one["line"] for one in found}
    undeclared = next(one for one in found if one["code"] == "route-undeclared")
    assert (undeclared["route"], undeclared["count"]) == ("GET /undeclared", 3)
    assert lines["route-undeclared"].startswith('route("GET /undeclared", "undeclared", "read", ["…"]),')
    assert lines["forbidden"] == 'amanah grant give 1 ACCOUNT masker --reason "…"'
    assert lines["not-identified"].startswith("identify  # must know who asks")
    assert lines["raw-sql-refused"].startswith("guard.declared_sql(")
    assert "test_observed.py:" in lines["raw-sql-refused"]
    assert lines["access-required"].startswith("with guard.access(")
    assert len([one for one in found if one["code"] == "https-required"]) == 1


def test_people_read_the_same(run):
    """Code, where, for which purpose and roles, the line, and the sum."""
    told = run().stdout
    assert "route-undeclared" in told
    assert "→ route(" in told
    assert "kinds of refusals" in told


def test_since_leaves_out_what_was_before(run):
    """Only what came later is counted; a moment that cannot be read is refused."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert json.loads(run("--json", "--since", tomorrow).stdout) == []
    assert "Nothing would have been refused." in run("--since", tomorrow).stdout
    assert run("--since", "yesterday").exit_code == 2


def test_that_somebody_looked_is_an_entry(shop, run):
    """Of every tenant's trail whose entries were shown."""
    run()
    looked = [one["tenant"] for one in shop.entries() if one["detail"].get("act") == "observed.list"]
    assert sorted(looked) == ["1", "2", "platform"]
