"""Rules about some rows only, in files, plans and kept versions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah.access_policies import casbin_files, content, plan, templates
from amanah.access_policies.declared import Declared
from amanah.access_policies.policies import Policies
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.policy_tests import run_policy_tests
from amanah.access_policies.rules import Rule
from amanah.database import bump, version_of
from amanah.errors import InvalidInput, PolicyFileWrong

FILTERS = {"assigned": frozenset({"orders"})}
OWN = Rule(0, "courier", "orders", "read", "essential.service.operations", "allow", "assigned")
NOT_OLD = Rule(0, "courier", "orders", "update", "essential.service.operations", "deny", "assigned")


def wanted():
    """A template with two rules about some rows, one of which has a twin about all of them."""
    made = templates.load("trading")
    purpose = made.purposes[0].key
    rules = [replace(rule, purpose=purpose) for rule in (OWN, NOT_OLD)]
    twin = replace(rules[1], row_filter="")
    return replace(made, rules=(*made.rules, *rules, twin))


def order(policy, version, shown, **more):
    return plan.Order(content=policy, shown=shown, version=version, by="operator:ops", source="files", **more)


def test_files_say_of_which_rows_a_rule_speaks(tmp_path):
    """They are written and read again, and a rule about all rows beside it stays another one."""
    write_folder(tmp_path / "policy", wanted())
    assert read_folder(tmp_path / "policy") == wanted()
    assert 'row_filter = "assigned"' in (tmp_path / "policy" / "rules.toml").read_text()
    with pytest.raises(PolicyFileWrong):
        casbin_files.write(tmp_path / "casbin", wanted(), {}, 0)


def test_a_plan_with_a_filter_that_nobody_declares_is_not_carried_out(own_database):
    """All or nothing; with the declaration it is in force, and the kept version says it, too."""
    with own_database.begin() as connection:
        bump(connection, "toko")
        version = version_of(connection, "toko")
        shown = plan.compare(content.read(connection, "toko"), wanted())
    with pytest.raises(InvalidInput, match="assigned"), own_database.begin() as connection:
        plan.apply(connection, "toko", order(wanted(), version, shown))
    with own_database.begin() as connection:
        assert content.read(connection, "toko").rules == ()
        plan.apply(connection, "toko", order(wanted(), version, shown, declared=Declared(row_filters=FILTERS)))
        assert content.read(connection, "toko") == wanted()
        assert content.restored(wanted().stored()) == wanted()
        new = version_of(connection, "toko")
    snapshot = Policies(own_database, {}, row_filters=FILTERS).snapshot("toko", new)
    assert {rule.row_filter for rule in snapshot.rules} == {"", "assigned"}


def test_a_policy_test_may_name_the_row_filter_of_its_rule(tmp_path):
    """The filters that the files name are taken for declared: the guard refuses them where they are not."""
    write_folder(tmp_path, wanted())
    (tmp_path / "tests").mkdir()
    purpose = wanted().purposes[0].alias
    (tmp_path / "tests" / "couriers.toml").write_text(
        f'[[case]]\nas = "courier"\naction = "read"\nobject = "orders"\npurpose = "{purpose}"\nexpect = "allow"\n'
    )
    [outcome] = run_policy_tests(tmp_path)
    assert outcome.passed
