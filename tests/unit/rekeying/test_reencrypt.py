"""`amanah reencrypt`: values are moved to the newest data key, in place and beside, while the application writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from amanah.encryption.envelope import start
from amanah.errors import InvalidInput, KeyNotSettled
from amanah.rekeying import reencrypt as module
from amanah.rekeying.keys import rotate_data
from amanah.rekeying.reencrypt import REQUESTS, reencrypt
from tests import sealing_world
from tests.rekeying_world import OPS, acts, age, new_data_keys
from tests.sealing_world import patient

NEWEST = start(1, 2)


def run(world, *names, **more):
    """What was moved, by column."""
    return {f"{one.table}.{one.column}": one for one in reencrypt(world.guard, names, operator=OPS, **more)}


def phones(world, tenant="a"):
    """What the application reads."""
    with world.session(tenant) as session:
        return {one.id: one.phone for one in session.execute(select(world.m.Customer.id, world.m.Customer.phone))}


def test_every_value_is_moved_to_the_newest_key(books):
    """In each table and tenant: nothing is left, everything reads and is found as before, the trail tells it."""
    before = phones(books)
    new_data_keys(books.guard)
    found = run(books)
    assert all(one.whole for one in found.values())
    assert found["customer.phone"].moved == 3
    stored = books.stored("SELECT name, phone, email FROM customer")
    assert all(bytes(value)[1:5] == NEWEST[1:5] for row in stored for value in row if value is not None)
    assert phones(books) == before
    with books.session() as session:
        c = books.m.Customer
        assert session.scalars(select(c.id).where(c.phone == "0812 3456 7890")).all() == ["budi"]
    begun, ended = acts(books.guard, "a")[-2:]
    assert (begun["act"], ended["act"]) == ("reencrypt.begin", "reencrypt.end")
    assert (ended["customer.phone"], ended["unopened"]) == (2, 0)

    again = run(books)
    assert not any(one.moved or one.left for one in again.values())
    assert acts(books.guard, "a")[-1] == ended


def test_only_what_is_named_is_moved(books):
    """By table, by column, by tenant; a name that is not of a sealed column is told."""
    new_data_keys(books.guard)
    assert run(books, "customer.email", tenant="a")["customer.email"].moved == 1
    assert run(books, "customer.phone", tenant="b")["customer.phone"].moved == 1
    assert run(books, "customer")["customer.phone"].moved == 2
    for name in ("customer.city", "nothing", "customer.nothing"):
        with pytest.raises(InvalidInput):
            run(books, name)


def test_values_beside_the_plain_ones_are_moved_too(database_url, tmp_path):
    """The plain column and its triggers are left alone, whatever a row's key is made of and whoever it belongs to."""
    clinic = sealing_world.SealingWorld(database_url, tmp_path).fill()
    try:
        clinic.encrypt()
        new_data_keys(clinic.guard)
        found = {f"{r.table}.{r.column}": r for r in reencrypt(clinic.guard, operator=OPS, batch=2)}
        assert all(one.whole for one in found.values())
        assert (found["patient.phone"].moved, found["remark.words"].moved, found["letter.body"].moved) == (3, 3, 1)
        assert all(one.whole for one in clinic.verify().values())
        assert all(bytes(s).startswith(NEWEST) for (s,) in clinic.sql("SELECT words_sealed FROM remark"))
    finally:
        clinic.close()


def test_rows_of_a_tenant_without_keys_are_counted_as_left(database_url, tmp_path):
    """They are told by what their tenant column says."""
    clinic = sealing_world.SealingWorld(database_url, tmp_path).fill()
    try:
        clinic.encrypt("patient.phone")
        clinic.insert("Patient", patient(9, "gone"), patient(10, None))
        clinic.sql(
            "UPDATE patient SET phone_sealed = (SELECT phone_sealed FROM patient WHERE id = 1) WHERE id IN (9, 10)"
        )
        new_data_keys(clinic.guard)
        found = reencrypt(clinic.guard, ["patient.phone"], operator=OPS)[0]
        assert (found.moved, found.left, found.without_keys) == (3, 2, {"gone": 1, "": 1})
    finally:
        clinic.close()


def test_a_key_that_is_too_young_is_waited_for_or_told(books):
    """Nothing is moved before every process knows the newest key."""
    age(books.guard)
    rotate_data(books.guard, ["a"], operator=OPS)
    with pytest.raises(KeyNotSettled) as told:
        run(books)
    assert told.value.facts["tenant"] == "a"
    assert run(books, tenant="b")["customer.phone"].moved == 0
    waited = []

    def wait(seconds):
        waited.append(seconds)
        age(books.guard)

    assert run(books, wait=wait)["customer.phone"].moved == 2
    assert len(waited) == 1
    assert 590 < waited[0] <= 601


