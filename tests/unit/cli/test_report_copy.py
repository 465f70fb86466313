"""`amanah report-copy`: the refresh that cron runs, and what it says."""

from __future__ import annotations

import json
import sqlite3

import pytest
from sqlalchemy import text

from amanah import database
from tests.spelled_out import spelled_out


@pytest.fixture
def run(office):
    """Run ``amanah report-copy`` for a tenant whose account report-copy has the template's role for reports."""
    office.make_tables().with_tenant()
    engine = database.own_engine(office.url)
    with engine.begin() as connection:
        for number in (1, 2):
            connection.execute(
                text("INSERT INTO customer (tenant_id, id, email) VALUES ('toko-a', :id, 'budi@example.com')"),
                {"id": f"c{number}"},
            )
    engine.dispose()
    for arguments in (
        ("member", "add", "toko-a", "report-copy"),
        ("grant", "give", "toko-a", "report-copy", "accountant", "--reason", "BI"),
    ):
        assert office.run(*arguments).exit_code == 0

    def command(*arguments, tenant="toko-a"):
        return office.run("report-copy", "--tenant", tenant, *arguments)

    return command


def test_the_copy_is_written_and_told(run, tmp_path):
    """A line for each table with its rows and columns, what stays behind and why, and where the copy is."""
    path = tmp_path / "copy.db"
    answer = run("--to", f"sqlite:///{path}")
    assert answer.exit_code == 0, answer.output
    assert ["customer", "2", "phone,", "email"] in [line.split() for line in answer.stdout.splitlines()]
    assert "customer.email is withheld: it looks personal or secret, and is not declared." in answer.stdout
    assert f"Copied to {path}, as of" in answer.stdout
    with sqlite3.connect(path) as copy:
        assert copy.execute("SELECT id, phone, email FROM customer ORDER BY id").fetchall() == [
            ("c1", None, None),
            ("c2", None, None),
        ]


def test_machines_get_json(run, tmp_path, monkeypatch):
    """The same, each column with how it stands in the copy; the address can come from the environment."""
    monkeypatch.setenv("AMANAH_COPY_TO", f"sqlite:///{tmp_path / 'copy.db'}")
    answer = run("--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["written"] is True
    assert told["left_out"] == {}
    assert told["tables"] == [
        {
            "table": "customer",
            "rows": 2,
            "columns": {"tenant_id": "plain", "id": "plain", "phone": "withheld", "email": "withheld"},
            "doubtful": ["email"],
        }
    ]


def test_a_dry_run_says_so(run, tmp_path):
    """Nothing is written, and the answer cannot be taken for a copy."""
    path = tmp_path / "copy.db"
    answer = run("--to", f"sqlite:///{path}", "--dry-run", "--table", "customer", "--clear", "customer.email")
    assert answer.exit_code == 0, answer.output
    assert "This would be copied" in answer.stdout
    assert not path.exists()


def test_what_may_not_be_is_refused_with_its_reason(run, tmp_path):
    """Exit code 2, what, why and remedy; an address is told without its password."""
    path = tmp_path / "copy.db"
    for arguments, said in (
        (("--clear", "customer.phone"), "customer.phone"),
        (("--table", "person"), "person"),
        (("--purpose", "whatever"), "purpose"),
        (("--purpose", "support"), "no table"),
        (("--actor", "stranger"), "member"),
    ):
        answer = run("--to", f"sqlite:///{path}", *arguments)
        assert answer.exit_code == 2, answer.output
        assert said in answer.stderr
    answer = run("--to", "postgresql://me:tiger@127.0.0.1:1/copy")
    assert answer.exit_code == 2
    assert "cannot be reached" in answer.stderr
    assert "tiger" not in answer.output
    assert run("--to", f"sqlite:///{path}", tenant="nobody").exit_code == 2
    assert not path.exists()


def test_the_operator_is_on_record(run, office, tmp_path):
    """The service account reads; who let it is an entry of the tenant's trail, too."""
    run("--to", f"sqlite:///{tmp_path / 'copy.db'}")
    guard = office.guard()
    with guard.trail_engine.connect() as connection:
        bodies = connection.execute(text("SELECT body FROM amanah_entry WHERE tenant_id = 'toko-a'")).scalars().all()
    guard.close()
    told = [spelled_out(body) for body in bodies]
    copies = [one for one in told if one["detail"].get("act") == "report-copy"]
    assert {(one["actor"], one["actor_kind"]) for one in copies} == {
        ("operator:ops", "operator"),
        ("report-copy", "service"),
    }
    assert [one["what"][0]["count"] for one in copies if one["what"]] == [2]
