"""The doctor as a command; what it finds is tested where it lives."""

from __future__ import annotations

import json

from amanah.subjects.ledger import Erasure, Ledger


def test_the_doctor_names_an_undeclared_personal_column_and_fails(office):
    """Exit code 1 from the level on that one asks for; what is protected is listed too."""
    office.with_tenant()
    result = office.run("doctor")
    assert result.exit_code == 1
    assert "AMN-D001 error  customer.email" in result.stdout
    assert "→ Declare it: declare(" in result.stdout
    assert "see docs/reference/doctor/AMN-D001.md" in result.stdout
    assert "sealed, searchable, last4" in result.stdout
    told = json.loads(office.run("doctor", "--json").stdout)
    assert told["protected"][0]["columns"][0]["name"] == "phone"
    assert {"AMN-D001", "AMN-D022"} <= {one["id"] for one in told["findings"]}
    assert office.run("doctor", "--fail-level", "never").exit_code == 2


def test_the_doctor_looks_at_searches_epochs_and_the_ledger_as_well(office):
    """An erasure that the database does not know fails the command; without a database none of these is looked for."""
    ids = {"AMN-D049", "AMN-D050", "AMN-D051", "AMN-D052"}
    assert ids <= set(json.loads(office.run("doctor", "--json").stdout)["left_out"])
    office.with_tenant().make_tables()
    guard = office.guard()
    Ledger(guard.settings.erasure_ledger, guard.signer).append(Erasure("e" * 32, 1, "toko-a", "customer", "1"))
    guard.close()
    told = json.loads(office.run("doctor", "--json").stdout)
    assert not ids & set(told["left_out"])
    assert ids & {one["id"] for one in told["findings"]} == {"AMN-D051"}


def test_the_doctor_works_on_an_unmigrated_database(small_office):
    """It is a finding, not an error."""
    small_office.touch_database()
    result = small_office.run("doctor")
    assert (result.exit_code, "AMN-D021" in result.stdout) == (1, True)


def test_what_the_guard_silences_is_counted_and_stands_in_json_with_its_reason(office):
    """It no longer fails the command; what is left does."""
    office.silence({"AMN-D001 customer.email": "the shop's own address", "AMN-D010": "registers are from a template"})
    office.with_tenant().make_tables()
    result = office.run("doctor")
    assert (result.exit_code, "AMN-D001" in result.stdout, "AMN-D010" in result.stdout) == (0, False, False)
    assert "silenced by the guard; --json lists them" in result.stdout
    told = json.loads(office.run("doctor", "--json").stdout)
    silenced = {(one["id"], one["subject"]): one["silenced"] for one in told["findings"] if one["silenced"]}
    assert silenced["AMN-D001", "customer.email"] == "the shop's own address"
    assert {reason for (id_, _), reason in silenced.items() if id_ == "AMN-D010"} == {"registers are from a template"}


def test_a_silence_that_cannot_be_kept_stops_the_command(small_office):
    """The guard does not start: 2, not done."""
    small_office.silence({"AMN-D030": "we know"})
    result = small_office.run("doctor")
    assert (result.exit_code, "AMN-D030 cannot be silenced" in result.output) == (2, True)


def test_what_matters_in_production_only_is_looked_for_when_asked(office):
    """A development guard is fine at home; with --production it is an error."""
    office.silence({"AMN-D001": "none of it is real"})
    office.with_tenant().make_tables()
    at_home = office.run("doctor")
    assert at_home.exit_code == 0
    assert "Not looked for, since this guard is for development: AMN-D026, AMN-D027" in at_home.stdout
    asked = office.run("doctor", "--production")
    assert (asked.exit_code, "AMN-D029 error  Guard.development" in asked.stdout) == (1, True)
    assert "Not looked for" not in asked.stdout
    told = json.loads(office.run("doctor", "--json").stdout)
    assert {"AMN-D026", "AMN-D028", "AMN-D029"} <= set(told["left_out"])


def test_findings_that_say_the_same_say_it_once(office):
    """Their heads stand above one another, and each can be grepped."""
    office.with_tenant().make_tables()
    lines = office.run("doctor").stdout.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("AMN-D010 remark  ")]
    assert len(heads) > 1
    assert heads == list(range(heads[0], heads[0] + len(heads)))
    assert sum("no route serves it" in line for line in lines) == 1


def test_the_report_fits_a_terminal_of_80_columns(office, monkeypatch):
    """Sentences are wrapped with their indent, and no name is broken."""
    office.with_tenant()
    monkeypatch.setattr("amanah.cli.terminal._PIPE_WIDTH", 80)
    lines = office.run("doctor").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    advice = lines[next(number for number, line in enumerate(lines) if line.startswith("  → Declare it:")) + 1]
    assert advice.startswith("    ")
