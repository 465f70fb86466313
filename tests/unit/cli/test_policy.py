"""The policy in files: exported, planned, applied, taken back, tested."""

from __future__ import annotations

import json

import casbin
import pytest

from amanah.access_policies import templates
from amanah.access_policies.policy_files import write_folder


def ok(result, code=0):
    """The result, if the command ended so."""
    assert result.exit_code == code, result.output + result.stderr
    return result


def version(office):
    """The tenant's version."""
    return json.loads(office.run("policy", "plan", "--tenant", "toko-a", "current", "--json").stdout)["version"]


def acts(office):
    """What the trail says of the policy, the newest first."""
    listed = json.loads(office.run("audit", "list", "--tenant", "toko-a", "--json").stdout)
    details = [one["detail"] for one in listed]
    return [detail for detail in details if detail["act"].startswith("policy.")]


@pytest.fixture
def shop(office):
    """An office whose tenant's policy is in the folder ``current``, not changed yet."""
    office.with_tenant()
    ok(office.run("policy", "export", "--tenant", "toko-a", "current"))
    return office


@pytest.fixture
def small_shop(small_office):
    """The same, on SQLite only."""
    small_office.with_tenant()
    ok(small_office.run("policy", "export", "--tenant", "toko-a", "current"))
    return small_office


def add(shop, text, name="more.toml"):
    """Another file of the policy."""
    (shop.folder / "current" / name).write_text(text, "utf-8")


MORE = '[role.auditor]\nen = "Looks."\n[[rule]]\nrole = "auditor"\nobjects = ["invoice"]\nactions = ["read"]\n'
MORE += 'purposes = ["compliance"]\n'


