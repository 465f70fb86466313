"""Values of every type through the real gate: sealed in place, and governed, on both databases."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    Uuid,
    create_engine,
    insert,
    select,
    update,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from amanah import Coordinate, Personal, Point, declare
from tests import sql_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIB = dt.timezone(dt.timedelta(hours=7))
WIT = dt.timezone(dt.timedelta(hours=9), "WIT")


class Blood(enum.Enum):
    """A column with fixed choices."""

    A = "a"
    O = "o"  # noqa: E741 - so they are called


COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "string": (String(40), ["Siti Nurhaliza 😀", "", " blanks ", "it's 100% %s \\x41"]),
    "text": (Text(), ["a" * 1_000_000, "é\n\r\t"]),
    "bytes": (LargeBinary(), [b"\x00\xff'\x80", b"", b"\\x41", bytes(1_000_000)]),
    "whole": (Integer(), [0, -7, 2**31 - 1]),
    "big": (BigInteger(), [2**63 - 1, -(2**63)]),
    "money": (Numeric(12, 2), [Decimal("125000.50"), Decimal("-0.10"), Decimal("0.00")]),
    "real": (Float(), [0.1 + 0.2, -1e-300, 1.7976931348623157e308]),
    "yes": (Boolean(), [True, False]),
    "day": (Date(), [dt.date(1990, 2, 28), dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "naive": (DateTime(), [dt.datetime(2026, 11, 22, 18, 30, 0, 1)]),  # noqa: DTZ001 - a column without zone
    "moment": (DateTime(timezone=True), [dt.datetime(2026, 11, 22, 18, 30, 0, 500, tzinfo=WIB)]),
    "clock": (Time(), [dt.time(7, 30), dt.time(23, 59, 59, 999_999)]),
    "uuid": (Uuid(), [uuid.UUID(int=7)]),
    "uuid_text": (Uuid(as_uuid=False), [str(uuid.UUID(int=2**127))]),
    "blood": (Enum(Blood), [Blood.A, Blood.O]),
    "choice": (Enum("sehat", "sakit", name="choice"), ["sakit"]),
    "data": (JSON(), [{"b": [1, 2.5, None, True, "é"], "a": {}}, [], "text", 0]),
    "where": (Point(), [Coordinate(-7.257472, 112.75209), Coordinate(90, -180), Coordinate(1e-7, 0.1 + 0.2)]),
}
EXACT_WHEN_SEALED: dict[str, tuple[Any, list[Any]]] = {
    "number": (Numeric(), [Decimal("-0.0"), Decimal("1E+3"), Decimal("1.50"), Decimal(10) ** 60 + Decimal("1e-40")]),
    "late": (DateTime(timezone=True), [dt.datetime(2026, 1, 1, tzinfo=WIT)]),
    "aware": (DateTime(), [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]),
    "zoned": (Time(timezone=True), [dt.time(7, 30, tzinfo=WIB)]),
    "nul": (Text(), ["\x00é"]),
}
"""What a plain column of the type would not keep as it is: digits, zone, NUL."""

FORMATS = {1, 2}
CATEGORIES = {"where": "user.location.precise"}


def models(columns: dict[str, tuple[Any, list[Any]]]) -> SimpleNamespace:
    """One table with a column of each type."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        for name, (type_, _) in columns.items():
            vars()[name] = mapped_column(name, type_, nullable=True)

    return SimpleNamespace(Base=Base, Person=Person)


def world_of(columns: dict[str, tuple[Any, list[Any]]], url: str, folder: Path, **how: Any) -> Any:
    personal = {name: Personal(category=CATEGORIES.get(name, "user.demographic"), **how) for name in columns}
    made = models(columns)
    return sql_world.build(
        url, folder, made=made, declared=[declare("person", subject="id", columns=personal)], tenants=("a",)
    )


@pytest.fixture
def sealed(database_url: str, tmp_path: Path) -> Iterator[Any]:
    world = world_of(COLUMNS | EXACT_WHEN_SEALED, database_url, tmp_path)
    yield world
    world.close()


