from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    Time,
    TypeDecorator,
    Unicode,
    Uuid,
    cast,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql

from amanah import Coordinate, Point
from amanah.database import own_engine
from amanah.encryption.codecs import codec_for
from amanah.errors import DeclarationError, InvalidInput

JAKARTA = dt.timezone(dt.timedelta(hours=7))


class Gender(enum.Enum):
    """A column with fixed choices."""

    FEMALE = "f"
    MALE = "m"


class NoOffset(dt.tzinfo):
    """A zone that does not say how far it is from UTC."""

    def utcoffset(self, dt):
        return None


VALUES = [
    (String(20), "Siti Nurhaliza 😀"),
    (Text(), ""),
    (Unicode(), "\x00é"),
    (LargeBinary(), b"\x00\xff"),
    (Integer(), -(2**63)),
    (BigInteger(), 2**63 - 1),
    (SmallInteger(), 0),
    (Numeric(10, 2), Decimal("1.50")),
    (Numeric(10, 2), Decimal("-0.0")),
    (Numeric(asdecimal=False), 0.1),
    (Float(), 1e-300),
    (Float(), math.inf),
    (Float(asdecimal=True), Decimal("0.1")),
    (Boolean(), True),
    (Boolean(), False),
    (Date(), dt.date(1990, 2, 28)),
    (DateTime(), dt.datetime(2026, 11, 22, 18, 30, 0, 1)),  # noqa: DTZ001 - a column without zone
    (DateTime(timezone=True), dt.datetime(2026, 11, 22, 18, 30, tzinfo=JAKARTA)),
    (Time(), dt.time(7, 30)),
    (Uuid(), uuid.UUID(int=7)),
    (Uuid(as_uuid=False), str(uuid.UUID(int=7))),
    (JSON(), {"b": [1, 2.5, None, True, "é\ud800"], "a": {}}),
    (JSON(), None),
    (Enum(Gender), Gender.FEMALE),
    (Enum("O", "A", "B", "AB"), "AB"),
    (Point(), Coordinate(-7.257472, 112.75209)),
    (postgresql.JSONB(), [1]),
    (postgresql.CITEXT(), "Text"),
    (postgresql.TIMESTAMP(timezone=True), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    (postgresql.BYTEA(), b"x"),
]


@pytest.mark.parametrize("type_, value", VALUES)
def test_a_value_comes_back_exactly(type_, value):
    """Same value, same Python type, same digits."""
    codec = codec_for(type_)
    encoded = codec.encode(value)
    back = codec.decode(encoded)
    assert type(encoded) is bytes
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)


def test_a_timestamp_keeps_its_moment_and_its_offset():
    """A named zone comes back as its offset at that moment, summer time included."""
    value = dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    codec = codec_for(DateTime(timezone=True))
    back = codec.decode(codec.encode(value))
    assert back.timestamp() == value.timestamp()
    assert back.utcoffset() == value.utcoffset()


@pytest.mark.parametrize(
    "type_",
    [Interval(), ARRAY(Integer), PickleType(), postgresql.INET(), postgresql.HSTORE()],
    ids=lambda type_: type(type_).__name__,
)
def test_a_type_without_codec_is_refused_when_it_is_declared(type_):
    """Not at the first write: and the message names the type."""
    with pytest.raises(DeclarationError, match=type(type_).__name__):
        codec_for(type_)


def test_a_type_of_the_applications_own_is_refused_when_it_is_declared():
    """What a TypeDecorator does to its values is its own affair, even where it looks like text."""

    class Upper(TypeDecorator):
        impl = String
        cache_ok = True

    with pytest.raises(DeclarationError, match="Upper"):
        codec_for(Upper())


