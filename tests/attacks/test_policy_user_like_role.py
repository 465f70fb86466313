"""A user who is named like a role: in Casbin's own ``g`` users and roles are one kind of name."""

from __future__ import annotations

import casbin
import pytest

from amanah.access_policies import casbin_files, content
from amanah.access_policies.categories import ANY_ROLE
from amanah.access_policies.judge import MODEL_PATH, subject_of
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.errors import Forbidden
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route

CUSTOMER = route("GET /customers/{id}", "customer", "read", ["billing"])
NAMES = ("owner", "cashier", "*", subject_of(["owner"]), subject_of(["cashier", "staff"]), "role:owner", "OWNER")


def test_in_a_plain_enforcer_such_a_user_has_the_roles_rules(tmp_path):
    """What the defect is: whoever may choose their own name is whom they name."""
    path = tmp_path / "policy.csv"
    path.write_text("p, owner, invoice, read, *, allow\ng, budi, owner\ng3, billing, *\n", "utf-8")
    assert casbin.Enforcer(str(MODEL_PATH), str(path)).enforce("owner", "invoice", "read", "billing")


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_a_member_named_like_a_role_has_no_role(world, name):
    """Users are not put into the enforcer: without a grant there is no rule about them, whatever they are called."""
    with world.engine.begin() as connection:
        world.directory.add_member(connection, "toko", name)
    access, refusal = await world.admission.consider(Identity("toko", Actor(name)), CUSTOMER, "billing")
    assert (access.roles, type(refusal)) == (frozenset(), Forbidden)
    with world.engine.begin() as connection:
        world.directory.grant(connection, "toko", name, "courier", reason="test", granted_by="platform")
    access, refusal = await world.admission.consider(Identity("toko", Actor(name)), CUSTOMER, "billing")
    assert (access.roles, type(refusal)) == (frozenset({"courier"}), Forbidden)


def test_no_user_is_in_the_policy_that_goes_to_casbins_tools(world, tmp_path):
    """An export names roles only, so a user of the same name cannot be meant."""
    with world.engine.connect() as connection:
        policy = content.read(connection, "toko")
    _, path = casbin_files.write(tmp_path / "c", policy, {}, 0)
    links = [line.split(", ")[1:] for line in path.read_text("utf-8").splitlines() if line.startswith("g, ")]
    assert {name for link in links for name in link} <= {*policy.roles, ANY_ROLE}


def test_an_actor_who_claims_the_subject_of_a_role_set_gets_nothing():
    """A mapped role called like the synthetic subject of other people's roles is unknown, and so is `*`."""
    rules = [Rule(1, "owner", "invoice", "read", "*")]
    snapshot = Snapshot("toko", 1, {"owner": frozenset()}, [Purpose("x.billing", "", "contract")], rules, {})
    assert snapshot.decide(frozenset({"owner"}), "invoice", "read", "x.billing").allow
    for claimed in (subject_of(["owner"]), "*", "", "owner ", "OWNER", "owner\n"):
        assert not snapshot.decide(frozenset({claimed}), "invoice", "read", "x.billing").allow
