"""Chains and circles of roles."""

from __future__ import annotations

import pytest

from amanah.access_policies.hierarchy import LONGEST_CHAIN, check_links, dotted_links
from amanah.access_policies.policies import Policies
from amanah.database import bump
from amanah.errors import InvalidInput

BILLING = "essential.service.payment_processing"


@pytest.fixture
def chain(own_database):
    """Policies in which r0 inherits from r1, r1 from r2, … as far as it may, and r8 may read invoices."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.add_purpose(connection, "toko", BILLING, legal_basis="contract")
        for number in range(LONGEST_CHAIN, -1, -1):
            parents = [f"r{number + 1}"] if number < LONGEST_CHAIN else []
            policies.add_role(connection, "toko", f"r{number}", parents=parents)
        policies.add_rule(
            connection, "toko", role=f"r{LONGEST_CHAIN}", object="invoice", action="read", purpose=BILLING
        )
    return policies


def test_the_longest_chain_that_may_be_written_is_followed_to_its_end(chain, own_database):
    """Eight links up, through the subject of the role set, Casbin still finds the rule."""
    snapshot = chain.snapshot("toko", 12)
    assert snapshot.decide(frozenset({"r0"}), "invoice", "read", BILLING).allow


def test_a_chain_of_nine_links_is_refused_when_written(chain, own_database):
    """At either end and from the middle: the link that would make nine is refused, and nothing is written."""
    with own_database.begin() as connection:
        with pytest.raises(InvalidInput, match="more than 8 links"):
            chain.add_role(connection, "toko", "below", parents=["r0"])
        chain.add_role(connection, "toko", "top")
        with pytest.raises(InvalidInput, match="more than 8 links"):
            chain.inherit(connection, "toko", f"r{LONGEST_CHAIN}", "top")
    assert chain.snapshot("toko", 12).roles == {f"r{number}" for number in range(9)} | {"top"}


@pytest.mark.parametrize("role", ["r8", "r5", "r0"])
def test_a_circle_is_refused_when_written(chain, own_database, role):
    """No role inherits from itself, however far round."""
    with own_database.begin() as connection, pytest.raises(InvalidInput, match="circle"):
        chain.inherit(connection, "toko", role, "r0")


def test_inheriting_from_or_by_an_unknown_role_is_refused(chain, own_database):
    """Both ends of a link must be roles of the tenant."""
    with own_database.begin() as connection:
        for role, parent in (("r0", "nobody"), ("nobody", "r0")):
            with pytest.raises(InvalidInput, match="no "):
                chain.inherit(connection, "toko", role, parent)


def test_a_chain_is_measured_whatever_the_order_of_its_links():
    """The length does not depend on which link is looked at first."""
    links = [(f"n{number}", f"n{number + 1}") for number in range(LONGEST_CHAIN + 1)]
    for order in (links, links[::-1], links[4:] + links[:4]):
        check_links([link for link in order if link[0] != "n8"], "test")
        with pytest.raises(InvalidInput):
            check_links(order, "test")


def test_an_extension_hangs_under_what_it_extends():
    """`x.a.b.c` has both `x.a.b` and `a.b` above it, and through them `a`."""
    assert set(dotted_links("x.a.b.c")) == {
        ("x.a.b.c", "x.a.b"),
        ("x.a.b.c", "a.b"),
        ("x.a.b", "x.a"),
        ("x.a.b", "a"),
        ("a.b", "a"),
    }
