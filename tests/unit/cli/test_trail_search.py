"""``amanah audit search``, ``facets``, the reports and ``export``."""

from __future__ import annotations

import csv
import io
import json
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine
from typer.testing import CliRunner

from amanah.audit.entries import Entry, What, new_event_id, now_us
from amanah.audit.origins import DOMAIN
from amanah.audit.staging import stage
from amanah.cli import app
from amanah.console.credentials import set_password

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "correct horse battery staple"


@pytest.fixture
def shop(office: Any) -> Any:
    """An office with a tenant, a customer whose telephone number is sealed, and entries about them."""
    office.make_tables().with_tenant()
    guard = office.guard()
    engine = create_engine(sys.modules[office.module].URL)
    guard._gate.protect(engine)
    with guard.access(tenant="toko-a", actor="budi", purpose="billing", reason="test"), engine.begin() as connection:
        connection.execute(guard.metadata.tables["customer"].insert(), {"id": "c1", "phone": "0812"})
    engine.dispose()
    token = guard.keyring.cipher("toko-a").token(DOMAIN, b"10.1.2.3").hex()
    sign_in = Entry(new_event_id(), now_us(), "toko-a", "x", "sign_in", actor="sari", tokens={"ip": token})
    what = (What("customer", "read", ("phone",), rows=("c1",), subjects=("c1",), count=1),)
    common: dict[str, Any] = {"actor": "sari", "actor_kind": "member", "sign_in": sign_in.id, "roles": ("cashier",)}
    seen = Entry(new_event_id(), now_us(), "toko-a", "x", "access", what=what, purpose="billing", **common)
    denied = Entry(new_event_id(), now_us(), "toko-a", "x", "refusal", outcome="refused", refusal="forbidden", **common)
    with guard.engine.begin() as connection:
        stage(connection, [sign_in, seen, denied])
        set_password(guard, connection, "toko-a", "budi", PASSWORD)
    guard.close()
    return office


def asked(office: Any, *arguments: str, stdin: str = "") -> Any:
    """The result of ``amanah audit …`` with that standard input."""
    command = ["--lang", "en", "--guard", f"{office.module}:guard", "audit", *arguments]
    return CliRunner().invoke(app, command, input=stdin)


