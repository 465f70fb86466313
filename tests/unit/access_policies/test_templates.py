"""The policies that tenants begin with: who may see what, for which purpose."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from amanah.access_policies import templates
from amanah.access_policies.policies import Policies
from amanah.access_policies.purposes import LEGAL_BASES
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.database import bump, own_engine
from amanah.errors import InvalidInput
from amanah.tenants.names import OWNER

FIELDS = {
    "customer.name": "user.name",
    "customer.phone": "user.contact.phone_number",
    "customer.email": "user.contact.email",
    "customer.address": "user.contact.address.street",
    "customer.nik": "user.government_id.national_identification_number",
    "customer.tax_id": "x.user.government_id.tax_id",
    "customer.bank_account": "user.financial.bank_account",
    "patient.name": "user.name",
    "patient.phone": "user.contact.phone_number",
    "patient.nik": "user.government_id.national_identification_number",
    "patient.birth_date": "user.demographic.date_of_birth",
    "patient.record_number": "user.health_and_medical.record_id",
    "patient.bpjs_number": "user.health_and_medical.insurance_beneficiary_id",
    "visit.complaint": "x.user.health_and_medical.complaint",
    "visit.diagnosis": "x.user.health_and_medical.diagnosis",
    "visit.prescription": "x.user.health_and_medical.prescription",
    "order.phone": "user.contact.phone_number",
    "order.address": "user.contact.address.street",
    "order.latitude": "user.location.precise",
    "account.email": "user.contact.email",
    "account.password_hash": "user.authorization.password",
    "account.display_name": "user.name",
}
MEDICAL = ("patient.record_number", "patient.bpjs_number", "visit.complaint", "visit.diagnosis", "visit.prescription")

CLEAR, MASKED, WITHHELD = "clear", "masked", "withheld"

SIGHTS = [
    # template, role, purpose, field, what is seen
    ("trading", "cashier", "billing", "customer.phone", CLEAR),
    ("trading", "cashier", "billing", "customer.tax_id", CLEAR),
    ("trading", "cashier", "billing", "customer.nik", MASKED),
    ("trading", "cashier", "billing", "customer.bank_account", MASKED),
    ("trading", "cashier", "support", "customer.phone", WITHHELD),
    ("trading", "cashier", "billing", "order.latitude", WITHHELD),
    ("trading", "cashier", "fulfilment", "order.latitude", MASKED),
    ("trading", "support", "support", "customer.phone", MASKED),
    ("trading", "support", "support", "customer.email", MASKED),
    ("trading", "support", "support", "customer.name", MASKED),
    ("trading", "support", "support", "customer.tax_id", WITHHELD),
    ("trading", "support", "support", "customer.nik", WITHHELD),
    ("trading", "support", "billing", "customer.phone", WITHHELD),
    ("trading", "courier", "fulfilment", "order.latitude", CLEAR),
    ("trading", "courier", "fulfilment", "order.address", CLEAR),
    ("trading", "courier", "fulfilment", "order.phone", CLEAR),
    ("trading", "courier", "support", "order.phone", WITHHELD),
    ("trading", "courier", "billing", "order.phone", WITHHELD),
    ("trading", "courier", "fulfilment", "customer.email", WITHHELD),
    ("trading", "accountant", "billing", "customer.bank_account", CLEAR),
    ("trading", "accountant", "billing", "customer.nik", MASKED),
    ("trading", "accountant", "compliance", "customer.nik", CLEAR),
    ("trading", "accountant", "reporting", "customer.name", CLEAR),
    ("trading", "accountant", "reporting", "customer.phone", WITHHELD),
    ("trading", "admin", "security", "account.email", CLEAR),
    ("trading", "admin", "billing", "customer.phone", WITHHELD),
    ("trading", "compliance_officer", "compliance", "customer.phone", MASKED),
    ("trading", "owner", "billing", "customer.phone", CLEAR),
    ("trading", "owner", "support", "customer.phone", MASKED),
    ("clinic", "receptionist", "registration", "patient.nik", CLEAR),
    ("clinic", "receptionist", "registration", "patient.birth_date", CLEAR),
    ("clinic", "receptionist", "registration", "patient.bpjs_number", CLEAR),
    ("clinic", "receptionist", "registration", "visit.diagnosis", WITHHELD),
    ("clinic", "receptionist", "registration", "visit.complaint", WITHHELD),
    ("clinic", "receptionist", "care", "visit.diagnosis", WITHHELD),
    ("clinic", "doctor", "care", "visit.diagnosis", CLEAR),
    ("clinic", "doctor", "care", "visit.prescription", CLEAR),
    ("clinic", "doctor", "care", "patient.nik", MASKED),
    ("clinic", "doctor", "registration", "visit.diagnosis", WITHHELD),
    ("clinic", "doctor", "billing", "visit.diagnosis", WITHHELD),
    ("clinic", "cashier", "billing", "patient.bpjs_number", CLEAR),
    ("clinic", "cashier", "billing", "patient.nik", MASKED),
    ("clinic", "cashier", "billing", "visit.diagnosis", WITHHELD),
    ("clinic", "support", "support", "patient.phone", MASKED),
    ("clinic", "support", "support", "patient.record_number", WITHHELD),
    ("clinic", "owner", "care", "visit.diagnosis", WITHHELD),
    ("blank", "owner", "billing", "customer.phone", WITHHELD),
]

ACTS = [
    # template, role, purpose, resource, action, allowed
    ("trading", "cashier", "billing", "invoice", "create", True),
    ("trading", "cashier", "billing", "invoice", "delete", False),
    ("trading", "cashier", "billing", "product", "read", True),
    ("trading", "cashier", "billing", "purchase", "read", False),
    ("trading", "cashier", "fulfilment", "order", "create", True),
    ("trading", "cashier", "billing", "order", "read", False),
    ("trading", "accountant", "reporting", "report", "read", True),
    ("trading", "accountant", "billing", "purchase", "create", True),
    ("trading", "courier", "fulfilment", "order", "update", True),
    ("trading", "courier", "fulfilment", "order", "create", False),
    ("trading", "courier", "fulfilment", "store", "read", True),
    ("trading", "courier", "fulfilment", "customer", "read", False),
    ("trading", "support", "support", "customer", "update", False),
    ("trading", "support", "support", "order", "read", True),
    ("trading", "owner", "billing", "customer", "delete", True),
    ("trading", "admin", "security", "amanah.member", "create", True),
    ("trading", "admin", "compliance", "amanah.trail", "read", False),
    ("trading", "compliance_officer", "compliance", "amanah.trail", "read", True),
    ("trading", "compliance_officer", "security", "amanah.member", "create", False),
    ("trading", "owner", "compliance", "amanah.trail", "read", True),
    ("clinic", "receptionist", "registration", "patient", "create", True),
    ("clinic", "receptionist", "registration", "visit", "update", False),
    ("clinic", "receptionist", "registration", "queue", "update", True),
    ("clinic", "doctor", "care", "visit", "update", True),
    ("clinic", "doctor", "care", "patient", "update", False),
    ("clinic", "doctor", "billing", "invoice", "read", False),
    ("clinic", "compliance_officer", "compliance", "visit", "read", False),
    ("clinic", "compliance_officer", "compliance", "patient", "read", False),
    ("clinic", "support", "support", "visit", "read", False),
    ("blank", "owner", "security", "amanah.member", "create", True),
    ("blank", "owner", "billing", "invoice", "read", False),
    *((name, "compliance_officer", "authentication", "account", "read", True) for name in templates.names()),
    *((name, "owner", "authentication", "account", "read", True) for name in templates.names()),
    *((name, "admin", "compliance", "amanah.trail", "export", False) for name in templates.names()),
    *((name, "admin", "security", "amanah.sealing", "decrypt", True) for name in templates.names()),
    *((name, "owner", "security", "amanah.sealing", "decrypt", True) for name in templates.names()),
    *((name, "compliance_officer", "security", "amanah.sealing", "decrypt", False) for name in templates.names()),
]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """A snapshot per template, installed in a database and loaded from it."""
    from amanah.database import core

    engine = own_engine(f"sqlite:///{tmp_path_factory.mktemp('templates') / 'app.db'}")
    core.create_all(engine)
    policies = Policies(engine, FIELDS)
    for name in templates.names():
        with engine.begin() as connection:
            bump(connection, name)
            policies.install(connection, name, name)
    yield {name: policies.snapshot(name, 1) for name in templates.names()}
    engine.dispose()


def sight(snapshot, role, purpose, field):
    """Clear, masked or withheld, as the SQL gate asks."""
    known = snapshot.purpose(purpose)
    key = known.key if known else purpose
    for action, seen in (("read", CLEAR), ("read_masked", MASKED)):
        if snapshot.decide(frozenset({role}), field, action, key).allow:
            return seen
    return WITHHELD


@pytest.mark.parametrize(("template", "role", "purpose", "field", "expected"), SIGHTS)
def test_a_role_sees_a_field_as_its_work_needs(snapshots, template, role, purpose, field, expected):
    """Clear, masked or withheld, by role and purpose, as the table says."""
    assert sight(snapshots[template], role, purpose, field) == expected


@pytest.mark.parametrize(("template", "role", "purpose", "resource", "action", "expected"), ACTS)
def test_a_role_does_what_its_work_needs(snapshots, template, role, purpose, resource, action, expected):
    """Allowed or not, by role and purpose, as the table says."""
    key = snapshots[template].purpose(purpose)
    decision = snapshots[template].decide(frozenset({role}), resource, action, key.key if key else purpose)
    assert decision.allow is expected


def test_only_the_doctor_sees_what_is_medical(snapshots):
    """Complaint, diagnosis and prescription: clear for a doctor and for care; for nobody else, not even masked."""
    snapshot = snapshots["clinic"]
    seen = {
        (role, purpose.alias, field)
        for role in snapshot.roles
        for purpose in snapshot.purposes.values()
        for field in MEDICAL[2:]
        if sight(snapshot, role, purpose.key, field) != WITHHELD
    }
    assert seen == {("doctor", "care", field) for field in MEDICAL[2:]}


@pytest.mark.parametrize("template", templates.names())
def test_no_role_sees_a_password(snapshots, template):
    """No role and no purpose opens a password, masked or not."""
    snapshot = snapshots[template]
    for role in snapshot.roles:
        for purpose in snapshot.purposes:
            assert sight(snapshot, role, purpose, "account.password_hash") == WITHHELD


@pytest.mark.parametrize("template", templates.names())
def test_a_template_is_complete(template):
    """An owner and a compliance officer; every purpose with alias, basis and both languages; every role described."""
    content = templates.load(template)
    assert {OWNER, "admin", "compliance_officer"} <= content.roles.keys()
    for purpose in content.purposes:
        assert purpose.alias
        assert purpose.legal_basis in LEGAL_BASES
        assert purpose.description.keys() == {"en", "id"}
    assert all(description.keys() == {"en", "id"} for description in content.descriptions.values())
    assert all("*" not in (rule.object, rule.action) for rule in content.rules)


def test_a_template_is_installed_once(own_database):
    """A tenant that has a policy keeps it."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.install(connection, "toko", "trading")
        assert policies.closure(connection, "toko", "cashier")
        assert not policies.closure(connection, "toko", "doctor")
        with pytest.raises(InvalidInput, match="already"):
            policies.install(connection, "toko", "clinic")