def test_what_does_not_open_stays_and_is_named(books):
    """Moved from another row, cut short, plain text: left as it is and counted as left; all other values are moved."""
    with books.session() as session:
        session.add_all([books.m.Customer(id=one, name=one, phone="0812 1") for one in ("cut", "plain")])
        session.commit()
    planted = {
        "budi": "(SELECT phone FROM customer WHERE id = 'siti')",
        "cut": "substr(phone, 1, 40)",
        "plain": "'0899'",
    }
    for one, new in planted.items():
        books.stored(f"UPDATE customer SET phone = {new} WHERE id = '{one}'")
    stored = "SELECT phone FROM customer WHERE id IN ('budi', 'cut', 'plain') ORDER BY id"
    before = books.stored(stored)
    new_data_keys(books.guard)
    found = run(books, "customer", batch=2)
    assert (found["customer.phone"].moved, found["customer.phone"].left) == (2, 3)
    assert found["customer.phone"].unopened == [("a", one) for one in planted]
    assert found["customer.name"].whole
    assert found["customer.name"].moved == 5
    assert books.stored(stored) == before


def test_a_write_that_comes_meanwhile_wins(books, monkeypatch):
    """Between reading an envelope and storing the new one, the application writes the row: its value stays."""
    new_data_keys(books.guard)
    store = module.Swapper.store

    def late(self, swaps):
        monkeypatch.setattr(module.Swapper, "store", store)
        with books.session() as session:
            session.get(books.m.Customer, ("a", "budi")).phone = "0877 0000 0001"
            session.commit()
        return store(self, swaps)

    monkeypatch.setattr(module.Swapper, "store", late)
    found = run(books, "customer", tenant="a")
    assert all(one.whole for one in found.values())
    assert phones(books) == {"budi": "0877 0000 0001", "siti": "0813 1111 2222"}


def test_a_write_of_a_process_that_does_not_know_the_newest_key_wins(books, monkeypatch):
    """Its value is under an older key, as the one that was read: it is taken for no other, and moved in its turn."""
    cell = "SELECT phone, phone_ix FROM customer WHERE id = 'budi' AND tenant_id = 'a'"

    def write(phone):
        with books.session() as session:
            session.get(books.m.Customer, ("a", "budi")).phone = phone
            session.commit()
        return dict(zip("pt", books.stored(cell)[0], strict=True))

    theirs = write("0877 0000 0001")
    write("0812 3456 7890")
    new_data_keys(books.guard)
    store = module.Swapper.store

    def late(self, swaps):
        monkeypatch.setattr(module.Swapper, "store", store)
        books.stored("UPDATE customer SET phone = :p, phone_ix = :t WHERE id = 'budi' AND tenant_id = 'a'", **theirs)
        return store(self, swaps)

    monkeypatch.setattr(module.Swapper, "store", late)
    assert all(one.whole for one in run(books, "customer", tenant="a").values())
    assert phones(books) == {"budi": "0877 0000 0001", "siti": "0813 1111 2222"}
    assert books.stored(cell)[0][0] != theirs["p"], "moved as well"


def test_a_row_that_is_deleted_meanwhile_stays_deleted(books, monkeypatch):
    """Nothing is inserted."""
    new_data_keys(books.guard)
    store = module.Swapper.store

    def late(self, swaps):
        monkeypatch.setattr(module.Swapper, "store", store)
        books.stored("DELETE FROM invoice")
        books.stored("DELETE FROM customer WHERE id = 'budi'")
        return store(self, swaps)

    monkeypatch.setattr(module.Swapper, "store", late)
    assert all(one.whole for one in run(books, "customer", tenant="a").values())
    assert phones(books) == {"siti": "0813 1111 2222"}


def test_two_runs_at_once_do_no_harm(books):
    """Together they move everything, and both say that nothing is left."""
    with books.session() as session:
        session.add_all([books.m.Customer(id=f"c{n}", name=f"N {n}", phone=f"0812{n:07}") for n in range(40)])
        session.commit()
    before = phones(books)
    new_data_keys(books.guard)
    start_ = threading.Barrier(2)

    def work(_):
        start_.wait()
        return run(books, "customer", tenant="a", batch=3)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(work, range(2)))
    left = run(books, "customer", tenant="a")
    assert sum(one["customer.phone"].moved for one in [*both, left]) == 42
    assert all(one.whole for one in left.values())
    assert phones(books) == before


def test_requests_to_decrypt_are_moved_too(office_of_two):
    """They are sealed under data keys as well, in a table of Amanah's own, and stay genuine."""
    office = office_of_two
    request = office.ask()
    new_data_keys(office.books.guard)
    found = run(office.books)
    assert (found[REQUESTS].moved, found[REQUESTS].left) == (1, 0)
    assert office.books.stored("SELECT substr(envelope, 1, 5) FROM amanah_request") == [(NEWEST,)]
    assert office.two_people().approve(request, office.person("second")).approved_by
    with office.books.plain.begin() as connection:
        connection.execute(text("UPDATE amanah_request SET envelope = substr(envelope, 1, 30)"))
    new_data_keys(office.books.guard)
    assert run(office.books)[REQUESTS].unopened == [("a", request)]
