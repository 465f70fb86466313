"""Every key is replaced, and every value moved, while requests read and write through a real guard."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select

from amanah.rekeying.keys import rotate_data, rotate_provider, rotate_tenant, with_keys
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import retire
from tests.rekeying_world import OPS, age

ROWS = 12


def rotate_everything(guard):
    """The way through all of it that the docs tell."""
    age(guard)
    rotate_provider(guard, None, operator=OPS, new=True)
    rotate_tenant(guard, with_keys(guard), operator=OPS)
    rotate_data(guard, with_keys(guard), operator=OPS)
    age(guard)
    until = time.monotonic() + 60
    while not all(one.whole for one in reencrypt(guard, operator=OPS, batch=5)):
        assert time.monotonic() < until
    assert retire(guard, "a", 2, operator=OPS).lost == {}


def test_nobody_notices_a_rotation_of_each_kind(books):
    """No read fails or is wrong, and no write is lost, from the first new key to the old one's retirement."""
    guard, m = books.guard, books.m
    with books.session() as session:
        session.add_all([m.Customer(id=f"c{n}", name="0", phone="0812 1") for n in range(ROWS)])
        session.commit()
    stop, failed, reads = threading.Event(), [], [0]
    written = dict.fromkeys((f"c{n}" for n in range(ROWS)), "0")

    def work(job):
        number = 0
        try:
            while not stop.is_set():
                number += 1
                guard.keyring.forget("a")  # as often as a process's time limit may end
                job(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
            failed.append(error)

    def read(_):
        with books.session() as session:
            names = {
                one.id: one.name for one in session.scalars(select(m.Customer).where(m.Customer.phone == "0812 1"))
            }
        assert len(names) == ROWS
        assert all(name.isdecimal() for name in names.values())
        reads[0] += 1

    def write(number):
        key = f"c{number % ROWS}"
        with books.session() as session:
            session.get(m.Customer, ("a", key)).name = str(number)
            session.commit()
        written[key] = str(number)

    threads = [threading.Thread(target=work, args=[job]) for job in (read, write)]
    for thread in threads:
        thread.start()
    try:
        rotate_everything(guard)
        seen, until = reads[0], time.monotonic() + 60
        while reads[0] < seen + 2 and not failed:
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    if failed:
        pytest.fail(repr(failed), pytrace=False)
    with books.session() as session:
        found = {one.id: one.name for one in session.scalars(select(m.Customer)) if one.id in written}
    assert found == written