@pytest.mark.parametrize("name", ["hospital", "", "../templates/clinic", "clinic.toml"])
def test_an_unknown_template_is_refused(own_database, name):
    """The message lists the ones that there are."""
    with own_database.begin() as connection, pytest.raises(InvalidInput, match="blank, clinic, trading"):
        Policies(own_database, {}).install(connection, "toko", name)


@pytest.mark.parametrize("name", templates.names())
def test_the_categories_of_a_template_close_nothing_that_its_rules_open(name):
    """What its purposes are registered for is what they need: every role sees what it would see without them."""
    content = templates.load(name)
    parents = {role: frozenset(above) for role, above in content.roles.items()}
    free = tuple(replace(one, categories=()) for one in content.purposes)
    rules = [Rule(number, *rule.words()) for number, rule in enumerate(content.rules, 1)]
    bound, unbound = (Snapshot("t", 1, parents, said, rules, FIELDS) for said in (content.purposes, free))
    for role, field, action in product(content.roles, FIELDS, ("read", "read_masked")):
        for one in content.purposes:
            question = (frozenset({role}), field, action, one.key)
            assert bound.decide(*question).allow == unbound.decide(*question).allow, question


@pytest.mark.parametrize("name", templates.names())
def test_the_purposes_of_a_template_say_how_long_and_who_answers(name):
    """So that the first record of processing has no gaps."""
    for one in templates.load(name).purposes:
        assert one.retention
        assert one.owner
