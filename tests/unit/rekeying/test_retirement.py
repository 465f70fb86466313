"""`amanah keys retire`: versions of the data key that are refused from then on, through the ORM as well."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from amanah.encryption.models import key as key_table
from amanah.encryption.netstrings import netstring
from amanah.errors import InvalidInput, KeyNotSettled, KeyRetired, KeyStillUsed, KeyUnknown, Tampered
from amanah.rekeying.keys import rotate_data, rotate_tenant
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import retire
from tests.rekeying_world import OPS, acts, age, another_process, keys, new_data_keys

TRAIL = netstring("trail.ip", "event")


def phone(books):
    """Budi's, as the application reads it."""
    with books.session() as session:
        return session.scalar(select(books.m.Customer.phone).where(books.m.Customer.id == "budi"))


def test_a_retired_version_is_refused_and_the_trail_stays_readable(books):
    """A value of it that is put back is an error of its own; what the trail sealed under it opens; all else goes on."""
    guard = books.guard
    old = books.stored("SELECT phone FROM customer WHERE id = 'budi'")[0][0]
    entry = guard.keyring.cipher("a").seal("trail.ip", TRAIL, b"203.0.113.9")
    new_data_keys(guard)
    assert phone(books) == "0812 3456 7890"  # until it is retired
    with pytest.raises(KeyStillUsed) as told:
        retire(guard, "a", 2, operator=OPS)
    assert "customer.phone" in told.value.facts["columns"]
    reencrypt(guard, operator=OPS)
    done = retire(guard, "a", 2, operator=OPS)
    assert (done.versions, done.lost, done.lowered) == ([1], {}, False)
    assert acts(guard, "a")[-1] == {"act": "keys.retire", "min_version": 2}
    assert phone(books) == "0812 3456 7890"

    books.stored("UPDATE customer SET phone = :old WHERE id = 'budi'", old=old)
    with pytest.raises(KeyRetired):
        phone(books)
    for cipher in (guard.keyring.cipher("a"), another_process(guard).cipher("a")):
        assert cipher.open("trail.ip", TRAIL, entry) == b"203.0.113.9"
        with pytest.raises(KeyRetired):
            cipher.key(1)
    assert [row.retired_at is None for row in keys(guard, "a", "data")] == [False, True]
    assert [row.retired_at for row in keys(guard, "b", "data")] == [None, None]
    rotate_tenant(guard, ["a"], operator=OPS)  # takes the retired ones along
    assert another_process(guard).cipher("a").open("trail.ip", TRAIL, entry) == b"203.0.113.9"


def test_it_can_be_forced_and_taken_back_with_a_reason(books):
    """Values that are left do not open, and open again once the minimum is lowered; both are in the trail."""
    new_data_keys(books.guard)
    forced = retire(books.guard, "a", 2, operator=OPS, force="the key is known")
    assert forced.lost["customer.phone"] == 2
    assert acts(books.guard, "a")[-1]["forced"] == "the key is known"
    with pytest.raises(KeyRetired):
        phone(books)
    with pytest.raises(InvalidInput):
        retire(books.guard, "a", 1, operator=OPS)
    again = retire(books.guard, "a", 1, operator=OPS, force="a mistake")
    assert (again.versions, again.lowered) == ([1], True)
    assert phone(books) == "0812 3456 7890"


def test_a_version_is_not_retired_while_some_process_may_seal_under_it(vault):
    """Four time limits of the keyring after the next version was made, and not before."""
    guard = vault.guard
    age(guard)
    rotate_data(guard, ["a"], operator=OPS)
    with pytest.raises(KeyNotSettled):
        retire(guard, "a", 2, operator=OPS)
    for version in (0, 3):
        with pytest.raises(InvalidInput):
            retire(guard, "a", version, operator=OPS)
    limit = int(guard.keyring.ttl * 1_000_000)
    age(guard, 3 * limit)  # an access may have taken the older keys at the end of their time in its process
    with pytest.raises(KeyNotSettled):
        retire(guard, "a", 2, operator=OPS)
    age(guard, limit)
    assert retire(guard, "a", 2, operator=OPS).versions == [1]
    assert retire(guard, "a", 2, operator=OPS).versions == []


def put_back(guard, *rows, **changed):
    """Let somebody write to the key table."""
    with guard.engine.begin() as connection:
        for row in rows:
            mine = key_table.c.tenant_id == row.tenant_id, key_table.c.kind == row.kind
            connection.execute(key_table.delete().where(*mine, key_table.c.version == row.version))
            connection.execute(key_table.insert().values(row._asdict() | changed))
    guard.keyring.forget("a")


def test_nobody_who_writes_to_the_key_table_revives_a_retired_key(vault):
    """Clearing the mark, or putting the row back from an older copy, stops the tenant; the key opens nothing."""
    guard = vault.guard
    old = [*keys(guard, "a", "data"), *keys(guard, "a", "kek")]
    sealed = guard.keyring.cipher("a").seal("f", b"1:f,", b"value")
    new_data_keys(guard)
    retire(guard, "a", 2, operator=OPS)
    now = [*keys(guard, "a", "data"), *keys(guard, "a", "kek")]
    put_back(guard, now[0], retired_at=None)
    with pytest.raises(Tampered):
        guard.keyring.cipher("a")
    put_back(guard, old[0])
    with pytest.raises(KeyUnknown):
        guard.keyring.cipher("a")
    put_back(guard, *old)  # beside the newer key-encryption key
    with pytest.raises(KeyUnknown):
        guard.keyring.cipher("a")
    put_back(guard, now[0])
    with pytest.raises(KeyRetired):
        guard.keyring.cipher("a").open("f", b"1:f,", sealed)


def test_a_key_put_in_the_place_of_another_is_refused(vault):
    """An older version's wrapped key as the newest; another tenant's key-encryption key; a key marked as retired."""
    guard = vault.guard
    new_data_keys(guard)
    first, second = keys(guard, "a", "data")
    kek = keys(guard, "a", "kek")[0]
    for victim, wrapped in (
        (second, first.wrapped),
        (first, second.wrapped),
        (kek, keys(guard, "b", "kek")[0].wrapped),
    ):
        put_back(guard, victim, wrapped=wrapped)
        with pytest.raises(Tampered):
            guard.keyring.cipher("a")
        put_back(guard, victim)
    put_back(guard, first, retired_at=1)
    with pytest.raises(Tampered):
        guard.keyring.cipher("a")
    put_back(guard, first)
    with guard.engine.begin() as connection:
        connection.execute(update(key_table).where(key_table.c.kind == "kek").values(version=7))
    guard.keyring.forget("a")
    with pytest.raises(Tampered):
        guard.keyring.cipher("a")
