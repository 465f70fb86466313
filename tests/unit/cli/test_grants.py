"""Grants at the terminal: emergencies and their review, operators, a second factor, and what nobody uses."""

from __future__ import annotations

import json
import re

import pytest

from amanah.cli import app
from amanah.console.credentials import hash_password
from amanah.console.models import credential
from amanah.tenants.clock import now_us
from amanah.tenants.models import grant

PASSWORD = "a long enough password"
DAY = 86_400_000_000


def grants(office, *more):
    """What the list says."""
    return json.loads(office.run("grant", "list", "toko-a", "--json", *more).stdout)


def acts(office):
    """What the trail says was done, the oldest first."""
    listed = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--limit", "100", "--json").stdout)
    return [one["detail"].get("act") for one in reversed(listed)]


def done(result):
    """The output of what worked."""
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_emergency_from_its_permission_to_its_review(office):
    """Allowed, taken, listed as open, revoked, reviewed by somebody else; each step is in the trail."""
    office.with_tenant()
    done(office.run("member", "add", "toko-a", "sari"))
    done(office.run("grant", "give", "toko-a", "sari", "courier", "--reason", "drives"))
    taking = ("emergency", "take", "toko-a", "sari", "cashier", "--reason", "flood")
    assert office.run(*taking).exit_code == 2
    done(office.run("emergency", "allow", "toko-a", "cashier", "--by", "courier", "--minutes", "30"))
    listed = json.loads(office.run("emergency", "list", "toko-a", "--json").stdout)
    assert listed == [{"role": "cashier", "holder": "courier", "minutes": 30}]
    assert "courier" in done(office.run("emergency", "list", "toko-a"))
    assert "to be reviewed" in done(office.run(*taking))
    assert "emergency, to be reviewed" in done(office.run("grant", "list", "toko-a", "--to-review"))
    (taken,) = grants(office, "--to-review")
    review = ("emergency", "review", "toko-a", taken["id"])
    done(office.run("grant", "revoke", "toko-a", taken["id"]))
    assert office.run(*review).exit_code == 2
    done(office.run("--operator", "wira", *review))
    assert grants(office, "--to-review") == []
    done(office.run("emergency", "forbid", "toko-a", "cashier", "--by", "courier"))
    assert acts(office)[-5:] == [
        "emergency.allow",
        "emergency.take",
        "grant.revoke",
        "emergency.review",
        "emergency.forbid",
    ]


def test_an_operator_is_let_in_by_the_owner_s_own_password(office):
    """Not by whoever sits at the terminal; the tenant sees it in the list and in the trail."""
    office.with_tenant()
    guard = office.guard()
    with guard.engine.begin() as connection:
        values = {"tenant_id": "toko-a", "member_id": "budi", "password_hash": hash_password(PASSWORD)}
        connection.execute(credential.insert().values(set_at=now_us(), name_token=b"budi", **values))
    guard.close()
    from datetime import UTC, datetime, timedelta

    ends = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    asked = ("grant", "operator", "toko-a", "ops-7", "support", "--as", "budi", "--reason", "case 7", "--ends", ends)
    from typer.testing import CliRunner

    def run(password):
        whole = ["--lang", "en", "--guard", f"{office.module}:guard", *asked, "--password-stdin"]
        return CliRunner().invoke(app, whole, input=f"{password}\n")

    assert run("wrong").exit_code == 2
    assert not any(one["operator"] for one in grants(office))
    assert "ops-7" in done(run(PASSWORD))
    (given,) = [one for one in grants(office) if one["operator"]]
    assert (given["member_id"], given["granted_by"], given["state"]) == ("ops-7", "budi", "in force")
    assert "operator ops-7" in done(office.run("grant", "list", "toko-a"))
    assert acts(office)[-1] == "grant.operator"
    done(office.run("grant", "revoke", "toko-a", given["id"]))


def test_a_second_factor_is_a_duty(small_office):
    """Added, listed and removed like the others."""
    small_office.with_tenant()
    done(small_office.run("duty", "add", "toko-a", "cashier", "--second-factor"))
    assert "second-factor" in done(small_office.run("duty", "list", "toko-a"))
    assert small_office.run("duty", "add", "toko-a", "cashier", "--second-factor").exit_code == 2
    done(small_office.run("duty", "remove", "toko-a", "cashier", "--second-factor"))


