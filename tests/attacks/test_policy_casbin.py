"""Casbin's known defects, and that none of them is on our way.

Each has its test: roles with a comma in ``test_policy_role_with_comma``; chains deeper than nine links in
``test_hierarchies`` and below; `remove_policies`, the empty filter, `FastEnforcer`, links that forget their conditions
below; enforcers that are not safe for threads in ``test_policy_threads``.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import casbin
import pytest

import amanah
from amanah.access_policies import judge
from amanah.access_policies.hierarchy import LONGEST_CHAIN, check_links
from amanah.access_policies.policies import Policies
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.errors import InvalidInput, PolicyUnavailable
from amanah.tenants.clock import to_us
from amanah.tenants.directory import Directory

ROOT = Path(amanah.__file__).parent
BILLING = "essential.service.payment_processing"


@pytest.fixture
def switching_fast():
    """Threads change as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def _modules():
    """The package's own modules."""
    folders = ("access_policies", "audit", "console", "encryption", "middleware", "tenants", "testing")
    return [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]


def test_the_model_is_read_by_casbins_stock_tools(tmp_path):
    """Model and policy in Casbin's own file formats load in a plain enforcer and give the same answers."""
    policy = tmp_path / "policy.csv"
    policy.write_text(
        "p, cashier, category:user.contact, read, *, allow\n"
        "p, cashier, customer, read, *, allow\n"
        "g, siti, cashier\n"
        "g2, customer.phone, category:user.contact\n"
        f"g3, {BILLING}, *\n",
        encoding="utf-8",
    )
    enforcer = casbin.Enforcer(str(judge.MODEL_PATH), str(policy))
    assert enforcer.enforce("siti", "customer.phone", "read", BILLING)
    assert enforcer.enforce("siti", "customer", "read", BILLING)
    assert not enforcer.enforce("siti", "customer.nik", "read", BILLING)
    assert not enforcer.enforce("siti", "customer.phone", "read", "marketing")


def test_the_fast_enforcer_is_not_used():
    """It ignores g2 and g3 and shares its filter between threads; nothing in the package names it but in warnings."""
    enforcer = _snapshot()._judge_of(frozenset({"cashier"}))._enforcer
    assert isinstance(enforcer, casbin.Enforcer)
    assert not isinstance(enforcer, casbin.FastEnforcer)
    assert type(enforcer).enforce_ex is casbin.Enforcer.enforce_ex
    uses = [path.name for path in _modules() if "FastEnforcer(" in path.read_text(encoding="utf-8")]
    assert uses == []


def test_casbin_is_imported_in_one_module_only():
    """Whatever reaches Casbin goes through the judge."""
    texts = {path: path.read_text(encoding="utf-8") for path in _modules()}
    importing = [path.name for path, text in texts.items() if "import casbin" in text or "from casbin" in text]
    assert importing == ["judge.py"]


RULES = (Rule(1, "cashier", "invoice", "read", "*"),)


def _snapshot(rules=RULES):
    return Snapshot("toko", 1, {"cashier": frozenset()}, [Purpose(BILLING, "", "contract")], rules, {})


def test_an_error_inside_casbin_is_never_a_yes_and_never_remembered(monkeypatch):
    """While Casbin fails, each question fails with an error of its own class; when it works again, it answers."""
    snapshot = _snapshot()
    question = (frozenset({"cashier"}), "invoice", "read", BILLING)

    def fail(*_arguments):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(casbin.Enforcer, "enforce_ex", fail)
        for _ in range(2):
            with pytest.raises(PolicyUnavailable):
                snapshot.decide(*question)
    assert snapshot.decide(*question).allow


def test_a_question_after_an_allow_still_hears_of_denials():
    """Naming the rule that allowed looks with allow-override for a moment; the next verdict is deny-override again."""
    rules = [Rule(1, "cashier", "*", "read", "*"), Rule(2, "cashier", "customer", "read", "*", "deny")]
    snapshot = _snapshot(rules)
    assert snapshot.decide(frozenset({"cashier"}), "invoice", "read", BILLING).allow
    decision = snapshot.decide(frozenset({"cashier"}), "customer", "read", BILLING)
    assert (decision.allow, decision.rule) == (False, "r2")