def told(office: Any, *arguments: str, stdin: str = "") -> Any:
    """Its answer for machines."""
    result = asked(office, *arguments, "--tenant", "toko-a", "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_searches_page_both_ways_and_say_where_to_go_on(shop: Any) -> None:
    """Several filters at once; --before goes to older entries and --after back."""
    first = told(shop, "search", "--actor", "sari", "--limit", "1")
    second = told(shop, "search", "--actor", "sari", "--limit", "1", "--before", str(first["older"]))
    back = told(shop, "search", "--actor", "sari", "--limit", "1", "--after", str(second["newer"]))
    assert [first["entries"][0]["kind"], second["entries"][0]["kind"]] == ["refusal", "access"]
    assert back["entries"] == first["entries"]
    one = told(shop, "search", "--actor", "sari", "--refusal", "forbidden", "--since", "2020-01-01")["entries"]
    assert [each["outcome"] for each in one] == ["refused"]
    shown = asked(shop, "search", "--tenant", "toko-a", "--actor", "sari", "--limit", "1").stdout
    assert f"--before {first['older']}" in shown


@pytest.mark.parametrize(
    "wrong",
    [
        ("--since", "2026-12-02", "--until", "2026-12-01"),
        ("--outcome", "refuse"),
        ("--access", "42"),
        ("--since", "yesterday"),
        ("--before", "3", "--after", "1"),
        ("--ip",),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(shop: Any, wrong: tuple[str, ...]) -> None:
    """Exit code 2 and a sentence, translated too; an address that is none is not repeated."""
    result = asked(shop, "search", "--tenant", "toko-a", *wrong, stdin="10.0.0.999\n")
    assert result.exit_code == 2, result.output
    assert "This cannot be done" in result.output
    assert "999" not in result.output


def test_looking_is_on_record_by_the_kinds_of_filters_and_not_their_values(shop: Any) -> None:
    """Who searched by an address or a person is known; for which is not in the trail."""
    found = told(shop, "search", "--ip", stdin="10.1.2.3\n")["entries"]
    assert [one["kind"] for one in found] == ["refusal", "access", "sign_in"]
    told(shop, "facets", "--subject", "c1")
    acts = [one["detail"] for one in told(shop, "list", "--kind", "admin") if one["actor"] == "operator:ops"]
    assert {"act": "audit.search", "filters": "ip"} in acts
    assert {"act": "audit.facets", "filters": "subject"} in acts
    everything = asked(shop, "export", "--tenant", "toko-a", "--kind", "admin").stdout
    assert "10.1.2.3" not in everything


def test_facets_are_counted(shop: Any) -> None:
    """Of everything by the tally, of a filter in its entries; a facet that is none is told."""
    found = told(shop, "facets", "--actor", "sari", "--facet", "outcome")
    values = [{"value": "answered", "entries": 2}, {"value": "refused", "entries": 1}]
    assert found == {"total": 3, "capped": False, "facets": {"outcome": values}}
    assert "sari" in asked(shop, "facets", "--tenant", "toko-a").stdout
    assert asked(shop, "facets", "--tenant", "toko-a", "--facet", "mood").exit_code == 2


def test_a_person_is_found_by_a_value_that_is_never_an_argument(shop: Any) -> None:
    """Password and value come from standard input; the search is an access of the member, with purpose and reason."""
    by = ("--find", "phone", "--as", "budi", "--purpose", "billing", "--reason", "asked", "--password-stdin")
    (person,) = told(shop, "subject", *by, stdin=f"{PASSWORD}\n0812\n")
    assert (person["kind"], person["subject"]) == ("customer", "c1")
    assert [one["actor"] for one in person["accesses"]] == ["sari", "budi"]
    assert told(shop, "subject", *by, stdin=f"{PASSWORD}\n0813\n") == []
    jobs = told(shop, "search", "--kind", "job", "--actor", "budi", "--outcome", "answered")["entries"]
    assert jobs
    wrong = [("--find", "phone=0812", *by[2:]), ("--find", "phone", "--as", "budi"), ("--find", "nik", *by[2:])]
    for arguments in wrong:
        result = asked(shop, "subject", *arguments, "--tenant", "toko-a", stdin=f"{PASSWORD}\n0812\n")
        assert result.exit_code == 2, result.output
    guess = asked(shop, "subject", *by, "--tenant", "toko-a", stdin="wrong\n0812\n")
    assert (guess.exit_code, "sari" in guess.output) == (2, False)


def test_a_persons_report_is_full_or_redacted(shop: Any) -> None:
    """The officer reads who; the person reads which role, and no id."""
    (full,) = told(shop, "subject", "customer", "c1")
    (safe,) = told(shop, "subject", "customer", "c1", "--redacted")
    assert full["accesses"][0]["actor"] == "sari"
    assert "sari" not in json.dumps(safe)
    assert (safe["accesses"][0]["by"], safe["accesses"][0]["touches"][0]["columns"]) == (["cashier"], ["phone"])
    shown = asked(shop, "subject", "customer", "c1", "--tenant", "toko-a", "--redacted")
    assert (shown.exit_code, "cashier" in shown.stdout, "sari" in shown.stdout) == (0, True, False)
    for wrong in ((), ("customer",), ("robot", "c1"), ("customer", "c1", "--find", "phone")):
        assert asked(shop, "subject", *wrong, "--tenant", "toko-a").exit_code == 2


def test_reports_answer(shop: Any) -> None:
    """What an actor saw, refusals by day, first accesses: for machines and for people."""
    saw = told(shop, "actor", "sari")
    assert [(one["subject"], one["columns"]) for one in saw["seen"]] == [("c1", ["phone"])]
    (day,) = told(shop, "refusals")
    assert (day["refused"], day["codes"]) == (1, {"forbidden": 1})
    assert ("sari", "c1") in [(one["actor"], one["subject"]) for one in told(shop, "first-time")]
    for arguments in (("actor", "sari"), ("refusals",), ("first-time", "--limit", "1")):
        result = asked(shop, *arguments, "--tenant", "toko-a")
        assert result.exit_code == 0, result.output


def test_an_export_is_a_new_private_file_as_a_whole(shop: Any, tmp_path: Path) -> None:
    """In each format; nothing is overwritten, and a file on its way is not taken over."""
    for form in ("csv", "jsonl", "ocsf"):
        target = tmp_path / f"out.{form}"
        result = asked(shop, "export", "--tenant", "toko-a", "--actor", "sari", "--format", form, "--to", str(target))
        assert (result.exit_code, "3 entries." in result.stdout) == (0, True), result.output
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        lines = target.read_text("utf-8").splitlines()
        assert len(lines) == 3 + (form == "csv")
        again = asked(shop, "export", "--tenant", "toko-a", "--format", form, "--to", str(target))
        assert again.exit_code == 2
        assert target.read_text("utf-8").splitlines() == lines
    (tmp_path / "other.part").touch()
    assert asked(shop, "export", "--tenant", "toko-a", "--to", str(tmp_path / "other")).exit_code == 2
    assert not (tmp_path / "other").exists()
    assert asked(shop, "export", "--tenant", "toko-a", "--format", "xml").exit_code == 2
    rows = list(csv.reader(io.StringIO(asked(shop, "export", "--tenant", "toko-a", "--format", "csv").stdout)))
    assert rows[0][0] == "position"
