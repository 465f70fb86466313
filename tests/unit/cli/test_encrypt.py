"""``amanah encrypt``."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from sqlalchemy import text

from tests.spelled_out import spelled_out

APP = '''"""An application in use, of this test's own."""
from pathlib import Path
from sqlalchemy import Column, Date, MetaData, String, Table, create_engine
from amanah import Guard, Personal, declare

URL = {url!r}
STATE = Path(__file__).parent / "state"

def guard():
    metadata = MetaData()
    Table(
        "customer", metadata,
        Column("tenant_id", String(64), primary_key=True), Column("id", String(36), primary_key=True),
        Column("phone", String(20)), Column("born", Date), Column("city", String(40)),
    )
    return Guard.development(
        metadata=metadata, engine=create_engine(URL), identify=lambda _: None, state=STATE, routes=[],
        declarations=[declare("customer", subject="id", columns={{
            "phone": Personal(category="user.contact.phone_number", {step}search="exact"),
            "born": Personal(category="user.demographic.date_of_birth"{last}),
            "city": Personal(category="user.contact.address.city", sealed=False),
        }})],
    )
'''


class Town:
    """An office whose application seals beside what it has."""

    def __init__(self, office: Any) -> None:
        self.office = office
        self.run = office.run
        self.deploy("write_both")

    def deploy(self, step: str) -> None:
        """The declaration of a step; "" seals in place."""
        source = APP.format(
            url=self.office.url,
            step=f"sealing={step!r}, " if step else "",
            last=f", sealing={step!r}" if step else "",
        )
        (self.office.folder / f"{self.office.module}.py").write_text(source, "utf-8")
        sys.modules.pop(self.office.module, None)

    def sql(self, *statements: str) -> list[Any]:
        """Behind everybody's back."""
        guard = self.office.guard()
        with guard.engine.begin() as connection:
            found = [connection.execute(text(one)) for one in statements]
            rows = list(found[-1]) if found[-1].returns_rows else []
        guard.close()
        return rows


@pytest.fixture
def town(office: Any) -> Town:
    """With the tenant toko-a and three plain customers."""
    made = Town(office)
    office.with_tenant().make_tables()
    for number in (1, 2, 3):
        made.sql(
            "INSERT INTO customer (tenant_id, id, phone, born, city) "
            f"VALUES ('toko-a', 'c{number}', '0812-{number}', '1990-01-0{number}', 'Malang')"
        )
    return made


def test_it_seals_and_says_what_it_did(town: Town) -> None:
    """Per column; a second run has nothing to do; then it is verified."""
    first, second, check = town.run("encrypt"), town.run("encrypt"), town.run("encrypt", "--verify")
    assert first.exit_code == second.exit_code == check.exit_code == 0, first.output
    assert first.stdout == "customer.born: 3 done, 0 left.\ncustomer.phone: 3 done, 0 left.\n"
    assert second.stdout == "customer.born: 0 done, 0 left.\ncustomer.phone: 0 done, 0 left.\n"
    assert "customer.phone: 3 checked, 0 missing, 0 differing." in check.stdout
    assert first.stderr == ""
    assert town.sql("SELECT count(*) FROM customer WHERE phone_sealed IS NULL OR phone_ix IS NULL")[0][0] == 0


def test_it_says_the_trail_who_did_it(town: Town) -> None:
    """By the operator's name."""
    town.run("encrypt", "customer.phone", "--tenant", "toko-a")
    bodies = [spelled_out(body) for (body,) in town.sql("SELECT body FROM amanah_staged ORDER BY at, event_id")]
    assert [(e["actor"], e["detail"]["act"]) for e in bodies][-2:] == [
        ("operator:ops", "encrypt.begin"),
        ("operator:ops", "encrypt.end"),
    ]


def test_what_is_left_is_told_and_counts_as_wrong(town: Town) -> None:
    """Rows of strangers, and values that are none of their column's kind; by row, and never by value."""
    odd = "infinity" if "postgresql" in town.office.url else "kemarin"
    town.sql("INSERT INTO customer (tenant_id, id, phone) VALUES ('stranger', 'x', '0877')")
    town.sql(f"UPDATE customer SET born = '{odd}' WHERE id = 'c2'")
    result = town.run("encrypt")
    assert result.exit_code == 1
    assert "customer.born: 2 done, 1 left." in result.stdout
    assert "1 could not be taken over, because the value is not of its column's kind:\n    toko-a  c2" in result.stdout
    assert "1 belong to stranger, which is no tenant here or has no keys." in result.stdout
    assert odd not in result.output
    check = town.run("encrypt", "--verify", "--json")
    assert check.exit_code == 1
    born, phone = json.loads(check.stdout)
    assert born["missing"] == [{"tenant": "toko-a", "row": "c2"}]
    assert phone == {
        "table": "customer",
        "column": "phone",
        "checked": 3,
        "missing": [],
        "differing": [],
        "without_keys": {"stranger": 1},
    }


def test_what_differs_is_told(town: Town) -> None:
    """The row's key is named."""
    town.run("encrypt")
    town.sql("UPDATE customer SET phone = '0899' WHERE id = 'c3'")
    result = town.run("encrypt", "--verify")
    assert result.exit_code == 1
    assert "customer.phone: 3 checked, 0 missing, 1 differing." in result.stdout
    assert "    toko-a  c3" in result.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nothing"], "there is no protected table nothing"),
        (["customer.nothing"], "customer.nothing is not declared personal"),
        (["customer.city"], "It is declared with sealed=False"),
        (["--tenant", "nobody"], "there is no tenant nobody"),
    ],
)
def test_what_is_named_wrongly_is_not_done(town: Town, arguments: list[str], said: str) -> None:
    """With a sentence that says what is wrong."""
    result = town.run("encrypt", *arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert town.sql("SELECT count(*) FROM customer WHERE phone_sealed IS NOT NULL")[0][0] == 0


@pytest.mark.parametrize("step", ["", "read_sealed", "sealed_only"])
def test_another_step_is_not_done(town: Town, step: str) -> None:
    """It says which step it works on."""
    town.deploy(step)
    result = town.run("encrypt")
    assert result.exit_code == 2
    assert "sealing=write_both" in result.output


def test_columns_that_are_not_there_yet_are_named(town: Town) -> None:
    """With the way to add them."""
    town.sql("ALTER TABLE customer DROP COLUMN born_sealed")
    result = town.run("encrypt")
    assert result.exit_code == 2
    assert "customer.born_sealed" in result.output
    assert "amanah revision add" in result.output


def test_without_a_guard_it_says_so(town: Town) -> None:
    """The declarations say what to seal."""
    result = town.office.bare("encrypt", AMANAH_DATABASE_URL=town.office.url)
    assert result.exit_code == 2
    assert "--guard" in result.output
