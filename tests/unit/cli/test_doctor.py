"""The doctor as a command; what it finds is tested where it lives."""

from __future__ import annotations

import json


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
