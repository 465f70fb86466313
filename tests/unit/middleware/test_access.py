"""The ticket: what it may, whose it is, and its end."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sqlalchemy import select

from amanah.errors import AccessClosed, AccessRequired, Forbidden, KeysUnavailable
from amanah.middleware.access import Access, Sight, current, open_access, require


def test_an_access_without_policy_may_nothing() -> None:
    """No snapshot, no purpose, no keys: no."""
    access = Access(kind="request", tenant="a")
    assert not access.may("customer", "read").allow
    with pytest.raises(Forbidden):
        access.demand("customer", "read")
    with pytest.raises(KeysUnavailable):
        _ = access.cipher


def test_a_closed_access_answers_nothing(empty_books: Any) -> None:
    """Decisions, remembered sights and keys end with it, for whoever kept it."""
    field = empty_books.guard.register.tables["customer"].fields["phone"]
    with empty_books.access() as access:
        assert access.sight(field) is Sight.CLEAR
        assert current() is access
        assert require("customer") is access
    for question in (
        lambda: access.may("customer", "read"),
        lambda: access.sight(field),
        lambda: access.cipher,
        lambda: open_access(access).__enter__(),
    ):
        with pytest.raises(AccessClosed):
            question()
    assert current() is None
    with pytest.raises(AccessRequired):
        require("customer")


def test_the_context_is_reset_whatever_happens() -> None:
    """An exception in the block leaves no access behind; a nested block gives the outer one back."""
    outer, inner = Access(kind="public"), Access(kind="public")
    with open_access(outer):
        with pytest.raises(ValueError, match="boom"), open_access(inner):
            raise ValueError("boom")
        assert inner.closed
        assert current() is outer
    assert current() is None


def test_an_entry_seals_what_is_personal_about_the_actor(empty_books: Any) -> None:
    """Reason, address and browser are sealed; the address is findable by token; the name of the kind shows nothing."""
    with empty_books.access() as access:
        access.ip = "203.0.113.9"
        entry = access.entry("access", "answered", status=200)
        assert set(entry.sealed) == {"ip", "reason"}
        assert b"203.0.113.9" not in base64.b64decode(entry.sealed["ip"])
        assert entry.tokens["ip"] == access.cipher.token("trail.ip", b"203.0.113.9").hex()
        assert "boss" not in repr(access)


def test_a_sight_is_a_decision_of_its_own(empty_books: Any) -> None:
    """Clear, masked and withheld, by two questions to the tenant's policy."""
    fields = empty_books.guard.register.tables["customer"].fields
    with empty_books.access(actor="masker") as access:
        assert access.sight(fields["phone"]) is Sight.MASKED
        assert access.sight(fields["name"]) is Sight.WITHHELD


def test_what_opens_a_column_is_remembered_until_its_sight_or_keys_change(empty_books: Any) -> None:
    """A narrowed access shows a mask from the next cell on, renewed keys are used at once, a closed one holds none."""
    books = empty_books
    with books.session() as session:
        session.add(books.m.Customer(id="budi", name="Budi", phone="0812 3456 7890"))
        session.commit()
    field = books.guard.register.tables["customer"].fields["phone"]
    query = select(books.m.Customer.__table__.c.phone)
    with books.access() as access, books.engine.connect() as connection:
        assert connection.execute(query).scalar_one() == "0812 3456 7890"
        first = access.ways[field]
        assert connection.execute(query).scalar_one() == "0812 3456 7890"
        assert access.ways[field] is first
        access._renew_at = 0
        access.renew()
        assert field not in access.ways
        assert connection.execute(query).scalar_one() == "0812 3456 7890"
        access.narrow([field])
        assert connection.execute(query).scalar_one() == "•••• 7890"
    assert not access.ways
    with pytest.raises(AccessClosed):
        access.way(field)


def test_what_was_remembered_of_a_policy_goes_with_it():
    """An access that lasts sees a column by the mask of today's rules, and not by one of yesterday's."""
    from amanah.access_policies.purposes import Purpose
    from amanah.access_policies.rules import Rule
    from amanah.access_policies.snapshot import Snapshot

    class Phone:
        name, platform, sealed = "customer.phone", False, True

        def mask(self):
            """The column's own."""

        def mask_by(self, name):
            return name or self.mask

    def policy(mask):
        rule = Rule(1, "cashier", "customer.phone", "read_masked", "x", "allow", mask=mask)
        fields = {"customer.phone": "user.contact.phone_number"}
        purposes = [Purpose("x", "x", "contract", {}, "")]
        parents = {"cashier": frozenset()}
        return Snapshot("t", 1, parents, purposes, [rule], fields, fits=lambda _field, _mask: True)

    phone = Phone()
    access = Access(kind="request", roles=frozenset({"cashier"}), purpose="x", snapshot=policy("dots"))
    assert (access.sight(phone), access.mask(phone)) == (Sight.MASKED, "dots")
    access.policy_changed(policy(""))
    assert (access.sight(phone), access.mask(phone)) == (Sight.MASKED, phone.mask)
    access.policy_changed(None)
    assert access.sight(phone) is Sight.WITHHELD