@pytest.mark.parametrize(
    "type_, value",
    [
        (String(), 7),
        (String(), b"x"),
        (String(), "\ud800"),
        (LargeBinary(), "x"),
        (Integer(), "7"),
        (Integer(), 7.0),
        (Integer(), 2**63),
        (Numeric(), "7"),
        (Numeric(), True),
        (Numeric(), Decimal("sNaN")),
        (Float(), "7"),
        (Float(), False),
        (Float(), 10**400),
        (Boolean(), 2),
        (Boolean(), "true"),
        (Date(), "2026-01-01"),
        (DateTime(), dt.date(2026, 1, 1)),
        (DateTime(), "2026-01-01"),
        (Time(), "07:30"),
        (DateTime(timezone=True), dt.datetime(2026, 1, 1, tzinfo=NoOffset())),
        (Time(timezone=True), dt.time(7, 30, tzinfo=ZoneInfo("Asia/Jakarta"))),
        (DateTime(), dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(microseconds=1)))),
        (Point(), "-7.25,112.75"),
        (Point(), (-7.25, 112.75)),
        (Uuid(), "7"),
        (Uuid(as_uuid=False), "no uuid"),
        (JSON(), {1, 2}),
        (JSON(), math.nan),
        (Enum(Gender), "no choice"),
        (Enum("A", "B"), "C"),
        (Enum("A", "B"), 7),
        *((type_, None) for type_ in (String(), Integer(), Boolean(), Date(), Enum(Gender))),
    ],
)
def test_a_value_of_another_type_is_refused_without_quoting_it(type_, value):
    """Nothing is guessed, and what was refused does not get into a log."""
    with pytest.raises(InvalidInput) as caught:
        codec_for(type_).encode(value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert value is None or repr(value) not in str(caught.value)


@pytest.mark.parametrize(
    "type_",
    [Integer(), Numeric(), Float(), Boolean(), Date(), DateTime(), Time(), Uuid(), JSON(), Point(), Enum(Gender)],
)
def test_a_stored_value_of_another_type_is_refused_without_quoting_it(type_):
    """A column whose declared type was changed says so instead of returning something else."""
    for work in (lambda: codec_for(type_).decode(b"rahasia"), lambda: codec_for(type_).decode_text("rahasia")):
        with pytest.raises(DeclarationError) as caught:
            work()
        assert "rahasia" not in str(caught.value)
    with pytest.raises(DeclarationError):
        codec_for(type_).decode(b"\xff\xfe")


def test_bytes_that_are_no_text_are_refused_for_a_text_column():
    """No replacement characters are made up."""
    with pytest.raises(DeclarationError):
        codec_for(String()).decode(b"\xff")


def test_numbers_are_taken_as_a_plain_column_takes_them():
    """An int or float for a NUMERIC column, an int for a FLOAT, a datetime's day for a DATE."""
    assert codec_for(Numeric()).decode(codec_for(Numeric()).encode(7)) == Decimal(7)
    assert codec_for(Numeric()).decode(codec_for(Numeric()).encode(0.1)) == Decimal("0.1")
    assert codec_for(Float()).decode(codec_for(Float()).encode(7)) == 7.0
    assert codec_for(Date()).encode(dt.datetime(2026, 1, 1, 23, tzinfo=JAKARTA)) == b"2026-01-01"
    assert codec_for(Boolean()).decode(codec_for(Boolean()).encode(1)) is True
    assert codec_for(Integer()).decode(codec_for(Integer()).encode(True)) == 1


TEXTS = [
    (String(), "08123"),
    (Integer(), -42),
    (BigInteger(), 2**53 + 1),
    (Numeric(10, 2), Decimal("1234.50")),
    (Float(), 1.5),
    (Boolean(), True),
    (Boolean(), False),
    (Date(), dt.date(1990, 2, 28)),
    (DateTime(), dt.datetime(2026, 11, 22, 18, 30, 0, 100)),  # noqa: DTZ001 - a column without zone
    (JSON(), {"a": [1, "x"]}),
    (Point(), Coordinate(-7.257472, 112.75209)),
]


@pytest.mark.parametrize("type_, value", TEXTS)
def test_the_text_that_a_database_makes_of_a_value_is_read(database_url, type_, value):
    """``CAST(x AS TEXT)`` of a plain column, on SQLite and PostgreSQL, gives the value back."""
    engine = own_engine(database_url)
    with engine.connect() as connection:
        text = connection.execute(select(cast(cast(literal(value, type_), type_), String))).scalar_one()
        if engine.dialect.name == "sqlite":  # a CAST to DATE would make a number of it there
            text = connection.execute(select(cast(literal(value, type_), String))).scalar_one()
    engine.dispose()
    read = codec_for(type_).decode_text(str(text))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.postgresql
def test_the_text_that_postgresql_makes_of_a_zoned_timestamp_is_read(postgres_database):
    """Whatever zone the session has, the moment is the same; and bytes come in hexadecimal."""
    engine = own_engine(postgres_database)
    value = dt.datetime(2026, 11, 22, 18, 30, 0, 500_000, tzinfo=JAKARTA)
    with engine.connect() as connection:
        for zone in ("Asia/Jakarta", "UTC", "Asia/Kathmandu", "America/St_Johns"):
            connection.exec_driver_sql(f"SET TIME ZONE '{zone}'")
            text = connection.execute(select(cast(literal(value, DateTime(timezone=True)), String))).scalar_one()
            assert codec_for(DateTime(timezone=True)).decode_text(text) == value
        text = connection.execute(select(cast(literal(b"\x00\xffa", LargeBinary()), String))).scalar_one()
    engine.dispose()
    assert codec_for(LargeBinary()).decode_text(text) == b"\x00\xffa"


def test_bytes_that_are_no_utf_8_are_refused_for_what_is_stored_plain():
    """By an error of ours: Python's own would carry them into a log."""
    with pytest.raises(DeclarationError) as caught:
        codec_for(String()).decode_plain(b"rahasia\xff")
    assert caught.value.__suppress_context__


def test_a_decimal_that_is_stored_plain_has_the_places_of_its_column():
    """SQLite stores 1.50 as the float 1.5; more places than declared, or too many digits, are left as they are."""
    codec = codec_for(Numeric(12, 2))
    for text, value in {"1.5": "1.50", "-0.0": "0.00", "7": "7.00", "1.555": "1.555", "1e+40": "1E+40"}.items():
        assert str(codec.decode_text(text)) == (value if text != "-0.0" else "-0.00")
    assert str(codec.decode_text("NaN")) == "NaN"
    assert str(codec.decode(b"1.5")) == "1.5"


def test_malformed_hexadecimal_is_refused():
    """Half a byte is no value."""
    with pytest.raises(DeclarationError):
        codec_for(LargeBinary()).decode_text("\\x0")
