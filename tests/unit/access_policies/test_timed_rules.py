"""Rules that are in force for a time only: in snapshots, the database, plans, files and Casbin's export."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import casbin
import pytest
from sqlalchemy import event, insert, update

from amanah.access_policies import casbin_files, content, models, plan, templates, versions
from amanah.access_policies.instants import instant, told
from amanah.access_policies.policies import Policies
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.database import bump, time_of, version_of
from amanah.errors import InvalidInput, PolicyFileWrong

BILLING = "essential.service.payment_processing"
CASHIER = frozenset({"cashier"})
ALLOW = Rule(1, "cashier", "invoice", "read", BILLING, starts_at=100, ends_at=200)


def snapshot(*rules, now):
    """A policy of these rules at a moment."""
    return Snapshot("toko", 1, {"cashier": frozenset()}, [Purpose(BILLING, "", "contract")], rules, {}, now=now)


def may(found):
    """Whether a cashier may read invoices."""
    return found.decide(CASHIER, "invoice", "read", BILLING).allow


@pytest.mark.parametrize(("now", "expected"), [(99, False), (100, True), (199, True), (200, False), (10**18, False)])
def test_a_rule_holds_from_its_start_until_before_its_end(now, expected):
    """``starts_at <= now < ends_at``, to the microsecond."""
    assert may(snapshot(ALLOW, now=now)) is expected


@pytest.mark.parametrize(("now", "expected"), [(99, True), (100, False), (199, False), (200, True)])
def test_a_denial_holds_for_its_time_only(now, expected):
    """A freeze of some hours overrides what is allowed for ever, and ends by itself."""
    always = Rule(2, "cashier", "invoice", "read", BILLING)
    assert may(snapshot(always, replace(ALLOW, effect="deny"), now=now)) is expected


def test_a_rule_without_end_or_without_start_is_limited_on_one_side():
    """Either of the two may be left out."""
    since, till = replace(ALLOW, ends_at=None), replace(ALLOW, starts_at=None)
    assert [may(snapshot(since, now=now)) for now in (99, 100, 10**15)] == [False, True, True]
    assert [may(snapshot(till, now=now)) for now in (-(10**15), 199, 200)] == [True, True, False]


def test_a_snapshot_is_good_from_one_beginning_or_end_to_the_next():
    """And not a microsecond longer, in both directions: the clock of another server may be behind."""
    found = snapshot(ALLOW, replace(ALLOW, number=2, starts_at=150, ends_at=None), now=160)
    assert [found.holds(now) for now in (99, 149, 150, 199, 200)] == [False, False, True, True, False]
    assert found.at(199) is found
    assert [may(found.at(now)) for now in (99, 100, 250)] == [False, True, True]
    assert not found.holds(None)


def test_a_policy_without_times_is_good_at_any_moment():
    """It needs no clock, and none is asked for."""
    found = snapshot(Rule(1, "cashier", "invoice", "read", BILLING), now=None)
    assert found.holds(None)
    assert found.at(10**15) is found
    assert not found.timed


def test_rules_with_a_time_are_not_judged_without_one():
    """Whoever forgets the clock gets an error and no answer."""
    with pytest.raises(ValueError, match="at a moment"):
        snapshot(ALLOW, now=None)


def test_a_kept_snapshot_answers_by_its_moment_for_ever():
    """Invariant 1: what an access was let in with does not change under it, remembered or not."""
    found = snapshot(ALLOW, now=150)
    later = found.at(200)
    assert (may(found), may(later)) == (True, False)
    assert found.decide(CASHIER, "invoice", "read", BILLING).rule == "r1"


def test_an_explanation_names_the_rule_whose_time_is_not_now():
    """Not yet, and no longer, the nearest first; nothing of the kind where a rule is about it now."""
    past, future = replace(ALLOW, number=2, starts_at=None, ends_at=50), replace(ALLOW, number=3, starts_at=900)
    rules = (ALLOW, past, replace(future, ends_at=None), replace(past, number=4, ends_at=20))

    def explained(now):
        found = snapshot(*rules, now=now).explain(CASHIER, "invoice", "read", BILLING)
        return found.allow, [rule.id for rule in found.not_yet], [rule.id for rule in found.no_longer]

    assert explained(60) == (False, ["r1", "r3"], ["r2", "r4"])
    assert explained(150) == (True, [], [])
    assert explained(300) == (False, ["r3"], ["r1", "r2", "r4"])
    other = snapshot(*rules, now=60).explain(CASHIER, "order", "read", BILLING)
    assert (other.not_yet, other.no_longer) == ((), ())


# -- instants ----------------------------------------------------------------------------------------------------------


def test_instants_are_told_in_utc_and_read_in_any_zone():
    """Microseconds since the epoch and back."""
    assert instant("2026-12-01T08:00+07:00") == instant(datetime(2026, 12, 1, 1, tzinfo=UTC))
    assert told(instant("2026-12-01T08:00:00.000001+07:00")) == "2026-12-01T01:00:00.000001Z"
    assert instant(told(-1)) == -1
    assert told(1 << 61) == f"{1 << 61} µs"


@pytest.mark.parametrize("said", ["2026-12-01T08:00", "2026-12-01", "soon", "", 5, True, datetime(2026, 12, 1)])  # noqa: DTZ001
def test_what_is_no_point_in_time_or_has_no_zone_is_refused(said):
    """Nobody guesses in which zone somebody lives."""
    with pytest.raises(InvalidInput, match=r"zone|no point in time"):
        instant(said)


# -- the database ------------------------------------------------------------------------------------------------------


@pytest.fixture
def policies(own_database):
    """Policies with a tenant "toko", a role and a purpose."""
    made = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        made.add_role(connection, "toko", "cashier")
        made.add_purpose(connection, "toko", BILLING, alias="billing", legal_basis="contract")
    return made


def add(policies, engine, **times):
    """Let cashiers read invoices for a time; gives the tenant's version."""
    with engine.begin() as connection:
        policies.add_rule(
            connection, "toko", role="cashier", object="invoice", action="read", purpose="billing", **times
        )
        return version_of(connection, "toko")


