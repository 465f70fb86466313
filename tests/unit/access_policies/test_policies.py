"""Policies in the database: writing, loading, remembering."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from amanah.access_policies import models
from amanah.access_policies.policies import Policies
from amanah.database import bump, own_engine, version
from amanah.errors import DeclarationError, InvalidInput, PolicyUnavailable, TenantUnknown

FIELDS = {
    "customer.phone": "user.contact.phone_number",
    "customer.name": "user.name",
    "visit.diagnosis": "x.user.health_and_medical.diagnosis",
}
BILLING = "essential.service.payment_processing"
SUPPORT = "essential.service.operations.support"


@pytest.fixture
def policies(own_database):
    """Policies with a tenant "toko": roles staff < cashier, purposes billing and support, no rules."""
    made = Policies(own_database, FIELDS)
    with own_database.begin() as connection:
        bump(connection, "toko")
        made.add_role(connection, "toko", "staff")
        made.add_role(connection, "toko", "cashier", parents=["staff"], description={"en": "Takes payments."})
        made.add_purpose(connection, "toko", BILLING, alias="billing", legal_basis="contract")
        made.add_purpose(connection, "toko", SUPPORT, alias="support", legal_basis="contract")
    return made


def now(engine, tenant="toko"):
    """The tenant's version."""
    with engine.connect() as connection:
        return connection.execute(select(version.c.version).where(version.c.tenant_id == tenant)).scalar_one()


def ask(policies, engine, obj, action="read", purpose=BILLING, roles=("cashier",)):
    """The decision under the policy of this moment."""
    return policies.snapshot("toko", now(engine)).decide(frozenset(roles), obj, action, purpose)


def test_what_no_rule_allows_is_denied_and_a_rule_opens_exactly_that(policies, own_database):
    """One rule opens one object, one action, one purpose, and is named in the decision."""
    assert not ask(policies, own_database, "invoice").allow
    with own_database.begin() as connection:
        rule = policies.add_rule(connection, "toko", role="cashier", object="invoice", action="read", purpose="billing")
    decision = ask(policies, own_database, "invoice")
    assert (decision.allow, decision.rule, decision.version) == (True, rule, now(own_database))
    assert not ask(policies, own_database, "invoice", action="create").allow
    assert not ask(policies, own_database, "invoice", purpose=SUPPORT).allow
    assert not ask(policies, own_database, "invoices").allow
    assert not ask(policies, own_database, "invoice", roles=["staff"]).allow


def test_a_rule_on_a_resource_does_not_open_its_personal_fields(policies, own_database):
    """`customer` is the table; `customer.phone`, `customer.*` and the category are asked and opened separately."""
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", role="cashier", object="customer", action="read", purpose="billing")
    assert ask(policies, own_database, "customer").allow
    assert not ask(policies, own_database, "customer.phone").allow


@pytest.mark.parametrize(
    "obj",
    [
        "customer.phone",
        "customer.*",
        "category:user.contact.phone_number",
        "category:user.contact",
        "category:user",
        "*",
    ],
)
def test_a_field_is_opened_by_itself_its_resource_or_any_category_above_it(policies, own_database, obj):
    """Every level of the hierarchy of objects opens the field below it."""
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", role="cashier", object=obj, action="read", purpose="billing")
    assert ask(policies, own_database, "customer.phone").allow
    assert ask(policies, own_database, "customer.name").allow == (obj in {"customer.*", "category:user", "*"})


@pytest.mark.parametrize("obj", ["category:user.health_and_medical", "category:x.user.health_and_medical"])
def test_an_extension_of_fideslang_belongs_to_the_category_that_it_extends(policies, own_database, obj):
    """`x.user.health_and_medical.diagnosis` is health data, for allowing as for denying."""
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", role="cashier", object="visit.*", action="read", purpose="billing")
        denied = policies.add_rule(
            connection, "toko", role="cashier", object=obj, action="read", purpose="billing", effect="deny"
        )
    decision = ask(policies, own_database, "visit.diagnosis")
    assert (decision.allow, decision.rule) == (False, denied)


def test_reading_and_reading_masked_are_two_questions(policies, own_database):
    """Billing sees the phone number in clear, support masked, on the same row."""
    with own_database.begin() as connection:
        for action, purpose in (("read", "billing"), ("read_masked", "support")):
            policies.add_rule(
                connection, "toko", role="cashier", object="customer.phone", action=action, purpose=purpose
            )
    answers = [
        ask(policies, own_database, "customer.phone", action=action, purpose=purpose).allow
        for action in ("read", "read_masked")
        for purpose in (BILLING, SUPPORT)
    ]
    assert answers == [True, False, False, True]