@pytest.fixture
def governed(database_url: str, tmp_path: Path) -> Iterator[Any]:
    world = world_of(COLUMNS, database_url, tmp_path, sealed=False)
    yield world
    world.close()


def alike(one: Any, other: Any) -> bool:
    """Same value, same Python type, same digits, same zone."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dt.datetime | dt.time):
        return bool(one == other and one.utcoffset() == other.utcoffset())
    return bool(one == other) and repr(one) == repr(other)


def rows_of(columns: dict[str, tuple[Any, list[Any]]]) -> list[dict[str, Any]]:
    """As many rows as it takes for every value to stand in one of them."""
    most = max(len(values) for _, values in columns.values())
    return [{name: values[n % len(values)] for name, (_, values) in columns.items()} for n in range(most)]


def write(session: Session, person: Any, rows: list[dict[str, Any]]) -> None:
    """Some by the ORM, some by Core, one by an UPDATE, and one row of NULLs."""
    first, second, *others = rows
    session.add_all(person(id=number, **values) for number, values in enumerate(others, 3))
    session.add_all([person(id=1), person(id=99)])
    session.flush()
    session.execute(insert(person.__table__), [{"id": 2, "tenant_id": "a", **second}])
    session.execute(update(person.__table__).where(person.__table__.c.id == 1).values(first))
    session.commit()


def test_sealed_values_of_every_type_come_back_exactly(sealed: Any) -> None:
    """Digits, exponent, zone and NUL included; a value of 1 MB; and NULL, None and empty are three things."""
    person, columns = sealed.m.Person, COLUMNS | EXACT_WHEN_SEALED
    rows = rows_of(columns)
    with sealed.session() as session:
        write(session, person, rows)
    with sealed.session() as session:
        for number, values in enumerate(rows, 1):
            found = session.get_one(person, number)
            for name, value in values.items():
                assert alike(getattr(found, name), value), name
        empty = session.get_one(person, 99)
        assert all(getattr(empty, name) is None for name in columns)
    assert set(sealed.stored("SELECT * FROM person WHERE id = 99")[0]) == {99, "a", None}
    stored = sealed.stored("SELECT * FROM person WHERE id = 1")[0]
    assert all(bytes(cell)[0] in FORMATS for cell in stored if cell not in (1, "a"))


def test_governed_values_of_every_type_are_what_a_plain_column_gives(governed: Any) -> None:
    """Whatever the database makes of them: the same as for the same application without Amanah."""
    person, plain = governed.m.Person, models(COLUMNS).Person
    rows = rows_of(COLUMNS)
    with governed.session() as session:
        write(session, person, rows)
    with governed.session() as session, Session(governed.plain) as bare:
        for number in [*range(1, len(rows) + 1), 99]:
            found, expected = session.get_one(person, number), bare.get_one(plain, number)
            for name in COLUMNS:
                assert alike(getattr(found, name), getattr(expected, name)), name
        kept = bare.get_one(plain, 1)
        lost = {name for name, value in rows[0].items() if not alike(getattr(kept, name), value)}
    assert lost <= {"moment"}  # its zone: PostgreSQL keeps the moment, SQLite the hands of the clock


def test_a_place_is_stored_without_a_guard(database_url: str) -> None:
    """As text in one spelling, found by ==, on both databases: the application runs without Amanah."""
    made = models({"where": COLUMNS["where"]})
    engine = create_engine(database_url)
    made.Base.metadata.create_all(engine)
    surabaya = Coordinate(-7.257472, 112.75209)
    with Session(engine) as session:
        session.add_all([made.Person(id=1, tenant_id="a", where=surabaya), made.Person(id=2, tenant_id="a")])
        session.commit()
        session.expunge_all()
        assert session.scalars(select(made.Person.id).where(made.Person.where == surabaya)).all() == [1]
        assert session.get_one(made.Person, 1).where == surabaya
        assert session.get_one(made.Person, 2).where is None
    with engine.connect() as connection:
        assert (
            connection.exec_driver_sql('SELECT "where" FROM person WHERE id = 1').scalar_one() == "-7.257472,112.75209"
        )
    engine.dispose()
