"""Attack, or accident: what a sealed column may hold that it should not, met through the ORM.

Each is an error of its own class that quotes nothing, and nothing is lost: what stands in the database stays there,
the other rows are read, and the right value put back reads as ever.
"""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from sqlalchemy import select

from amanah.encryption.envelope import SUBJECT_FORMAT, VERSION_END
from amanah.errors import (
    AmanahError,
    DeclarationError,
    EnvelopeUnknown,
    InvalidInput,
    KeyUnknown,
    SealError,
    Tampered,
)

PHONE = "0812 3456 7890"
NAME = "Wati Rahasia"


@pytest.fixture
def cells(books: Any) -> Any:
    """`books` with one row more, whose table has no subject: its values are of format 1."""
    with books.session() as session:
        session.add(books.m.Person(id=7, name=NAME))
        session.commit()
    return books


def stored(books: Any, table: str, column: str, key: Any) -> bytes:
    """What the database holds."""
    return bytes(books.stored(f"SELECT {column} FROM {table} WHERE id = :key", key=key)[0][0])


def put(books: Any, table: str, column: str, key: Any, value: Any) -> None:
    """By plain SQL."""
    books.stored(f"UPDATE {table} SET {column} = :value WHERE id = :key", key=key, value=value)


def refusal(session: Any, entity: Any, key: Any) -> AmanahError:
    """The error with which the entity is loaded; it and its traceback quote no value."""
    session.rollback()
    session.expunge_all()
    with pytest.raises(AmanahError) as refused:
        session.get(entity, key)
    text = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
    for plain in ("0812", "3456", "Wati", "Rahasia", "Budi", "yesterday"):
        assert plain not in text
    return refused.value


def test_every_byte_of_a_sealed_value_is_guarded_through_the_orm(cells: Any) -> None:
    """Changed at each byte, cut at each length: told by position what it is, in both formats, and never lost."""
    m = cells.m
    step = 1 if "sqlite" in cells.url else 4  # the bytes are the same, and PostgreSQL is further away
    for table, column, id_, entity, key, value in (
        ("customer", "phone", "budi", m.Customer, ("a", "budi"), PHONE),
        ("person", "name", 7, m.Person, 7, NAME),
    ):
        envelope = stored(cells, table, column, id_)
        assert (envelope[0] == SUBJECT_FORMAT) == (table == "customer")
        with cells.session() as session:
            for position in range(0, len(envelope), step):
                changed = bytearray(envelope)
                changed[position] ^= 0x40
                put(cells, table, column, id_, bytes(changed))
                expected = KeyUnknown if 0 < position < VERSION_END else EnvelopeUnknown if position == 0 else Tampered
                assert type(refusal(session, entity, key)) is expected, position
                if position:
                    put(cells, table, column, id_, envelope[:position])
                    assert isinstance(refusal(session, entity, key), SealError), position
            put(cells, table, column, id_, envelope[:-1])
            assert type(refusal(session, entity, key)) is Tampered
            assert stored(cells, table, column, id_) == envelope[:-1]
            put(cells, table, column, id_, envelope)
            session.rollback()
            assert getattr(session.get(entity, key), column) == value


def test_values_of_any_length_come_back(books: Any) -> None:
    """Nothing at all is a value, and not NULL; so is a megabyte: under a person's secret, changed and new."""
    m = books.m
    for text in ("x" * 1_048_576, ""):
        with books.session() as session:
            session.get(m.Customer, ("a", "budi")).name = text
            session.add(m.Customer(id=f"new{len(text)}", name=text, email=text))
            session.commit()
        with books.session() as session:
            ids = ["budi", f"new{len(text)}"]
            assert session.scalars(select(m.Customer.name).where(m.Customer.id.in_(ids))).all() == [text, text]
            assert session.scalar(select(m.Customer.email).where(m.Customer.id == ids[1])) == text


def test_a_value_of_another_type_is_refused_in_both_directions(cells: Any) -> None:
    """Bytes that are no UTF-8, a text among dates: read, a `DeclarationError`, for it was sealed rightly; written, an
    `InvalidInput` that stores nothing.
    """  # noqa: D205
    m = cells.m
    with cells.session() as session:
        for column, opened, words in (
            ("name", b"\xff\xfe0812", "is no text"),
            ("name", b"0812\xc3", "is no text"),
            ("name", b"\xed\xa0\x80", "is no text"),
            ("born", b"yesterday", "is no date"),
        ):
            field = cells.guard.register.by_name("person").fields[column]
            right = cells.stored(f"SELECT {column} FROM person WHERE id = 7")[0][0]
            put(cells, "person", column, 7, cells.guard.keyring.cipher("a").seal(field.id, field.place(["7"]), opened))
            error = refusal(session, m.Person, 7)
            assert type(error) is DeclarationError
            assert words in str(error)
            put(cells, "person", column, 7, right)
        session.rollback()
        for value in ("yesterday", 5, object()):
            session.get(m.Person, 7).born = value
            with pytest.raises(InvalidInput, match="no date") as refused:
                session.flush()
            assert "yesterday" not in "".join(traceback.format_exception(refused.value)).replace('"yesterday"', "")
            session.rollback()
        assert (session.get(m.Person, 7).born, session.get(m.Person, 7).name) == (None, NAME)
    assert cells.stored("SELECT born FROM person WHERE id = 7") == [(None,)]


def test_a_plain_value_in_a_sealed_column_says_what_it_is_and_stays_there(cells: Any) -> None:
    """It is no sealed value. Other rows and columns are read and changed, and the cell stays as it was found."""
    m = cells.m
    for plain in (b"0812 3456 7890", b"Wati Rahasia", b"7", b"\x00"):
        put(cells, "person", "name", 7, plain)
        put(cells, "customer", "phone", "budi", plain)
        with cells.session() as session:
            for entity, key in ((m.Person, 7), (m.Customer, ("a", "budi"))):
                error = refusal(session, entity, key)
                assert type(error) is EnvelopeUnknown
                assert "It is no sealed value" in str(error)
            assert session.get(m.Customer, ("a", "siti")).phone == "0813 1111 2222"
    table = m.Customer.__table__
    with cells.session() as session:
        assert session.scalar(select(m.Customer.name).where(m.Customer.id == "budi")) == "Budi Santoso"
        changed = table.update().where(table.c.id == "budi", table.c.tenant_id == "a").values(note="seen")
        session.connection().execute(changed)
        session.commit()
    assert stored(cells, "customer", "phone", "budi") == b"\x00"
    assert cells.stored("SELECT note FROM customer WHERE id = 'budi'") == [("seen",)]


def test_a_key_that_nobody_has_is_named_as_that(cells: Any) -> None:
    """A value that names version 9 of the key; and it reads again once the right one is put back."""
    m = cells.m
    for table, column, id_, entity, key, value in (
        ("customer", "phone", "budi", m.Customer, ("a", "budi"), PHONE),
        ("person", "name", 7, m.Person, 7, NAME),
    ):
        envelope = stored(cells, table, column, id_)
        put(cells, table, column, id_, envelope[:1] + (9).to_bytes(4, "big") + envelope[5:])
        with cells.session() as session:
            assert type(refusal(session, entity, key)) is KeyUnknown
        put(cells, table, column, id_, envelope)
        with cells.session() as session:
            assert getattr(session.get(entity, key), column) == value
