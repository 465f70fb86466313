"""What the trail says of a read, a list, a create, an update, a refusal and an id that does not exist: just that."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from sqlalchemy import select

from amanah.audit.models import entry as log
from amanah.audit.packing import unpack
from iconix.seed import DEMO_CUSTOMER_ID, account_id
from tests import ready

if TYPE_CHECKING:
    from collections.abc import Iterator

BILLING = "essential.service.payment_processing"
PATH = f"/api/customers/{DEMO_CUSTOMER_ID}"
NOWHERE = "/api/customers/019a2c4e-7d00-7fff-8000-000000000000"
NEW = {"name": "Ningsih Puspitasari", "phone": "0813 9090 7070", "nik": "3578014408910006", "city": "Gresik"}
CHANGE = {"phone": "0813 9090 7171", "address": "Jl. Panglima Sudirman No. 44"}
NEW_VALUES = ("Ningsih Puspitasari", "81390907070", "81390907171", "3578014408910006", "Panglima Sudirman")
PERSONAL = {
    "account": ("email", "display_name"),
    "customer": ("name", "phone", "email", "nik", "tax_id", "address", "bank_account"),
    "supplier": ("bank_account",),
    "patient": ("name", "nik", "bpjs_number", "phone", "address"),
    "guardian": ("name", "phone", "nik"),
    "visit": ("complaint", "diagnosis", "prescription", "notes"),
    "cod_order": ("customer_name", "phone", "address"),
    "courier": ("phone",),
}


def seeded(truth: Any) -> set[str]:
    """Every personal text of the seed that is long enough not to turn up by chance."""
    found = set()
    for table, columns in PERSONAL.items():
        for row in truth(f"SELECT {', '.join(columns)} FROM {table}"):
            found |= {value for value in row if value is not None and (" " in value or len(value) >= 10)}
    return found


@pytest.fixture(scope="session")
def used(builder: Any, kind: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A house and what became of some requests; the server has stopped and every entry has its place."""
    with builder.house(kind) as house:
        answers = use(house)
        report = house.sequence()
        assert report.whole, report
        yield house, answers


def use(house: Any) -> dict[str, Any]:
    """One request of each sort."""
    with house.serving() as server:
        cashier = "kasir@sinar-jaya"
        server.token(cashier)
        answers = {
            "read": server.get(cashier, PATH, "billing"),
            "list": server.get("layanan@sinar-jaya", "/api/customers?limit=5", "support"),
            "inferred": server.get("akuntan@sinar-jaya", "/api/reports/monthly?month=2026-10"),
            "create": server.post(cashier, "/api/customers", "billing", json=NEW),
            "refusal": server.get("kurir@sinar-jaya", PATH, "billing"),
            "absent": server.get(cashier, NOWHERE, "billing"),
        }
        made = answers["create"].body["id"]
        answers["update"] = server.patch(cashier, f"/api/customers/{made}", "billing", json=CHANGE)
        answers["form"] = server.browser("pemilik@sinar-jaya").get("/customers", headers={"Amanah-Purpose": "billing"})
    return answers


def test_each_request_leaves_the_entries_that_it_should(used):
    """Actor, roles, purpose, whether it was inferred, the route's template, and what was seen or done: all of it."""
    house, answers = used
    logged = {row.event_id: row for row in house_log(house)}

    def only(name: str, kind: str) -> dict[str, Any]:
        entry = answers[name].entry(kind)
        assert entry["id"] in logged
        assert logged[entry["id"]].tenant_id == entry["tenant"] == "sinar-jaya"
        assert entry["request"] == answers[name].request
        where = entry  # a refusal before somebody was let in says itself where it came from
        if entry["sign_in"] is not None:
            where = json.loads(logged[entry["sign_in"]].body)
            assert (where["kind"], where["actor"]) == ("sign_in", entry["actor"])
        assert set(where["sealed"]) >= {"ip", "agent"}
        return entry

    read = only("read", "access")
    assert read["sign_in"] is not None
    assert len(answers["read"].entries()) == 1
    assert (read["actor"], read["actor_kind"], read["roles"], read["strength"]) == (
        account_id("kasir@sinar-jaya.example"),
        "member",
        ["cashier"],
        "password",
    )
    assert (read["purpose"], read["inferred"], read["route"]) == (BILLING, False, "GET /api/customers/{id}")
    assert (read["status"], read["outcome"], read["refusal"]) == (200, "answered", None)
    [what] = [one for one in read["what"] if one["rows"]]
    assert what == {
        "resource": "customer",
        "action": "read",
        "columns": what["columns"],
        "masked": ["bank_account", "nik"],
        "rows": [DEMO_CUSTOMER_ID],
        "subjects": [DEMO_CUSTOMER_ID],
        "count": 1,
    }
    assert {"name", "phone", "email", "address"} <= set(what["columns"])  # and no tax number, which this one has not
    assert "tax_id" not in what["columns"]

    listed = only("list", "access")
    shown = [one["id"] for one in answers["list"].body["customers"]]
    rows = [row for one in listed["what"] if one["resource"] == "customer" for row in one["rows"]]
    assert sorted(rows) == sorted(shown)
    assert all(not one["columns"] for one in listed["what"])
    assert (listed["purpose"], listed["roles"]) == ("essential.service.operations.support", ["support"])

    inferred = only("inferred", "access")
    assert (inferred["purpose"], inferred["inferred"]) == ("analytics.reporting", True)

    made = answers["create"].body["id"]
    create, answered = only("create", "write"), only("create", "access")
    assert create["access"] == answered["access"]
    assert (create["outcome"], answered["outcome"], answered["status"]) == ("committed", "answered", 201)
    [what] = [one for one in create["what"] if one["action"] == "create"]
    assert (what["resource"], what["rows"], what["subjects"], what["count"]) == ("customer", [made], [made], 1)
    assert {"name", "phone", "nik", "city"} <= set(what["columns"])

    update = only("update", "write")
    [what] = [one for one in update["what"] if one["action"] == "update"]
    assert (sorted(what["columns"]), what["rows"], what["count"]) == (["address", "phone"], [made], 1)

    refusal = only("refusal", "refusal")
    assert len(answers["refusal"].entries()) == 1
    assert (refusal["outcome"], refusal["status"], refusal["refusal"]) == ("refused", 403, "forbidden")
    assert (refusal["actor"], refusal["what"]) == (account_id("kurir@sinar-jaya.example"), [])
    assert refusal["decision"]["allow"] is False
    assert refusal["id"] == answers["refusal"].body["decision"]

    absent = only("absent", "access")
    assert (absent["status"], [one["rows"] for one in absent["what"]]) == (404, [[]] * len(absent["what"]))
    assert "7fff-8000" not in json.dumps(absent)