def test_a_policy_goes_out_is_changed_comes_in_and_is_taken_back(shop):
    """Export, no change; a change is planned, applied under one version, in the trail, in force, and rolled back."""
    unchanged = ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"))
    assert "No change" in unchanged.stdout
    add(shop, MORE)
    before = version(shop)
    planned = ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"), 1)
    assert "2 added, 0 changed, 0 ended" in planned.stdout
    assert "auditor invoice read essential.legal_obligation allow" in planned.stdout
    applied = ok(shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes", "--reason", "audit year"))
    assert f"is at version {before + 1}." in applied.stdout
    ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"))
    assert acts(shop) == [
        {"act": "policy.apply", "source": "files", "version": before + 1, "added": 2, "changed": 0, "ended": 0}
    ]
    told = json.loads(ok(shop.run("policy", "history", "--tenant", "toko-a", "--json")).stdout)
    assert [(one["version"], one["how"], one["by"], one["what"], one["reason"]) for one in told[:2]] == [
        (before + 1, "files", "operator:ops", "role +1, rule +1", "audit year"),
        (before, "found", "", "", ""),
    ]
    ok(shop.run("policy", "rollback", "--tenant", "toko-a", str(before), "--yes"))
    assert acts(shop)[0] == {
        "act": "policy.rollback",
        "source": "rollback",
        "version": before + 2,
        "added": 0,
        "changed": 0,
        "ended": 2,
    }
    ok(shop.run("policy", "rollback", "--tenant", "toko-a", str(before + 1), "--yes"))
    ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"))
    guard = shop.guard()
    try:
        snapshot = guard.policies.snapshot("toko-a", before + 3)
        assert snapshot.decide(frozenset({"auditor"}), "invoice", "read", "essential.legal_obligation").allow
    finally:
        guard.close()
    table = ok(shop.run("policy", "history", "--tenant", "toko-a")).stdout
    assert "rollback" in table
    assert "audit year" in table


@pytest.mark.parametrize("name", templates.names())
def test_any_policy_becomes_any_other(shop, name):
    """Roles, links, purposes with the same aliases and rules are exchanged; then the folder says no change."""
    write_folder(shop.folder / "other", templates.load(name))
    ok(shop.run("policy", "apply", "--tenant", "toko-a", "other", "--yes"))
    ok(shop.run("policy", "plan", "--tenant", "toko-a", "other"))
    ok(shop.run("policy", "export", "--tenant", "toko-a", "again"))
    texts = [{p.name: p.read_text("utf-8") for p in (shop.folder / f).iterdir()} for f in ("other", "again")]
    assert texts[0] == texts[1]
    ok(shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"))


def test_purposes_exchange_their_aliases(shop):
    """Aliases are unique in the register at every moment, and yet two can be exchanged in one step."""
    path = shop.folder / "current" / "purposes.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"billing"', '"x"').replace('"support"', '"billing"').replace('"x"', '"support"'))
    rules = shop.folder / "current" / "rules.toml"
    text = rules.read_text("utf-8")
    assert "purposes = " in text
    ok(shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"))


def test_casbins_files_go_out_and_come_in(shop):
    """A plain enforcer reads them; a line taken out ends a rule; what is imported again is no change."""
    ok(shop.run("policy", "export", "--tenant", "toko-a", "--casbin", "c"))
    enforcer = casbin.Enforcer(str(shop.folder / "c" / "model.conf"), str(shop.folder / "c" / "policy.csv"))
    billing = "essential.service.payment_processing"
    assert enforcer.enforce("cashier", "customer.phone", "read", billing)
    assert not enforcer.enforce("courier", "customer.phone", "read", billing)
    assert "No change" in ok(shop.run("policy", "import", "--tenant", "toko-a", "--casbin", "c")).stdout
    path = shop.folder / "c" / "policy.csv"
    line = f"p, cashier, invoice, create, {billing}, allow\n"
    assert line in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(line, ""), "utf-8")
    told = ok(shop.run("policy", "import", "--tenant", "toko-a", "--casbin", "c", "--yes")).stdout
    assert "0 added, 0 changed, 1 ended" in told
    assert acts(shop)[0]["source"] == "casbin"
    assert "1 added" in ok(shop.run("policy", "plan", "--tenant", "toko-a", "current"), 1).stdout


def test_without_a_guard_the_database_is_enough(small_shop):
    """Plan, apply, history and export need no declarations."""
    add(small_shop, MORE)
    here = ("--database", small_shop.url, "policy")
    ok(small_shop.bare(*here, "plan", "--tenant", "toko-a", "current"), 1)
    ok(small_shop.bare(*here, "apply", "--tenant", "toko-a", "current", "--yes"))
    ok(small_shop.bare(*here, "history", "--tenant", "toko-a"))
    ok(small_shop.bare(*here, "export", "--tenant", "toko-a", "again"))
    ok(small_shop.run("policy", "plan", "--tenant", "toko-a", "again"))


def test_nothing_is_applied_without_a_yes(small_shop):
    """The operator is asked; no answer and a no change nothing."""
    add(small_shop, MORE)
    before = version(small_shop)
    result = small_shop.run("policy", "apply", "--tenant", "toko-a", "current")
    assert result.exit_code == 1
    assert version(small_shop) == before
    assert acts(small_shop) == []


def test_a_role_that_members_hold_does_not_end(small_shop):
    """Its grants would come back with a role of that name: they are revoked first."""
    ok(small_shop.run("member", "add", "toko-a", "sari"))
    ok(small_shop.run("grant", "give", "toko-a", "sari", "courier", "--reason", "test"))
    for name in ("roles.toml", "rules.toml"):
        path = small_shop.folder / "current" / name
        blocks = path.read_text("utf-8").split("\n\n")
        path.write_text("\n\n".join(one for one in blocks if "courier" not in one.partition("objects")[0]), "utf-8")
    before = version(small_shop)
    result = small_shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes")
    assert (result.exit_code, "Members hold grants of courier" in result.stderr) == (2, True)
    assert version(small_shop) == before
    grants = json.loads(small_shop.run("grant", "list", "toko-a", "--json").stdout)
    ok(small_shop.run("grant", "revoke", "toko-a", next(g["id"] for g in grants if g["role"] == "courier")))
    ok(small_shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    refused = small_shop.run("grant", "give", "toko-a", "sari", "courier", "--reason", "test")
    assert "there is no role courier" in refused.stderr


def test_tests_beside_the_policy_run_without_a_database(small_shop):
    """With a guard its fields are known; without one the tests name them. What differs is a table, and exit code 1."""
    folder = small_shop.folder / "current" / "tests"
    folder.mkdir()
    case = '[[case]]\nas = "support"\nobject = "customer.phone"\npurpose = "support"\nexpect = "masked"\n'
    (folder / "people.toml").write_text(case, "utf-8")
    assert "1 tests, 0 failed." in ok(small_shop.run("policy", "test", "current")).stdout
    failed = ok(small_shop.bare("policy", "test", "current"), 1)
    assert "people.toml:1" in failed.stdout
    assert "deny" in failed.stdout
    (folder / "fields.toml").write_text('[fields]\n"customer.phone" = "user.contact.phone_number"\n', "utf-8")
    passed = json.loads(ok(small_shop.bare("policy", "test", "current", "--json")).stdout)
    assert [one["passed"] for one in passed] == [True]


def test_history_also_tells_rules_that_nobody_applied_as_a_whole(small_shop):
    """A rule that a program added is a version of its own, which was not kept until the next apply found it."""
    guard = small_shop.guard()
    with guard.engine.begin() as connection:
        rule = guard.policies.add_rule(
            connection, "toko-a", role="support", object="report", action="read", purpose="*"
        )
    guard.close()
    told = json.loads(small_shop.run("policy", "history", "--tenant", "toko-a", "--json").stdout)
    assert (told[0]["what"], told[0]["kept"]) == (f"+{rule}", False)
    ok(small_shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    told = json.loads(small_shop.run("policy", "history", "--tenant", "toko-a", "--json").stdout)
    assert [(one["how"], one["kept"]) for one in told[:2]] == [("files", True), ("found", True)]
    assert told[0]["what"] == "rule -1"


def test_a_kept_version_that_was_spoilt_does_not_hide_the_others(small_shop):
    """History says so of that one; it cannot be rolled back to."""
    add(small_shop, MORE)
    ok(small_shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    guard = small_shop.guard()
    with guard.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE amanah_policy_version SET content = '{}' WHERE source = 'found'")
    guard.close()
    told = json.loads(ok(small_shop.run("policy", "history", "--tenant", "toko-a", "--json")).stdout)
    assert [(one["how"], one["what"]) for one in told[:2]] == [
        ("files", f"+r{len(templates.load('trading').rules) + 1}"),
        ("found", "what is stored of this version cannot be read"),
    ]
    result = small_shop.run("policy", "rollback", "--tenant", "toko-a", str(told[1]["version"]), "--yes")
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plan", "--tenant", "toko-b", "current"), "there is no tenant toko-b"),
        (("plan", "--tenant", "toko-a", "missing"), "there is no *.toml"),
        (("export", "--tenant", "toko-a", "current"), "there are *.toml in it already"),
        (("export", "--tenant", "toko-a"), "name one folder"),
        (("import", "--tenant", "toko-a", "--casbin", "current"), "model.conf cannot be taken"),
        (("rollback", "--tenant", "toko-a", "1"), "the policy of version 1 was not kept; kept are: none"),
        (("history", "--tenant", "toko-b"), "there is no tenant toko-b"),
        (("test", "current"), "there is no [[case]]"),
    ],
)
def test_bad_input_is_told(small_shop, arguments, told):
    """What, why and remedy on stderr, exit code 2."""
    result = small_shop.run("policy", *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


LIMITED = """
[[rule]]
role = "courier"
objects = ["customer.phone"]
actions = ["read_masked"]
purposes = ["billing"]
mask = "dots"
starts_at = 2000-01-01T07:00:00+07:00

[[rule]]
role = "courier"
objects = ["report"]
actions = ["read"]
purposes = ["billing"]
ends_at = "2000-01-31T00:00+07:00"
"""


def test_rules_with_a_time_and_a_mask_go_in_and_out(shop):
    """Planned with their words, applied, exported as they are; Casbin's files hold what is in force, and it is said."""
    add(shop, LIMITED)
    planned = ok(shop.run("policy", "plan", "--tenant", "toko-a", "current", "--json"), 1)
    names = [change["name"] for change in json.loads(planned.stdout)["changes"]]
    billing = "essential.service.payment_processing"
    assert names == [
        f"courier customer.phone read_masked {billing} allow mask=dots from=2000-01-01T00:00:00Z",
        f"courier report read {billing} allow until=2000-01-30T17:00:00Z",
    ]
    ok(shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes"))
    ok(shop.run("policy", "export", "--tenant", "toko-a", "again"))
    assert "No change" in ok(shop.run("policy", "plan", "--tenant", "toko-a", "again")).stdout
    exported = ok(shop.run("policy", "export", "--tenant", "toko-a", "--casbin", "c"))
    assert "1 rules are not in force now" in exported.stdout
    text = (shop.folder / "c" / "policy.csv").read_text("utf-8")
    assert (f"p, courier, customer.phone, read_masked, {billing}, allow" in text, "courier, report" in text) == (1, 0)
    assert "No change" in ok(shop.run("policy", "import", "--tenant", "toko-a", "--casbin", "c")).stdout


def test_a_mask_that_the_guard_could_not_keep_is_not_applied(small_shop):
    """Nor one that nobody can judge, because no guard is given; nothing is half-applied."""
    before = version(small_shop)
    add(small_shop, LIMITED.replace('"dots"', '"initials"'))
    result = small_shop.run("policy", "apply", "--tenant", "toko-a", "current", "--yes")
    assert (result.exit_code, "the mask initials cannot be used for customer.phone" in result.stderr) == (2, True)
    add(small_shop, LIMITED)
    here = ("--database", small_shop.url, "policy", "apply", "--tenant", "toko-a", "current", "--yes")
    result = small_shop.bare(*here)
    assert (result.exit_code, "no personal column under customer.phone" in result.stderr) == (2, True)
    assert version(small_shop) == before


def test_a_test_may_pin_the_clock_and_expect_a_mask(small_shop):
    """In TOML and in YAML; what differs says which mask came."""
    add(small_shop, LIMITED)
    folder = small_shop.folder / "current" / "tests"
    folder.mkdir()
    case = "case:\n- as: courier\n  object: customer.phone\n  purpose: billing\n  now: {}\n  expect: {}\n{}"
    (folder / "a.yaml").write_text(case.format("2000-01-01T06:59+07:00", "deny", ""), "utf-8")
    (folder / "b.yml").write_text(case.format("2000-01-01T07:00+07:00", "masked", "  mask: dots\n"), "utf-8")
    assert "2 tests, 0 failed." in ok(small_shop.run("policy", "test", "current")).stdout
    (folder / "b.yml").write_text(case.format("2000-01-01T07:00+07:00", "masked", "  mask: last4\n"), "utf-8")
    failed = json.loads(ok(small_shop.run("policy", "test", "current", "--json"), 1).stdout)
    assert [(one["got"], one["mask"], one["passed"]) for one in failed] == [
        ("deny", "", True),
        ("masked", "dots", False),
    ]
    assert "masked dots" in ok(small_shop.run("policy", "test", "current"), 1).stdout