def test_a_denial_overrides_whatever_allows(policies, own_database):
    """A deny on a parent role, a wider category and every purpose beats an allow on the field itself."""
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", role="cashier", object="customer.phone", action="read", purpose="billing")
        denied = policies.add_rule(
            connection, "toko", role="staff", object="category:user", action="read", purpose="*", effect="deny"
        )
    decision = ask(policies, own_database, "customer.phone")
    assert (decision.allow, decision.rule) == (False, denied)


def test_roles_and_purposes_inherit(policies, own_database):
    """A cashier may what staff may; a rule for a wider purpose covers the ones below it, by dots and by parent."""
    with own_database.begin() as connection:
        policies.add_purpose(connection, "toko", "x.gift", legal_basis="contract", parent=SUPPORT)
        policies.add_rule(connection, "toko", role="staff", object="store", action="read", purpose="essential.service")
    assert ask(policies, own_database, "store").allow
    assert ask(policies, own_database, "store", purpose="x.gift").allow
    assert ask(policies, own_database, "store", purpose=SUPPORT, roles=["staff"]).allow


def test_a_purpose_that_is_not_registered_opens_nothing(policies, own_database):
    """Neither `*` nor an alias, a purpose above the registered ones or an invented one is a request's purpose."""
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", role="cashier", object="*", action="read", purpose="*")
    assert ask(policies, own_database, "invoice").allow
    for purpose in ("*", "billing", "essential.service", "marketing", ""):
        assert not ask(policies, own_database, "invoice", purpose=purpose).allow
    snapshot = policies.snapshot("toko", now(own_database))
    assert snapshot.purpose("billing") == snapshot.purpose(BILLING) == snapshot.purposes[BILLING]
    assert snapshot.purpose("*") is None


def test_a_pattern_is_no_object_of_a_request(policies, own_database):
    """Nobody can ask for `*`, `customer.*` or a category, though rules are written with them."""
    with own_database.begin() as connection:
        for obj in ("*", "customer.*", "category:user"):
            policies.add_rule(connection, "toko", role="cashier", object=obj, action="read", purpose="*")
    for obj in ("*", "customer.*", "category:user", "", "a,b"):
        assert not ask(policies, own_database, obj).allow


def test_a_removed_rule_is_out_of_force_and_its_row_stays(policies, own_database):
    """The next version knows the rule no more; its row tells from which version until which it held."""
    with own_database.begin() as connection:
        rule = policies.add_rule(connection, "toko", role="cashier", object="invoice", action="read", purpose="billing")
    assert ask(policies, own_database, "invoice").allow
    began = now(own_database)
    with own_database.begin() as connection:
        policies.remove_rule(connection, "toko", rule)
        with pytest.raises(InvalidInput, match="in force"):
            policies.remove_rule(connection, "toko", rule)
        again = policies.add_rule(
            connection, "toko", role="cashier", object="invoice", action="create", purpose="billing"
        )
        row = connection.execute(select(models.rule).where(models.rule.c.number == int(rule[1:]))).one()
    assert again != rule
    assert not ask(policies, own_database, "invoice").allow
    assert (row.since, row.until) == (began, began + 1)


@pytest.mark.parametrize("rule_id", ["", "r", "7", "r-1", "r\u0661", "r99999999999999999999", "r1 OR 1=1", "rr1"])
def test_a_rule_id_that_is_none_is_refused(policies, own_database, rule_id):
    """An id that names no rule in force is refused, whatever it looks like."""
    with own_database.begin() as connection, pytest.raises(InvalidInput):
        policies.remove_rule(connection, "toko", rule_id)


@pytest.mark.parametrize(
    "rule",
    [
        {"role": "nobody"},
        {"object": "customer phone"},
        {"object": "category:"},
        {"object": ".*"},
        {"object": "category:user.*"},
        {"action": "*"},
        {"action": "read,create"},
        {"purpose": "x.unknown"},
        {"purpose": "essential.serv"},
        {"effect": "maybe"},
        {"effect": "Allow"},
        {"object": "o" * 161},
    ],
)
def test_a_rule_with_an_unknown_or_malformed_word_is_refused(policies, own_database, rule):
    """Nothing is written that no request could meet or that other tools would read differently."""
    good = {"role": "cashier", "object": "invoice", "action": "read", "purpose": "billing"}
    with own_database.begin() as connection, pytest.raises(InvalidInput):
        policies.add_rule(connection, "toko", **{**good, **rule})
    assert policies.snapshot("toko", now(own_database)).rules == ()


