"""Rules that name the mask: what may be written, which mask is shown, and what nobody knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah.access_policies import casbin_files, content, plan, templates
from amanah.access_policies.declared import Declared
from amanah.access_policies.masks import TELLS, at_least_as_strict, strictest
from amanah.access_policies.policies import Policies
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.database import bump, version_of
from amanah.errors import InvalidInput, PolicyFileWrong

BILLING = "essential.service.payment_processing"
PHONE = "customer.phone"
FIELDS = {PHONE: "user.contact.phone_number", "customer.born": "user.demographic.date_of_birth"}
FITTING = {(PHONE, "last4"), (PHONE, "hash"), (PHONE, "dots"), ("customer.born", "year")}


def fits(field, mask):
    """A telephone number whose own mask is last4, and a date."""
    return (field, mask) in FITTING


def snapshot(*rules, fits=fits):
    """A policy of these rules; support inherits from staff."""
    parents = {"staff": frozenset(), "support": frozenset({"staff"})}
    numbered = [replace(rule, number=number) for number, rule in enumerate(rules, 1)]
    return Snapshot("toko", 1, parents, [Purpose(BILLING, "", "contract")], numbered, FIELDS, fits=fits)


def rule(mask="", role="support", object=PHONE, effect="allow"):  # noqa: A002 - as rules say it
    """One that lets see masked."""
    return Rule(0, role, object, "read_masked", BILLING, effect, mask=mask)


def seen(found, role="support"):
    """The answer to who wants to see the number masked."""
    return found.decide(frozenset({role}), PHONE, "read_masked", BILLING)


def test_a_rule_that_names_a_mask_decides_how_it_is_shown():
    """And is the one that the decision names; without a mask it is the column's own."""
    assert (seen(snapshot(rule())).mask, seen(snapshot(rule())).rule) == ("", "r1")
    decision = seen(snapshot(rule(role="staff"), rule("dots")))
    assert (decision.allow, decision.mask, decision.rule) == (True, "dots", "r2")


@pytest.mark.parametrize("order", [("last4", "hash", "dots"), ("dots", "hash", "last4"), ("hash", "dots", "last4")])
def test_of_several_the_strictest_is_shown_in_whatever_order(order):
    """Also where one of them is inherited, or speaks of a whole category."""
    places = [{"role": "staff"}, {"object": "category:user.contact"}, {}]
    rules = [rule(mask, **place) for mask, place in zip(order, places, strict=True)]
    assert seen(snapshot(*rules)).mask == "dots"
    assert seen(snapshot(*rules)).rule == f"r{order.index('dots') + 1}"
    assert seen(snapshot(*rules), "staff").mask == order[0]


@pytest.mark.parametrize("unknown", ["year", "newer"])
@pytest.mark.parametrize("beside", [(), ("",), ("dots",)])
def test_a_mask_that_this_process_does_not_know_withholds_the_value(unknown, beside):
    """Whatever other rules would show: the unknown one may be stricter. The decision names the rule."""
    decision = seen(snapshot(*map(rule, beside), rule(unknown)))
    assert (decision.allow, decision.mask, decision.rule) == (False, "", f"r{len(beside) + 1}")
    assert not seen(snapshot(rule("dots"), fits=lambda _field, _mask: False)).allow


def test_a_process_without_declarations_knows_no_mask():
    """The default opens nothing."""
    found = Snapshot("t", 1, {"support": frozenset()}, [Purpose(BILLING, "", "contract")], [rule("dots")], FIELDS)
    assert not seen(found).allow


def test_a_denial_stays_a_denial_and_no_other_action_has_a_mask():
    """Masks are no effect: they change nothing about whether."""
    assert not seen(snapshot(rule("dots"), rule(effect="deny"))).allow
    clear = Rule(0, "support", PHONE, "read", BILLING)
    decision = snapshot(clear, rule("dots")).decide(frozenset({"support"}), PHONE, "read", BILLING)
    assert (decision.allow, decision.mask) == (True, "")


def test_an_explanation_names_the_mask():
    """For who may not read it in clear, and for who asks about the mask itself."""
    found = snapshot(rule("hash"))
    explained = found.explain(frozenset({"support"}), PHONE, "read", BILLING)
    assert (explained.allow, explained.masked, explained.mask) == (False, True, "hash")
    explained = found.explain(frozenset({"support"}), PHONE, "read_masked", BILLING)
    assert (explained.allow, explained.masked, explained.mask) == (True, False, "hash")


def test_strictness_is_how_much_a_mask_shows():
    """Nothing, which are equal, a part; of two parts neither is the stricter one."""
    for name, shows in TELLS.items():
        assert at_least_as_strict(name, name)
        assert at_least_as_strict(name, None) == (shows == 0)
        assert at_least_as_strict(name, "constant:x") == (shows == 0)
        assert at_least_as_strict(name, "initials") == (shows < 2 or name == "initials")
    assert not at_least_as_strict("newer", "last4")
    assert strictest(TELLS) == "dots"
    assert strictest({"last4", "hash"}) == "hash"