def test_an_expired_role_does_not_come_back_with_a_new_policy(own_database):
    """Casbin forgets link conditions when it reloads; here a new version, roster and snapshot leave it expired."""
    directory, policies = Directory(own_database), Policies(own_database, {})
    end = datetime.now(UTC) + timedelta(hours=1)
    with own_database.begin() as connection:
        directory.create_tenant(connection, "toko", "Toko", "trading")
        policies.install(connection, "toko", "trading")
        directory.add_member(connection, "toko", "budi")
        directory.grant(connection, "toko", "budi", "cashier", reason="stand-in", granted_by="platform", ends_at=end)

    def may(at):
        roster = directory.load("toko")
        roles = roster.standing("budi", to_us(at)).roles
        return policies.snapshot("toko", roster.version).decide(roles, "invoice", "read", BILLING).allow

    for _ in range(3):
        assert may(end - timedelta(seconds=1))
        assert not may(end)
        assert not may(end + timedelta(days=1))
        with own_database.begin() as connection:
            directory.add_member(connection, "toko", f"m{directory.load('toko').version}")


def test_a_chain_that_casbin_would_cut_off_is_refused_before_it_loses_a_denial():
    """A plain enforcer follows nine links and then says "no link" without a word, also where a denial hangs on it."""

    def denied(links):
        enforcer = casbin.Enforcer(str(judge.MODEL_PATH))
        enforcer.add_policies([["r0", "*", "read", "*", "allow"], [f"r{links}", "salary", "read", "*", "deny"]])
        enforcer.add_grouping_policies([[f"r{number}", f"r{number + 1}"] for number in range(links)])
        enforcer.add_named_grouping_policy("g2", "salary", "salary")
        enforcer.add_named_grouping_policy("g3", BILLING, "*")
        return not enforcer.enforce("r0", "salary", "read", BILLING)

    assert (denied(LONGEST_CHAIN), denied(LONGEST_CHAIN + 3)) == (True, False)
    with pytest.raises(InvalidInput, match="more than 8 links"):
        check_links([(f"r{number}", f"r{number + 1}") for number in range(LONGEST_CHAIN + 1)], "role")


def test_many_tenants_decide_at_once_without_error(switching_fast):
    """Each tenant's snapshot has its own lock; what Casbin does under two of them must not meet.

    Casbin parses its matcher for each question, and `ast.parse` of CPython 3.11 raises `SystemError` in two threads.
    """

    def decide(_number):
        for _ in range(20):
            snapshot = _snapshot()
            if not snapshot.decide(frozenset({"cashier"}), "invoice", "read", BILLING).allow:
                return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(decide, range(16)))


def test_one_tenants_snapshot_holds_no_other_tenants_rules(own_database):
    """There is no filter that could be empty: rows are read for one tenant, by its key."""
    directory, policies = Directory(own_database), Policies(own_database, {})
    with own_database.begin() as connection:
        for tenant in ("toko", "klinik"):
            directory.create_tenant(connection, tenant, tenant)
        policies.install(connection, "klinik", "clinic")
    empty = policies.snapshot("toko", 1)
    assert (empty.rules, empty.roles, dict(empty.purposes)) == ((), frozenset(), {})


def test_ending_one_rule_ends_only_that_rule(own_database):
    """Casbin's `remove_policies` deletes a cross product; ending a rule leaves its neighbours in force."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        Directory(own_database).create_tenant(connection, "toko", "Toko")
        policies.add_role(connection, "toko", "cashier")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        ids = [
            policies.add_rule(connection, "toko", role="cashier", object=obj, action=action, purpose="*")
            for obj in ("invoice", "customer")
            for action in ("read", "create")
        ]
        policies.remove_rule(connection, "toko", ids[0])
    assert [rule.id for rule in policies.snapshot("toko", 8).rules] == ids[1:]


@pytest.mark.parametrize(("beside", "refused"), [(True, True), (False, False)])
def test_the_package_refuses_to_start_with_both_casbins_installed(tmp_path, beside, refused):
    """`pycasbin` writes into the folder of `casbin`: with both there, importing the policies is an error."""
    if beside:
        info = tmp_path / "pycasbin-2.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pycasbin\nVersion: 2.0.0\n", encoding="utf-8")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import amanah.access_policies.policies"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode != 0) is refused
    assert ("ConfigurationError" in run.stderr) is refused
