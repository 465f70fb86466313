"""Whatever is written to a row-sealed column, its seal holds when the row comes back, and the value is the column's."""

from __future__ import annotations

import datetime as dt
import enum
import sys
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    CHAR,
    JSON,
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from amanah.errors import RowTampered
from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Kind(enum.Enum):
    """Two choices."""

    ONE = "1"
    TWO = "2"


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CENTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
MOMENTS = st.datetimes().filter(lambda at: 1900 < at.year < 2200)
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=7)), dt.timezone(dt.timedelta(hours=-9, minutes=-30))])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200).map(lambda x: x + 0.0)
SMALL = st.integers(-(2**31), 2**31 - 1)
JSONS = st.recursive(
    st.none() | st.booleans() | SMALL | WORDS | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
COLUMNS: dict[str, tuple[Any, Any]] = {
    "cents": (Numeric(14, 2), CENTS | SMALL | st.sampled_from([Decimal("-0.00"), Decimal("1E+3"), 0.1, 2.675])),
    "rounded": (Numeric(12, 1), st.decimals(min_value=-(10**6), max_value=10**6, places=4)),
    "whole": (Numeric(12, 0), SMALL),
    "free": (Numeric(), CENTS),
    "as_float": (Numeric(12, 3, asdecimal=False), st.integers(-(10**6), 10**6).map(lambda n: n / 1000)),
    "number": (Float(), NUMBERS | SMALL),
    "single": (REAL(), st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 1 / 3])),
    "as_decimal": (Float(asdecimal=True), st.integers(-(10**6), 10**6).map(lambda n: n / 8)),
    "count": (Integer(), SMALL),
    "big": (BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "yes": (Boolean(), st.booleans()),
    "day": (Date(), st.dates()),
    "moment": (DateTime(), MOMENTS),
    "zoned": (DateTime(timezone=True), st.builds(lambda at, zone: at.replace(tzinfo=zone), MOMENTS, ZONES)),
    "clock": (Time(), st.times()),
    "name": (Uuid(), st.uuids()),
    "name_text": (Uuid(as_uuid=False), st.uuids().map(str)),
    "json": (JSON(), JSONS),
    "jsonb": (JSON().with_variant(JSONB(), "postgresql"), JSONS),
    "kind": (Enum(Kind, name="specimen_kind"), st.sampled_from(Kind)),
    "kind_text": (Enum("a", "b", native_enum=False), st.sampled_from(["a", "b"])),
    "words": (String(20), WORDS),
    "long": (Text(), WORDS),
    "padded": (CHAR(12), st.text("ab c", max_size=8)),
}
SEALED = ("cents", "zoned", "json", "kind", "words", "name")
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}), min_size=1, max_size=5
)


@pytest.fixture
def specimens(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """A table with a sealed column of each kind."""
    metadata = MetaData()
    table = Table(
        "specimen",
        metadata,
        Column("id", Uuid, primary_key=True, default=uuid.uuid4),
        Column("tenant_id", String(64), nullable=False),
        *(Column(name, type_) for name, (type_, _) in COLUMNS.items()),
    )
    made = type("m", (), {"Base": type("Base", (), {"metadata": metadata}), "table": table})
    world = sys.modules["sql_world"].build(
        database_url, tmp_path, made=made, declared=[declare("specimen", sealed_rows=list(COLUMNS))]
    )
    yield world
    world.close()


def test_what_is_written_is_what_was_sealed(specimens: Any) -> None:
    """Values of every kind, inserted and updated: rows are read back without a false alarm, each column by itself."""
    table = specimens.m.table

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ROWS, ROWS)
    def check(rows: list[dict[str, Any]], later: list[dict[str, Any]]) -> None:
        with specimens.access(), specimens.engine.connect() as connection:
            connection.execute(insert(table), rows)
            whole = connection.execute(select(table)).mappings().all()
            for name in COLUMNS:
                alone = connection.execute(select(table.c[name], table.c.id)).all()
                beside = {row["id"]: row[name] for row in whole}
                for value, key in alone:
                    assert type(value) is type(beside[key]), name
                    assert value == beside[key] or name == "single", name
            for row, changed in zip(whole, later, strict=False):
                part = {name: changed[name] for name in list(COLUMNS)[:: len(changed) % 3 + 1]}
                connection.execute(update(table).where(table.c.id == row["id"]).values(**part))
            connection.execute(select(table)).all()
            connection.rollback()

    check()