# -- writing -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def policies(own_database):
    """Policies with a tenant "toko", a role and a purpose."""
    made = Policies(own_database, FIELDS, fits=fits)
    with own_database.begin() as connection:
        bump(connection, "toko")
        made.add_role(connection, "toko", "support")
        made.add_purpose(connection, "toko", BILLING, alias="billing", legal_basis="contract")
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        {"mask": "lastfour"},
        {"mask": "constant:Budi"},
        {"mask": "Dots"},
        {"mask": None},
        {"mask": "dots", "action": "read"},
        {"mask": "dots", "effect": "deny"},
        {"mask": "dots", "object": "customer"},
        {"mask": "dots", "object": "customer.*"},  # the date
        {"mask": "dots", "object": "*"},
        {"mask": "dots", "object": "category:user"},
        {"mask": "dots", "object": "order.note"},  # nobody declared it
        {"mask": "initials"},  # shows another part than the column's own
        {"mask": "year"},
    ],
)
def test_a_mask_that_is_none_or_does_not_fit_is_refused_when_written(policies, own_database, wrong):
    """Known, of the type of every column under the object, and no clearer than their own. Nothing is written."""
    said = {"role": "support", "object": PHONE, "action": "read_masked", "purpose": "billing", **wrong}
    with own_database.begin() as connection, pytest.raises(InvalidInput):
        policies.add_rule(connection, "toko", **said)
    with own_database.connect() as connection:
        assert content.read(connection, "toko").rules == ()


@pytest.mark.parametrize("about", [PHONE, "category:user.contact"])
def test_a_rule_comes_back_with_its_mask(policies, own_database, about):
    """In the snapshot, the content and the version that is kept."""
    with own_database.begin() as connection:
        policies.add_rule(
            connection, "toko", role="support", object=about, action="read_masked", purpose="billing", mask="hash"
        )
        found = content.read(connection, "toko")
        version = version_of(connection, "toko")
    assert [one.words()[-1] for one in found.rules] == ["mask=hash"]
    assert content.restored(found.stored()) == found
    assert seen(policies.snapshot("toko", version)).mask == "hash"
    assert not seen(Policies(own_database, FIELDS).snapshot("toko", version)).allow


def wanted():
    """The template with a mask for one field, beside the rule that shows the column's own."""
    made = templates.load("trading")
    own = Rule(0, "courier", PHONE, "read_masked", made.purposes[0].key)
    return replace(made, rules=(*made.rules, own, replace(own, mask="hash")))


def test_files_and_plans_name_the_mask(tmp_path, own_database):
    """Read as written; a plan is carried out only for a guard that knows the mask; only the same rule stays."""
    write_folder(tmp_path, wanted())
    assert read_folder(tmp_path) == wanted()
    assert 'mask = "hash"' in (tmp_path / "rules.toml").read_text()
    with own_database.begin() as connection:
        bump(connection, "toko")
        version = version_of(connection, "toko")
        shown = plan.compare(content.read(connection, "toko"), wanted())
    order = plan.Order(content=wanted(), shown=shown, version=version, by="operator:ops", source="files")
    for declared in (Declared(), Declared(FIELDS), Declared(FIELDS, fits=lambda _, mask: mask != "hash")):
        with pytest.raises(InvalidInput, match="hash"), own_database.begin() as connection:
            plan.apply(connection, "toko", replace(order, declared=declared))
    with own_database.begin() as connection:
        plan.apply(connection, "toko", replace(order, declared=Declared(FIELDS, fits=fits)))
        assert content.read(connection, "toko") == wanted()


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ('actions = ["read_masked"]\nmask = "lastfour"\n', "no mask that a rule can name"),
        ('actions = ["read"]\nmask = "dots"\n', "allows read_masked"),
        ('actions = ["read_masked"]\neffect = "deny"\nmask = "dots"\n', "allows read_masked"),
        ('actions = ["read_masked"]\nmask = 4\n', "mask is a text"),
    ],
)
def test_a_mask_that_cannot_be_taken_is_told_with_file_and_line(tmp_path, rest, told):
    """Without any guard."""
    write_folder(tmp_path, templates.load("trading"))
    head = '[[rule]]\nrole = "courier"\nobjects = ["customer.phone"]\npurposes = ["billing"]\n'
    (tmp_path / "more.toml").write_text(f"\n{head}{rest}", "utf-8")
    with pytest.raises(PolicyFileWrong, match=told) as caught:
        read_folder(tmp_path)
    assert caught.value.facts["place"] == f"{tmp_path / 'more.toml'}:2"


def test_a_mask_survives_casbins_files(tmp_path):
    """They say that somebody may see it masked; how is kept in the rule, which an import leaves as it is."""
    only = replace(wanted(), rules=wanted().rules[-1:])
    for mine in (wanted(), only):
        folder = tmp_path / str(len(mine.rules))
        _, policy = casbin_files.write(folder, mine, {}, 0)
        assert f"p, courier, {PHONE}, read_masked, " in policy.read_text()
        assert casbin_files.read(folder, mine, {}) == mine
