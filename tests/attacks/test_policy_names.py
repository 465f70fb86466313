"""Names made to be read as something else: separators, the subject of a role set, wildcards."""

from __future__ import annotations

import pytest

from amanah.access_policies.policies import Policies
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.database import bump
from amanah.errors import InvalidInput
from amanah.tenants.directory import Directory

BILLING = "essential.service.payment_processing"

NAMES = [
    "admin, tenantb", "admin,tenantb", "admin,", "a\nb", "a\r", 'a"b', "a'b", " admin", "admin ", "\tadmin", "",
    "set:0123", "set:" + "0" * 32, "*", "a*", "admin#", "a(b)", "[admin]", "Admin", "ädmin", "adm\u0456n", "a" * 65,
    "a\x00b", "category:user", "p, admin", "..", "-",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_other_tools_would_split_is_refused_for_a_role(own_database, name):
    """Neither the register nor a rule nor a grant takes it, and nothing of it is written."""
    policies, directory = Policies(own_database, {}), Directory(own_database)
    with own_database.begin() as connection:
        directory.create_tenant(connection, "toko", "Toko")
        directory.add_member(connection, "toko", "1")
        for write in (
            lambda: policies.add_role(connection, "toko", name),
            lambda: policies.add_rule(connection, "toko", role=name, object="a", action="read", purpose="*"),
            lambda: directory.grant(connection, "toko", "1", name, reason="x", granted_by="platform"),
        ):
            with pytest.raises(InvalidInput):
                write()
        assert directory.grants(connection, "toko") == []
    assert policies.snapshot("toko", 1).roles == frozenset()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"*", "category:user", "Admin"}])
def test_a_name_that_other_tools_would_split_is_refused_for_an_object(own_database, name):
    """The same for objects of rules."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_role(connection, "toko", "cashier")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        for obj in {name, f"customer.{name}", f"category:{name}"}:
            if obj in {"customer.*", "a" * 65, f"customer.{'a' * 65}", f"category:{'a' * 65}"}:
                continue  # these are well formed: a pattern, and names that are only long
            with pytest.raises(InvalidInput):
                policies.add_rule(connection, "toko", role="cashier", object=obj, action="read", purpose="*")


@pytest.mark.parametrize("name", [name for name in NAMES if name != "*"])
def test_a_name_that_other_tools_would_split_is_refused_for_a_purpose_and_an_action(own_database, name):
    """The same for purposes, their aliases, and actions."""
    if name == "a" * 65:
        name *= 2
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_role(connection, "toko", "cashier")
        writes = [
            lambda: policies.add_purpose(connection, "toko", name, legal_basis="contract"),
            lambda: policies.add_rule(connection, "toko", role="cashier", object="a", action=name, purpose="*"),
        ]
        if name:
            writes.append(lambda: policies.add_purpose(connection, "toko", BILLING, alias=name, legal_basis="contract"))
        for write in writes:
            with pytest.raises(InvalidInput):
                write()


def test_roles_that_nobody_registered_do_not_spoil_the_ones_that_are():
    """An app's mapped roles may hold more than the tenant knows; only the known ones count."""
    rules = [Rule(1, "owner", "invoice", "read", "*")]
    snapshot = Snapshot("toko", 1, {"owner": frozenset()}, [Purpose(BILLING, "", "contract")], rules, {})
    assert snapshot.decide(frozenset({"owner", "x, owner"}), "invoice", "read", BILLING).allow
