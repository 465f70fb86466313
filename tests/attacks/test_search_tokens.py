"""Attack: compare search tokens, with the database in hand and no key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from amanah.encryption.index_keys import add_index_key

PHONE = "0812 3456 7890"


def test_equal_values_of_two_tenants_have_no_equal_tokens(books: Any) -> None:
    """Not in one column nor across the two, before, while and after a key is exchanged."""
    guard = books.guard
    cells = "SELECT tenant_id, phone_ix, phone_ix2 FROM customer WHERE id IN ('budi', 'tono')"

    def compare() -> None:
        tokens: dict[str, set[bytes]] = {"a": set(), "b": set()}
        for tenant, *stored in books.stored(cells):
            tokens[tenant] |= {bytes(one) for one in stored if one is not None}
        assert tokens["a"]
        assert tokens["b"]
        assert not tokens["a"] & tokens["b"]
        for domain in ("phone", "customer.email"):
            ciphers = [guard.keyring.cipher(tenant) for tenant in ("a", "b", "platform")]
            made = [token for one in ciphers for token in one.slots(domain, b"+6281234567890") if token is not None]
            assert len(set(made)) == len(made)

    compare()
    with guard.engine.begin() as connection:
        add_index_key(connection, guard.provider, "a")
    guard.keyring.forget("a")
    with books.session() as session:
        session.get(books.m.Customer, ("a", "budi")).phone = "+62 812 3456 7890"
        session.commit()
    compare()
    both = books.stored("SELECT phone_ix, phone_ix2 FROM customer WHERE id = 'budi'")[0]
    assert None not in both
    assert both[0] != both[1]


def test_a_marked_literal_turns_no_search_into_another(books: Any) -> None:
    """Text that an attacker sends is a parameter, and never part of what is rewritten."""
    c = books.m.Customer
    marked = "x_ix/*amanah:tenant*/"
    with books.session() as session:
        session.execute(insert(c), [{"id": "eve", "name": marked, "phone": "0815 0000 0000", "note": marked}])
        session.commit()
        assert session.scalars(select(c.id).where(c.note == marked, c.phone == "0815 0000 0000")).all() == ["eve"]
        assert session.scalar(select(c.name).where(c.id == "eve")) == marked
