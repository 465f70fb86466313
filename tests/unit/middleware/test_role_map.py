"""The application's own words for roles."""

from __future__ import annotations

from enum import Enum

import pytest

from amanah import RoleMap, errors
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route

CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing", "support"])
ORDER = route("GET /orders", "order", "read", ["fulfilment"])
ROLES = RoleMap({"pemilik": "owner", "kasir": ["cashier", "support"], 3: "courier"})


def who(member="17", **more):
    return Identity("toko", Actor(member), **more)


def test_a_word_gives_its_roles_and_an_unknown_one_none():
    """Exactly the words of the map; several words give the roles of all of them."""
    assert ROLES("pemilik") == {"owner"}
    assert ROLES("kasir") == {"cashier", "support"}
    assert ROLES("kasir", 3, "tamu") == {"cashier", "support", "courier"}
    for unknown in ("", "Kasir", "kasir ", "owner", "tamu", None):
        assert ROLES(unknown) == frozenset()
    assert ROLES() == frozenset()
    assert ROLES.roles == {"owner", "cashier", "support", "courier"}


def test_an_enumeration_of_the_application_may_be_the_word():
    """Whatever the application's column gives, as long as it can be a key."""
    peran = Enum("peran", "PEMILIK KASIR")
    assert RoleMap({peran.KASIR: "cashier"})(peran.KASIR) == {"cashier"}
    assert RoleMap({peran.KASIR: "cashier"})("KASIR") == frozenset()


@pytest.mark.parametrize(
    "wrong", [{}, None, {"kasir": ""}, {"kasir": []}, {"kasir": "Kasir"}, {"a": "b, c"}, {"a": [1]}]
)
def test_a_map_that_cannot_be_kept_is_refused(wrong):
    """When it is made, not on a request."""
    with pytest.raises(errors.ConfigurationError):
        RoleMap(wrong)


@pytest.mark.anyio
async def test_a_word_that_the_map_lacks_is_no_role(world):
    """The grants do not step in for it: rina is a cashier by grant, and the application's table says otherwise."""
    _, refusal = await world.admission.consider(who("rina", roles=ROLES("tamu")), CUSTOMER, None)
    assert type(refusal) is errors.RoleMissing
    _, refusal = await world.admission.consider(who("rina", roles=ROLES("tamu")), CUSTOMER, "billing")
    assert type(refusal) is errors.Forbidden


@pytest.mark.anyio
async def test_the_map_counts_and_grants_do_not_add_to_it(world):
    """One source: who loses a role in the application's table has lost it, whatever was granted."""
    access = await world.admission.admit(who("rina", roles=ROLES(3)), ORDER, None)
    assert access.roles == {"courier"}
    _, refusal = await world.admission.consider(who("rina", roles=ROLES(3)), CUSTOMER, "billing")
    assert type(refusal) is errors.Forbidden
    assert (await world.admission.admit(who("rina"), CUSTOMER, "billing")).roles == {"cashier"}


@pytest.mark.anyio
@pytest.mark.parametrize("leave", ["suspend_member", "remove_member"])
async def test_a_mapped_role_does_not_revive_a_member(world, leave):
    """An administrator's no in Amanah stands against the application's table."""
    with world.engine.begin() as connection:
        getattr(world.directory, leave)(connection, "toko", "rina")
    _, refusal = await world.admission.consider(who("rina", roles=ROLES("kasir")), CUSTOMER, "billing")
    assert type(refusal) is errors.NotAMember


@pytest.mark.anyio
@pytest.mark.parametrize("role, named", [("dokter-gigi", "dokter-gigi"), ("budi@example.com", "-"), ("x" * 500, "-")])
async def test_a_role_that_the_policy_lacks_is_named_and_refused(world, role, named):
    """Also beside a known one: what the unknown role would deny is not known. What is no name is not repeated."""
    roles = frozenset({"cashier", role})
    _, refusal = await world.admission.consider(who(roles=roles), CUSTOMER, "billing")
    assert type(refusal) is errors.RoleUnknown
    assert refusal.facts["role"] == named
