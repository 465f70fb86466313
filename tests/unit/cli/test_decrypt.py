"""Two people at a terminal."""

from __future__ import annotations

import json
import sys

import pytest
from sqlalchemy import create_engine, insert, text
from typer.testing import CliRunner

from amanah.cli import app
from amanah.console import set_password

PASSWORD = "tujuh burung biru"
APP = '''"""An application of this test's own, with a column that is read sealed."""
from pathlib import Path
from sqlalchemy import Column, MetaData, String, Table, create_engine
from amanah import Guard, Personal, declare, route

ENGINES = []

def guard():
    metadata = MetaData()
    Table(
        "customer", metadata,
        Column({column!r}, String(64), primary_key=True), Column("id", String(36), primary_key=True),
        Column("phone", String(20)),
    )
    ENGINES.append(create_engine({url!r}))
    phone = Personal(category="user.contact.phone_number", sealing="read_sealed")
    return Guard.development(
        metadata=metadata, engine=ENGINES[-1], identify=lambda _: None, fixed_tenant={fixed!r},
        state=Path(__file__).parent / "state", routes=[route("GET /customers", "customer", "read", ["billing"])],
        declarations=[declare("customer", subject="id", columns={{"phone": phone}})],
    )
'''


class Pair:
    """Budi, the owner, and Sari, an admin, of a shop whose plain telephone numbers are gone."""

    def __init__(self, office, fixed=None):
        self.office = office
        column = "branch" if fixed else "tenant_id"
        source = APP.format(url=office.url, fixed=fixed, column=column)
        (office.folder / f"{office.module}.py").write_text(source, "utf-8")
        office.with_tenant()
        office.run("member", "add", "toko-a", "sari")
        office.run("grant", "give", "toko-a", "sari", "admin", "--reason", "test")
        guard = office.guard()
        application = sys.modules[office.module].ENGINES[-1]
        guard.metadata.create_all(guard.engine)
        with guard.engine.begin() as connection:
            for member in ("budi", "sari"):
                set_password(guard, connection, "toko-a", member, PASSWORD)
        row = {column: "toko-a", "id": "1", "phone": "0812-777"}
        with guard.access(tenant="toko-a", actor="budi", purpose="billing", reason="test"), application.begin() as one:
            one.execute(insert(guard.metadata.tables["customer"]).values(row))
        application.dispose()
        guard.close()
        self.sql("UPDATE customer SET phone = NULL")

    def sql(self, statement):
        """The rows of a statement by an engine that nobody protects."""
        engine = create_engine(self.office.url)
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = result.all() if result.returns_rows else []
        engine.dispose()
        return rows

    def run(self, *arguments, typed=None):
        """The result of ``amanah decrypt …``, with what is typed."""
        where = ["--lang", "en", "--guard", f"{self.office.module}:guard", "decrypt"]
        return CliRunner().invoke(app, [*where, *arguments], input=typed)

    def ask(self, *more):
        """The id of a request of Budi's."""
        asked = ("request", "customer.phone", "--as", "budi", "--reason", "new courier", "--password-stdin", *more)
        result = self.run(*asked, typed=f"{PASSWORD}\n")
        assert result.exit_code == 0, result.output
        return result.stdout.split()[-1]

    def listed(self):
        """Requests and their states."""
        return {one["id"]: one["state"] for one in json.loads(self.run("list", "--json").stdout)}


@pytest.fixture
def pair(office):
    """On SQLite and on PostgreSQL."""
    return Pair(office)


def test_one_asks_another_approves_and_the_values_are_in_plain_again(pair):
    """The whole way; whoever approves reads first what it is and why, and no password is shown."""
    request_id = pair.ask("--tenant", "toko-a")
    assert pair.listed() == {request_id: "waiting"}
    approved = pair.run("approve", request_id, "--as", "sari", typed=f"{PASSWORD}\ny\n")
    assert approved.exit_code == 0, approved.output
    assert "budi asks to store in plain: customer.phone" in approved.output
    assert "Reason: new courier" in approved.output
    assert PASSWORD not in approved.output
    assert pair.sql("SELECT phone FROM customer") == [(None,)]
    ran = pair.run("run", request_id)
    assert ran.exit_code == 0, ran.output
    assert "customer.phone: 1 done, 0 left." in ran.output
    assert pair.sql("SELECT phone FROM customer") == [("0812-777",)]
    assert pair.listed() == {request_id: "done"}
    again = pair.run("run", request_id)
    assert again.exit_code == 2
    assert "good for one time" in again.output


def test_each_refusal_says_what_why_and_what_next(pair):
    """Nobody's own approval, no wrong password, no unknown request; nothing is decided by any of it."""
    request_id = pair.ask("--tenant", "toko-a")
    for arguments, typed, said in (
        (("approve", request_id, "--as", "budi", "--password-stdin"), PASSWORD, "Whoever asked for it cannot approve"),
        (("approve", request_id, "--as", "sari", "--password-stdin"), "salah salah salah", "not proven who you are"),
        (("approve", "0" * 32, "--as", "sari", "--password-stdin"), PASSWORD, "no request with this id"),
        (("run", request_id), None, "Nobody has approved the request"),
        (("request", "customer.phone", "--as", "budi", "--reason", "x"), None, "name the tenant"),
    ):
        result = pair.run(*arguments, typed=typed and f"{typed}\n")
        assert result.exit_code == 2, result.output
        assert said in result.output
    assert pair.listed() == {request_id: "waiting"}


def test_whoever_does_not_agree_leaves_it_or_refuses_it(pair):
    """A no at the question decides nothing; `refuse` ends the request, one's own is withdrawn."""
    first, second = pair.ask("--tenant", "toko-a"), pair.ask("--tenant", "toko-a")
    assert pair.run("approve", first, "--as", "sari", typed=f"{PASSWORD}\nn\n").exit_code == 0
    assert pair.listed() == {first: "waiting", second: "waiting"}
    refused = pair.run("refuse", first, "--as", "sari", "--password-stdin", typed=f"{PASSWORD}\n")
    assert "The request is over: refused." in refused.output
    assert pair.run("refuse", second, "--as", "budi", typed=f"{PASSWORD}\n").exit_code == 0
    assert pair.listed() == {first: "refused", second: "withdrawn"}


def test_a_request_that_was_changed_stands_out_in_the_list(pair):
    """It is told as not genuine, and the command says by its exit code that something is wrong."""
    request_id = pair.ask("--tenant", "toko-a")
    good = pair.run("list", "--tenant", "toko-a")
    assert good.exit_code == 0
    assert "waits for approval" in good.output
    pair.sql("UPDATE amanah_request SET tenant_id = 'toko-a', envelope = '1'")
    result = pair.run("list")
    assert result.exit_code == 1
    assert request_id in result.output
    assert "not genuine" in result.output


def test_an_application_of_one_tenant_needs_no_name_of_it(office):
    """`--tenant` is the guard's fixed tenant."""
    assert len(Pair(office, fixed="toko-a").ask()) == 32