def test_the_same_rule_twice_is_refused(policies, own_database):
    """A duplicate would make the deciding rule ambiguous."""
    rule = {"role": "cashier", "object": "invoice", "action": "read", "purpose": "billing"}
    with own_database.begin() as connection:
        policies.add_rule(connection, "toko", **rule)
        with pytest.raises(InvalidInput, match="already"):
            policies.add_rule(connection, "toko", **rule)


def test_purposes_are_checked_when_written(policies, own_database):
    """Unknown legal bases, doubled keys and aliases, names with separators and circles are refused."""
    bad = [
        {"key": "x.new", "legal_basis": "because"},
        {"key": BILLING, "legal_basis": "contract"},
        {"key": "x.new", "legal_basis": "contract", "alias": "billing"},
        {"key": "x.new", "legal_basis": "contract", "alias": BILLING},
        {"key": "x new", "legal_basis": "contract"},
        {"key": "*", "legal_basis": "contract"},
        {"key": "x.new", "legal_basis": "contract", "parent": "x.new"},
        {"key": "a.b.c.d.e.f.g.h.i.j", "legal_basis": "contract"},
    ]
    for purpose in bad:
        with own_database.begin() as connection, pytest.raises(InvalidInput):
            policies.add_purpose(connection, "toko", **purpose)
    assert set(policies.snapshot("toko", now(own_database)).purposes) == {BILLING, SUPPORT}


def test_a_snapshot_is_remembered_by_version_and_replaced_by_the_next(policies, own_database):
    """`cached` gives the exact version without a database, and nothing for any other."""
    first = policies.snapshot("toko", now(own_database))
    assert policies.cached("toko", first.version) is first
    assert policies.snapshot("toko", first.version) is first
    with own_database.begin() as connection:
        policies.add_role(connection, "toko", "courier")
    assert policies.cached("toko", now(own_database)) is None
    second = policies.snapshot("toko", now(own_database))
    assert second.roles == first.roles | {"courier"}
    assert policies.cached("toko", first.version) is None
    assert policies.snapshot("toko", first.version).version == second.version


def test_snapshots_in_memory_are_bounded(own_database):
    """The least recently used tenant's snapshot goes when there is one too many."""
    policies = Policies(own_database, {}, capacity=2)
    with own_database.begin() as connection:
        for tenant in ("a", "b", "c"):
            bump(connection, tenant)
    policies.snapshot("a", 1)
    policies.snapshot("b", 1)
    policies.cached("a", 1)
    policies.snapshot("c", 1)
    assert [policies.cached(tenant, 1) is not None for tenant in ("a", "b", "c")] == [True, False, True]


def test_a_version_that_is_not_there_yet_is_unavailable(policies, own_database):
    """A policy older than the one asked for is never served."""
    with pytest.raises(PolicyUnavailable):
        policies.snapshot("toko", now(own_database) + 1)


def test_an_unknown_tenant_has_no_policy(policies):
    """No version means no tenant."""
    with pytest.raises(TenantUnknown):
        policies.snapshot("nobody", 0)


def test_a_database_that_cannot_be_read_is_unavailable(tmp_path):
    """Missing tables are an error of their own class, never an empty policy."""
    engine = own_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(PolicyUnavailable):
        Policies(engine, {}).snapshot("toko", 1)
    engine.dispose()


def test_a_row_that_does_not_load_makes_the_policy_unavailable(policies, own_database):
    """A register that somebody broke by SQL opens nothing."""
    with own_database.begin() as connection:
        connection.execute(update(models.purpose).values(description=7))
        bump(connection, "toko")
    with pytest.raises(PolicyUnavailable):
        policies.snapshot("toko", now(own_database))


def test_tenants_policies_stay_apart(policies, own_database):
    """Roles, purposes and rules of the same names in two tenants decide separately."""
    with own_database.begin() as connection:
        bump(connection, "klinik")
        policies.add_role(connection, "klinik", "cashier")
        policies.add_purpose(connection, "klinik", BILLING, legal_basis="contract")
        policies.add_rule(connection, "klinik", role="cashier", object="*", action="read", purpose="*")
    assert not ask(policies, own_database, "invoice").allow
    assert policies.snapshot("klinik", 4).decide(frozenset({"cashier"}), "invoice", "read", BILLING).allow


@pytest.mark.parametrize(
    "fields",
    [
        {"phone": "user.contact"},
        {"customer.phone": "user contact"},
        {"customer.*": "user.contact"},
        {"customer.phone": "a.b.c.d.e.f.g.h.i.j"},
    ],
)
def test_a_field_or_category_that_cannot_be_judged_is_refused_at_declaration(own_database, fields):
    """A hierarchy that Casbin would not follow to its end never gets as far as a request."""
    with pytest.raises(DeclarationError):
        Policies(own_database, fields)


