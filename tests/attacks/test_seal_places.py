"""Attack: move, damage or plant sealed values in the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from amanah.errors import KeyUnknown, SubjectSecretMissing, Tampered
from amanah.testing import trail_of

ATTACKS = {
    "rows swapped": (
        "UPDATE customer SET phone = (SELECT phone FROM customer c WHERE c.id = 'siti') WHERE id = 'budi'",
        "phone",
    ),
    "columns swapped": ("UPDATE customer SET phone = name WHERE id = 'budi'", "phone"),
    "from another tenant": (
        "UPDATE customer SET phone = (SELECT phone FROM customer c WHERE c.id = 'tono') WHERE id = 'budi'",
        "phone",
    ),
    "given to another tenant": ("UPDATE customer SET tenant_id = 'b' WHERE id = 'siti'", None),
    "key changed": ("UPDATE customer SET id = 'other' WHERE id = 'siti'", None),
    "truncated": ("UPDATE customer SET phone = substr(phone, 1, 20) WHERE id = 'budi'", "phone"),
    "emptied": ("UPDATE customer SET phone = substr(phone, 1, 0) WHERE id = 'budi'", "phone"),
    "plaintext planted": ("UPDATE customer SET phone = CAST('0812' AS {bytes}) WHERE id = 'budi'", "phone"),
    "a place planted": (
        "UPDATE customer SET phone = CAST('14:customer.phone,1:a,4:siti,' AS {bytes}) || phone WHERE id = 'budi'",
        "phone",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_value_that_is_not_where_it_was_sealed_is_never_shown(books: Any, attack: str) -> None:
    """Reading it raises; no other value, no ciphertext and no None comes back instead."""
    m = books.m
    sql, _ = ATTACKS[attack]
    books.stored("DELETE FROM invoice")
    books.stored(sql.replace("{bytes}", "BLOB" if "sqlite" in books.url else "BYTEA"))
    tenant = "b" if "tenant_id" in sql else "a"
    with books.session(tenant) as session, pytest.raises((Tampered, KeyUnknown, SubjectSecretMissing)):
        session.execute(select(m.Customer)).all()
    with books.session(tenant) as session, pytest.raises((Tampered, KeyUnknown, SubjectSecretMissing)):
        session.execute(select(m.Customer.__table__.c.phone, m.Customer.__table__.c.name)).all()


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_value_that_does_not_open_is_in_the_trail(books: Any, swallowed: bool) -> None:
    """With its row and column, also where the handler takes the error for its own."""
    books.stored("UPDATE customer SET phone = (SELECT phone FROM customer c WHERE c.id = 'siti') WHERE id = 'budi'")
    try:
        with books.session() as session:
            try:
                session.execute(select(books.m.Customer.phone)).all()
            except Tampered:
                if not swallowed:
                    raise
    except Tampered:
        assert not swallowed
    (entry,) = [one for one in trail_of(books.guard, "a") if one.kind == "refusal"]
    assert entry.refusal == "tampered"
    assert ("budi",) in [what.rows for what in entry.what if what.columns == ("phone",)]


def test_a_key_that_is_no_text_is_damage(books: Any) -> None:
    """A row's key of bytes that are no UTF-8, where the database keeps such: damage, and in the trail."""
    if "postgresql" in books.url:
        pytest.skip("PostgreSQL keeps no such text")
    books.stored("UPDATE customer SET id = CAST(x'ff' AS TEXT) WHERE id = 'budi'")
    with books.session() as session, pytest.raises(Tampered):
        session.execute(select(books.m.Customer.phone)).all()
    (entry,) = [one for one in trail_of(books.guard, "a") if one.kind == "refusal"]
    assert entry.refusal == "tampered"
    assert ("phone",) in [what.columns for what in entry.what]


def test_another_key_file_opens_nothing(books: Any) -> None:
    """A key ring whose provider holds other keys cannot unwrap the tenant's: an error of its own, and no data."""
    from amanah.encryption.file_provider import FileKeyProvider
    from amanah.encryption.keyring import Keyring
    from amanah.errors import AmanahError

    path = books.guard.settings.key_file.with_name("wrong.json")
    ring = Keyring(books.guard.engine, FileKeyProvider.create(path))
    with pytest.raises(AmanahError):
        ring.cipher("a")


def test_what_lies_in_the_database_is_no_plaintext(books: Any) -> None:
    """Neither in the sealed column nor in its search column, nor in the entries of the writes."""
    cells = [
        bytes(cell) for row in books.stored("SELECT name, phone, email, phone_ix FROM customer") for cell in row if cell
    ]
    for part in (b"Budi", b"0812", b"3456", b"example"):
        assert not [cell for cell in cells if part in cell]
    bodies = str(books.stored("SELECT body FROM amanah_staged"))
    assert "Budi" not in bodies
    assert "3456" not in bodies


def test_the_same_value_is_sealed_differently_and_searched_per_tenant(books: Any) -> None:
    """Budi and Tono share a number; neither ciphertext nor token says so."""
    rows = books.stored("SELECT phone, phone_ix FROM customer WHERE id IN ('budi', 'tono')")
    assert bytes(rows[0][0]) != bytes(rows[1][0])
    assert bytes(rows[0][1]) != bytes(rows[1][1])