NOON = datetime(2026, 12, 1, 5, tzinfo=UTC)


def test_a_rule_comes_back_with_its_times_and_the_snapshot_follows_the_clock(policies, own_database):
    """One version, several moments: a new snapshot where a rule begins or ends, without a word to the database."""
    version = add(policies, own_database, starts_at=NOON, ends_at=NOON + timedelta(hours=1))
    begin, end = instant(NOON), instant(NOON + timedelta(hours=1))
    assert not may(policies.snapshot("toko", version, begin - 1))
    asked = []
    event.listen(own_database, "before_cursor_execute", lambda *_: asked.append(1))
    assert may(policies.snapshot("toko", version, begin))
    first = policies.cached("toko", version, end - 1)
    assert first is policies.cached("toko", version, begin)
    assert not may(policies.cached("toko", version, end))
    assert may(policies.cached("toko", version, end - 1))
    assert asked == []


def test_without_a_time_the_database_is_asked_and_no_process(policies, own_database):
    """What is in memory is given only where no rule has a time; a snapshot is then made for the database's moment."""
    with own_database.connect() as connection:
        now = datetime.fromtimestamp(time_of(connection) / 1e6, UTC)
    version = add(policies, own_database, starts_at=now - timedelta(minutes=9), ends_at=now + timedelta(minutes=9))
    assert policies.cached("toko", version) is None
    assert may(policies.snapshot("toko", version))
    assert policies.cached("toko", version) is None
    assert not may(policies.snapshot("toko", version, instant(now + timedelta(minutes=9))))
    assert may(policies.snapshot("toko", version))


@pytest.mark.parametrize(
    "times",
    [
        {"ends_at": datetime(2026, 12, 1)},  # noqa: DTZ001
        {"starts_at": "2026-12-01T08:00"},
        {"starts_at": NOON, "ends_at": NOON},
        {"starts_at": NOON, "ends_at": NOON - timedelta(microseconds=1)},
    ],
)
def test_a_time_that_cannot_be_meant_is_refused_when_written(policies, own_database, times):
    """Without zone; an end that is not after its start. Nothing is written."""
    with pytest.raises(InvalidInput):
        add(policies, own_database, **times)
    with own_database.connect() as connection:
        assert content.read(connection, "toko").rules == ()