def test_new_declarations_forget_old_decisions(policies, own_database):
    """A field that is declared later is judged by its category from then on."""
    with own_database.begin() as connection:
        policies.add_rule(
            connection, "toko", role="cashier", object="category:user.payment", action="read", purpose="billing"
        )
    assert not ask(policies, own_database, "invoice.card").allow
    policies.fields = {**FIELDS, "invoice.card": "user.payment"}
    assert ask(policies, own_database, "invoice.card").allow


def test_an_explanation_names_the_rule_or_what_is_missing(policies, own_database):
    """For a yes the rule; for a no the least role that may, the purposes that do, and the rule to paste."""
    with own_database.begin() as connection:
        policies.add_role(connection, "toko", "accountant", parents=["cashier"])
        policies.add_rule(connection, "toko", role="cashier", object="customer.phone", action="read", purpose="billing")
        policies.add_rule(
            connection, "toko", role="staff", object="customer.phone", action="read_masked", purpose="billing"
        )
        policies.add_rule(connection, "toko", role="accountant", object="report", action="read", purpose="billing")
        policies.add_rule(connection, "toko", role="staff", object="customer.phone", action="read", purpose="support")
    snapshot = policies.snapshot("toko", now(own_database))
    yes = snapshot.explain(frozenset({"cashier"}), "customer.phone", "read", BILLING)
    assert (yes.allow, yes.rule.role, yes.missing_grant, yes.missing_rule) == (True, "cashier", None, None)
    no = snapshot.explain(frozenset({"staff", "pilot"}), "customer.phone", "read", BILLING)
    assert (no.allow, no.rule, no.masked) == (False, None, True)
    assert no.roles_that_may == ("cashier", "accountant")
    assert no.missing_grant == "cashier"
    assert no.purposes_that_do == (SUPPORT,)
    assert no.unknown_roles == ("pilot",)
    assert no.missing_rule == {"role": "staff", "object": "customer.phone", "action": "read", "purpose": BILLING}
    assert not snapshot.explain(frozenset({"staff"}), "customer.phone", "read", "x.none").purpose_known


def test_an_explanation_of_a_denial_suggests_no_further_grant(policies, own_database):
    """Where a rule denies, another role would not help, and none is suggested."""
    with own_database.begin() as connection:
        policies.add_role(connection, "toko", "accountant")
        policies.add_rule(connection, "toko", role="accountant", object="invoice", action="read", purpose="billing")
        policies.add_rule(
            connection, "toko", role="cashier", object="invoice", action="read", purpose="billing", effect="deny"
        )
    found = policies.snapshot("toko", now(own_database)).explain(frozenset({"cashier"}), "invoice", "read", BILLING)
    assert (found.allow, found.rule.effect, found.missing_grant, found.missing_rule) == (False, "deny", None, None)


def test_many_rules_are_added_at_once_or_none_of_them(policies, own_database):
    """One that is wrong takes the others with it; aliases become keys, as with a single rule."""
    rules = [("cashier", "invoice", action, "billing", "allow") for action in ("read", "create")]
    with own_database.begin() as connection:
        with pytest.raises(InvalidInput):
            policies.add_rules(connection, "toko", [*rules, ("nobody", "invoice", "read", "billing", "allow")])
        assert policies.add_rules(connection, "toko", rules) == ["r1", "r2"]
    assert ask(policies, own_database, "invoice", action="create").rule == "r2"
    assert not ask(policies, own_database, "invoice", action="create", purpose=SUPPORT).allow


def test_a_purpose_is_added_with_all_that_the_register_says(policies, own_database):
    """Categories, recipients, retention, owner and review, as from files; what is wrong with them is refused."""
    facts = {"categories": ["user.contact"], "recipients": ["bank"], "retention": "365", "owner": "finance"}
    with own_database.begin() as connection:
        policies.add_purpose(connection, "toko", "x.gift", legal_basis="consent", review_at="2030-01-31", **facts)
    with own_database.begin() as connection:
        number = bump(connection, "toko")
    found = policies.snapshot("toko", number).purposes["x.gift"]
    assert (found.categories, found.recipients) == (("user.contact",), ("bank",))
    assert (found.retention, found.owner, found.review_at) == ("365", "finance", "2030-01-31")
    for wrong in ({"categories": ["no category"]}, {"review_at": "soon"}, {"recipients": [" "]}, {"owner": "a\nb"}):
        with own_database.begin() as connection, pytest.raises(InvalidInput):
            policies.add_purpose(connection, "toko", "x.wrong", legal_basis="contract", **wrong)