def test_unused_grants_are_listed_and_lapse_where_the_tenant_wants_it(small_office):
    """By default nothing lapses; with days it does, for one tenant or all, and the last owner stays."""
    office = small_office.with_tenant()
    done(office.run("member", "add", "toko-a", "sari"))
    done(office.run("grant", "give", "toko-a", "sari", "cashier", "--reason", "till"))
    guard = office.guard()
    with guard.engine.begin() as connection:
        connection.execute(grant.update().values(granted_at=now_us() - 200 * DAY))
    guard.close()
    too_short = office.run("grant", "unused", "toko-a", "--days", "100")
    assert (too_short.exit_code, "does not go back 100 days" in too_short.stderr) == (2, True)
    done(office.run("grant", "lapse", "--all"))
    assert all(one["revoked_at"] is None for one in grants(office))
    assert "lapse after 100 days" in done(office.run("grant", "lapse-after", "toko-a", "100"))
    assert office.run("grant", "lapse", "toko-a").exit_code == 2
    assert office.run("grant", "lapse", "--all").exit_code == 1
    _reach_back(office)
    listed = json.loads(done(office.run("grant", "unused", "toko-a", "--days", "100", "--json")))
    assert {(one["member_id"], one["role"]) for one in listed} == {("sari", "cashier"), ("budi", "owner")}
    assert "cashier" in done(office.run("grant", "unused", "toko-a", "--days", "100"))
    told = done(office.run("grant", "lapse", "--all"))
    assert ("1 grants have lapsed" in told, "last owner" in told) == (True, True)
    assert {one["role"] for one in grants(office) if one["revoked_at"] is None} == {"owner"}
    assert {"grant.lapse_after", "grant.unused", "grant.lapse"} <= set(acts(office))
    assert "do not lapse" in done(office.run("grant", "lapse-after", "toko-a", "never"))
    assert office.run("grant", "lapse-after", "toko-a", "0").exit_code == 2


def _reach_back(office):
    """Let the first entry of the log be old, as after some months."""
    from amanah.audit.models import entry

    guard = office.guard()
    with guard.trail_engine.begin() as connection:
        mine = (entry.c.tenant_id == "toko-a") & (entry.c.position == 0)
        connection.execute(entry.update().where(mine).values(at=now_us() - 300 * DAY))
    guard.close()


@pytest.mark.parametrize(
    "arguments", [("lapse",), ("lapse", "toko-a", "--all"), ("lapse-after", "toko-a", "soon"), ("unused", "nowhere")]
)
def test_wrong_use_is_told(small_office, arguments):
    """And nothing is done."""
    assert small_office.with_tenant().run("grant", *arguments).exit_code == 2


def test_whatever_changes_a_tenant_says_at_which_version_it_is(small_office):
    """For the header Amanah-Policy-Version: the version that is in force after the change, which grows with each."""
    small_office.with_tenant()
    steps = [
        ("member", "add", "toko-a", "sari"),
        ("grant", "give", "toko-a", "sari", "courier", "--reason", "drives"),
        ("duty", "add", "toko-a", "courier", "--second-factor"),
        ("duty", "remove", "toko-a", "courier", "--second-factor"),
        ("emergency", "allow", "toko-a", "courier", "--by", "*", "--minutes", "60"),
        ("emergency", "forbid", "toko-a", "courier", "--by", "*"),
        ("grant", "lapse-after", "toko-a", "90"),
        ("member", "suspend", "toko-a", "sari"),
        ("member", "remove", "toko-a", "sari"),
        ("tenant", "suspend", "toko-a"),
        ("tenant", "resume", "toko-a"),
    ]
    told = []
    for step in steps:
        last = done(small_office.run(*step)).splitlines()[-1]
        told.append(int(re.fullmatch(r"toko-a is at version (\d+)\. .* Amanah-Policy-Version: \1", last)[1]))
        guard = small_office.guard()
        assert guard.versions.current_now("toko-a").version == told[-1]
        guard.close()
    assert told == sorted(set(told))
    revoked = ("grant", "list", "toko-a")
    assert "is at version" not in done(small_office.run(*revoked))