class Logged(NamedTuple):
    """An entry of the log, its body as it was hashed."""

    event_id: str
    tenant_id: str
    body: str


def house_log(house: Any) -> list[Logged]:
    with house.trail_engine.connect() as connection:
        rows = connection.execute(select(log.c.event_id, log.c.tenant_id, log.c.body)).all()
    return [Logged(event_id, tenant, unpack(body).decode()) for event_id, tenant, body in rows]


def test_no_entry_holds_anything_personal(used, truth):
    """Not one value of the seed, nor of what was written since, nor the caller's address, stands in any entry."""
    house, _ = used
    bodies = "\n".join(row.body for row in house_log(house))
    assert bodies
    canaries = [*seeded(truth), *NEW_VALUES, "127.0.0.1", "python-httpx", "httpx2"]
    assert len(canaries) > 200
    # A body is ASCII: what is not, would stand there escaped.
    assert [one for one in canaries if json.dumps(one)[1:-1] in bodies] == []


def test_nothing_sealed_lies_in_the_database_in_clear(used, truth):
    """Raw bytes of every file, or raw values of every column of every table: no sealed value of the seed is there."""
    house, _ = used
    governed = {("account", "display_name"), ("courier", "phone")}  # stored plain on purpose
    plain = set()
    for table, column in governed:
        plain |= {row[0] for row in truth(f"SELECT {column} FROM {table}")}
    plain |= {row[0] for row in truth("SELECT name FROM doctor")}
    canaries = sorted({*seeded(truth), *NEW_VALUES} - plain)
    stored = raw_contents(house)
    assert len(stored) > 100_000
    assert [one for one in canaries if one.encode() in stored] == []
    assert [one for one in canaries if one.encode("utf-16-le") in stored] == []


def raw_contents(house: Any) -> bytes:
    """All that a thief of the database would have: files, with WAL, or every row of every table as text."""
    if house.files:
        return b"".join(path.read_bytes() for path in house.files)
    tables = house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    parts = []
    for (table,) in tables:
        for (line,) in house.rows(f'SELECT CAST(t AS text) FROM "{table}" AS t'):
            parts.append(line.encode())
            # bytea is shown in hexadecimal
            parts += [
                bytes.fromhex(piece.split('"')[0]) for piece in line.split("\\\\x")[1:] if is_hex(piece.split('"')[0])
            ]
    return b"\n".join(parts)


def is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(sign in "0123456789abcdef" for sign in text)


def test_command_line_lists_and_verifies_what_the_server_left(used):
    """`amanah audit list` shows entries without a name in them; `amanah audit verify` says that they are whole."""
    house, _ = used
    env = {**house.environment(), "PYTHONPATH": ":".join(path for path in sys.path if path)}
    amanah = [sys.executable, "-W", "ignore", "-m", "amanah.cli", "audit"]
    listed = ready.run([*amanah, "list", "--tenant", "sinar-jaya"], env=env, timeout=60)
    assert listed.returncode == 0, listed.stderr
    assert "customer" in listed.stdout
    assert all(value not in listed.stdout for value in ("Budi Santoso", *NEW_VALUES))
    verified = ready.run([*amanah, "verify"], env=env, timeout=60)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "whole" in verified.stdout