def test_plans_versions_and_rollbacks_keep_the_times(policies, own_database):
    """A changed end is another rule: the old one ends, with its number. A roll-back brings the old words back."""
    version = add(policies, own_database, ends_at=NOON)
    with own_database.connect() as connection:
        before = content.read(connection, "toko")
    longer = replace(before, rules=(replace(before.rules[0], number=0, ends_at=instant(NOON) + 60_000_000),))
    shown = plan.compare(before, longer)
    assert [(one.act, one.name.rpartition(" ")[2], one.detail) for one in shown.changes] == [
        ("ended", "until=2026-12-01T05:00:00Z", "r1"),
        ("added", "until=2026-12-01T05:01:00Z", ""),
    ]
    with own_database.begin() as connection:
        order = plan.Order(content=longer, shown=shown, version=version, by="operator:ops", source="files")
        plan.apply(connection, "toko", order)
        assert content.read(connection, "toko") == longer
        assert [rule.number for rule in content.read(connection, "toko").rules] == [2]
        assert versions.content_of(connection, "toko", version) == before
        assert versions.altered(connection) == {}


def test_a_version_that_was_kept_before_rules_had_times_says_the_same():
    """What is stored of a rule without time and mask has not changed: no version looks like another one."""
    stored = templates.load("blank").stored()
    assert set(stored["rules"][0]) == {"role", "object", "action", "purpose", "effect", "row_filter"}
    timed = replace(templates.load("blank"), rules=(replace(ALLOW, role="admin", purpose="*"),))
    assert content.restored(timed.stored()) == timed
    for wrong in ({"ends_at": "soon"}, {"ends_at": True}, {"starts_at": 1 << 70}, {"starts_at": 5, "ends_at": 5}):
        broken = timed.stored()
        broken["rules"][0] |= wrong
        with pytest.raises(InvalidInput):
            content.restored(broken)


# -- files -------------------------------------------------------------------------------------------------------------


def wanted():
    """A template with a rule that begins, one that ends, and their twin that always holds."""
    made = templates.load("blank")
    always = Rule(0, "admin", "invoice", "read", "*")
    mine = (always, replace(always, starts_at=instant(NOON)), replace(always, ends_at=instant(NOON) + 1))
    return replace(made, rules=(*made.rules, *mine))


def test_files_say_when_a_rule_is_in_force(tmp_path):
    """Written as TOML's own points in time, and read as the same."""
    write_folder(tmp_path / "policy", wanted())
    assert "starts_at = 2026-12-01T05:00:00Z\n" in (tmp_path / "policy" / "rules.toml").read_text()
    assert read_folder(tmp_path / "policy") == wanted()


RULE = '[[rule]]\nrole = "admin"\nobjects = ["invoice"]\nactions = ["read"]\npurposes = ["*"]\n'


@pytest.mark.parametrize(
    ("text", "told_"),
    [
        ("ends_at = 2026-12-01T08:00:00\n", "has no zone"),
        ('ends_at = "2026-12-01T08:00"\n', "has no zone"),
        ("starts_at = 2026-12-01\n", "no point in time"),
        ('starts_at = "next week"\n', "no point in time"),
        ("starts_at = 7\n", "no point in time"),
        ("starts_at = 2026-12-01T08:00:00Z\nends_at = 2026-12-01T08:00:00+07:00\n", "would end"),
    ],
)
def test_a_time_that_cannot_be_taken_is_told_with_file_and_line(tmp_path, text, told_):
    """File, line of the rule, and how to write it."""
    write_folder(tmp_path, wanted())
    (tmp_path / "more.toml").write_text(f"# for a month\n{RULE}{text}", "utf-8")
    with pytest.raises(PolicyFileWrong) as caught:
        read_folder(tmp_path)
    assert told_ in caught.value.facts["detail"]
    assert caught.value.facts["place"] == f"{tmp_path / 'more.toml'}:2"
    assert caught.value.facts["mend"]