@pytest.mark.parametrize("name", ["moment", "zoned"])
def test_a_moment_of_the_other_kind_is_refused(specimens: Any, name: str) -> None:
    """PostgreSQL would turn it by the session's zone, and the seal would not hold; SQLite keeps no zone at all."""
    from amanah.errors import SealedWriteRefused

    moment = dt.datetime(2026, 12, 1, tzinfo=dt.UTC if name == "moment" else None)
    statement = insert(specimens.m.table).values({name: moment})
    with specimens.access(), specimens.engine.connect() as connection:
        if "sqlite" in specimens.url:
            connection.execute(statement)
            connection.execute(select(specimens.m.table)).all()
        else:
            with pytest.raises(SealedWriteRefused):
                connection.execute(statement)


def test_the_session_of_the_database_makes_no_difference(specimens: Any) -> None:
    """Another zone, another style of dates and fewer digits of numbers: the seals hold all the same."""
    if "sqlite" in specimens.url:
        pytest.skip("SQLite has no such settings")
    table = specimens.m.table
    at = dt.datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=dt.UTC)
    row = {"zoned": at, "moment": at.replace(tzinfo=None), "day": at.date(), "number": 1 / 3, "single": 0.1}
    with specimens.access(), specimens.engine.connect() as connection:
        connection.execute(insert(table).values(**row))
        for setting in ("TimeZone = 'Asia/Jakarta'", "DateStyle = 'SQL, DMY'", "extra_float_digits = -3"):
            connection.exec_driver_sql(f"SET {setting}")
            for name in ("day", "zoned", "moment", "number"):
                assert connection.execute(select(table.c[name])).scalar_one() == row[name]


def test_an_integer_in_place_of_a_text_is_found(specimens: Any) -> None:
    """What cannot be spelled at all is refused like any other edit, and not with an error about its spelling."""
    if "sqlite" not in specimens.url:
        pytest.skip("PostgreSQL's columns take their own types only")
    table = specimens.m.table
    with specimens.access(), specimens.engine.begin() as connection:
        connection.execute(insert(table).values(day=dt.date(2026, 1, 1), cents=5, yes=True))
    for sql in ("cents = 'five'", "yes = 'perhaps'", "name = 'none'", "json = '{'", "number = x'00'"):
        kept = specimens.stored("SELECT * FROM specimen")
        specimens.stored(f"UPDATE specimen SET {sql}")
        with specimens.access(), specimens.engine.connect() as connection, pytest.raises(RowTampered):
            connection.execute(select(table.c.day)).all()
        specimens.stored("DELETE FROM specimen")
        names = ", ".join(f":v{n}" for n in range(len(kept[0])))
        specimens.stored(f"INSERT INTO specimen VALUES ({names})", **{f"v{n}": v for n, v in enumerate(kept[0])})


@pytest.fixture
def governed(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The same columns as personal ones that are stored plain, and a few sealed ones, beside a version."""
    metadata = MetaData()
    table = Table(
        "specimen",
        metadata,
        Column("id", Uuid, primary_key=True, default=uuid.uuid4),
        Column("tenant_id", String(64), nullable=False),
        Column("version", Integer, default=1),
        *(Column(name, Personal(type_, category="user.content", sealed=False)) for name, (type_, _) in COLUMNS.items()),
        *(Column(f"sealed_{name}", Personal(COLUMNS[name][0], category="user.content")) for name in SEALED),
    )
    made = type("m", (), {"Base": type("Base", (), {"metadata": metadata}), "table": table})
    covered = ["version", *COLUMNS, *(f"sealed_{name}" for name in SEALED)]
    world = sys.modules["sql_world"].build(
        database_url, tmp_path, made=made, declared=[declare("specimen", sealed_rows=covered)]
    )
    yield world
    world.close()


def test_governed_and_sealed_values_of_every_kind_hold(governed: Any) -> None:
    """Inserted, updated alone and with others: no row is refused falsely."""
    table = governed.m.table

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ROWS, ROWS)
    def check(rows: list[dict[str, Any]], later: list[dict[str, Any]]) -> None:
        with governed.access(), governed.engine.connect() as connection:
            connection.execute(insert(table), [row | {f"sealed_{n}": row[n] for n in SEALED} for row in rows])
            keys = connection.execute(select(table.c.id, table.c.version)).all()
            for (key, _), changed in zip(keys, later, strict=False):
                for name in list(COLUMNS)[:: len(later) % 3 + 1]:
                    part = {name: changed[name]} | ({f"sealed_{name}": changed[name]} if name in SEALED else {})
                    connection.execute(update(table).where(table.c.id == key).values(**part))
            connection.execute(select(table)).all()
            connection.rollback()

    check()
