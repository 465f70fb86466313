"""Integer keys of the database, known before the INSERT."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session


def test_concurrent_inserts_never_share_a_key(empty_books: Any) -> None:
    """Several sessions reserve at once; every row opens, and no number is handed out twice."""
    m = empty_books.m

    def write(worker: int) -> None:
        for _ in range(3):
            with empty_books.session() as session:
                session.add_all([m.Person(name=f"w{worker}") for _ in range(4)])
                session.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with empty_books.session() as session:
        people = session.scalars(select(m.Person)).all()
        assert len({p.id for p in people}) == 48
        assert {p.name for p in people} == {"w0", "w1", "w2", "w3"}


def test_a_reserved_key_is_above_rows_that_came_from_elsewhere(empty_books: Any) -> None:
    """On SQLite a row that an import brought with its own number is stepped over; on PostgreSQL the sequence rules."""
    m = empty_books.m
    if "sqlite" in empty_books.url:
        empty_books.stored("INSERT INTO person (id, tenant_id, name) VALUES (500, 'b', X'00')")
    with empty_books.access(), Session(empty_books.engine) as session:
        people = [m.Person(name="x"), m.Person(id=900, name="y")]
        session.add_all(people)
        session.commit()
        assert people[0].id == (501 if "sqlite" in empty_books.url else 1)
        assert session.get_one(m.Person, 900).name == "y"


def test_reserved_keys_serve_both_tenants_of_one_table(empty_books: Any) -> None:
    """The number belongs to the table; whose row it is stands in its tenant column."""
    m = empty_books.m
    for tenant in ("a", "b"):
        with empty_books.session(tenant) as session:
            session.add(m.Person(name=tenant))
            session.commit()
            assert session.scalars(select(m.Person.name)).all() == [tenant]


def test_the_key_of_a_deleted_row_is_not_given_again(empty_books: Any) -> None:
    """An old ciphertext of the row, kept by somebody, would open in the new one."""
    m = empty_books.m
    keys = []
    for _ in range(2):
        with empty_books.session() as session:
            person = m.Person(name="x")
            session.add(person)
            session.flush()
            keys.append(person.id)
            session.delete(person)
            session.commit()
    assert keys == [1, 2]