def test_a_text_in_any_zone_is_taken_as_well(tmp_path):
    """Quoted ISO 8601, for people who write it so."""
    write_folder(tmp_path, templates.load("blank"))
    (tmp_path / "more.toml").write_text(f'{RULE}ends_at = "2026-12-01T12:00+07:00"\n', "utf-8")
    assert {rule.ends_at for rule in read_folder(tmp_path).rules} == {None, instant(NOON)}


# -- Casbin's files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "expected"), [(-1, True), (0, False), (1, False)])
def test_casbins_export_holds_the_rules_of_its_moment(tmp_path, seconds, expected):
    """Its files have no place for times: what is in force when they are written, and nothing else."""
    made = templates.load("blank")
    mine = replace(made, rules=(Rule(0, "admin", "invoice", "read", "*", ends_at=instant(NOON)),))
    model, policy = casbin_files.write(tmp_path / "c", mine, {}, instant(NOON) + seconds * 1_000_000)
    purpose = made.purposes[0].key
    assert casbin.Enforcer(str(model), str(policy)).enforce("admin", "invoice", "read", purpose) is expected


@pytest.mark.parametrize("moment", [instant(NOON) - 1, instant(NOON), instant(NOON) + 1])
def test_a_rule_does_not_lose_its_end_on_the_way_through_casbins_files(tmp_path, moment):
    """What was exported is imported as no change, whichever rules were in force; a line more is a rule more."""
    _, policy = casbin_files.write(tmp_path / "c", wanted(), {}, moment)
    assert casbin_files.read(tmp_path / "c", wanted(), {}) == wanted()
    only = replace(wanted(), rules=tuple(rule for rule in wanted().rules if rule.timed))
    assert casbin_files.read(tmp_path / "c", only, {}).rules[-2:] == only.rules
    assert Rule(0, "admin", "invoice", "read", "*") not in casbin_files.read(tmp_path / "c", only, {}).rules
    policy.write_text(policy.read_text() + "p, admin, order, read, *, allow\n")
    added = plan.compare(wanted(), casbin_files.read(tmp_path / "c", wanted(), {}))
    assert [(one.act, one.name) for one in added.changes] == [("added", "admin order read * allow")]


# -- what somebody changed past the policy ----------------------------------------------------------------------------


def test_rules_that_were_changed_by_sql_are_found(policies, own_database):
    """A row that is gone leaves a gap; one that was made longer or put in differs from the version that was kept."""
    version = add(policies, own_database, ends_at=NOON)
    with own_database.begin() as connection:
        old = content.read(connection, "toko")
        more = (*old.rules, Rule(0, "cashier", "order", "read", "*"), Rule(0, "cashier", "report", "read", "*"))
        new = replace(old, rules=more)
        order = plan.Order(content=new, shown=plan.compare(old, new), version=version, by="x", source="files")
        plan.apply(connection, "toko", order)
        assert versions.altered(connection) == {}
        policies.remove_rule(connection, "toko", "r3")
        policies.add_rule(connection, "toko", role="cashier", object="store", action="read", purpose="*")
        assert versions.altered(connection) == {}
    table = models.rule
    for change, found in (
        (update(table).where(table.c.number == 1).values(ends_at=None), "r1"),
        (update(table).where(table.c.number == 3).values(effect="deny"), "r3"),
        (table.delete().where(table.c.number == 2), "cashier order read * allow"),
    ):
        with own_database.connect() as connection:
            connection.execute(change)
            assert found in versions.altered(connection)["toko"]
    with own_database.connect() as connection:  # what came later leaves a gap
        policies.add_rule(connection, "toko", role="cashier", object="shelf", action="read", purpose="*")
        assert versions.altered(connection) == {}
        connection.execute(table.delete().where(table.c.number == 4))
        assert versions.altered(connection) == {"toko": ("r4",)}
        old = content.read(connection, "toko")
        new = replace(old, rules=old.rules[:1])
        order = plan.Order(content=new, shown=plan.compare(old, new), version=0, by="x", source="files")
        plan.apply(connection, "toko", order)
        assert versions.altered(connection) == {}
    with own_database.connect() as connection:
        row = {"tenant_id": "toko", "number": 9, "role": "cashier", "object": "*", "action": "read", "purpose": "*"}
        connection.execute(insert(table).values(**row, effect="allow", since=version))
        assert versions.altered(connection) == {"toko": ("r9",)}
