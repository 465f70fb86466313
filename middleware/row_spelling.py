"""How the values of a row-sealed column are spelled: one text for the value that is written and for what is then read.

The database gives a value back otherwise than it was written: ``Decimal("5")`` as 5.00, a point in time in the
session's zone, CHAR padded, JSON with its keys in another order. A `Spelling` takes both to the same text, and knows
the SQL that gives the value's text whatever the session's settings are (`DateStyle`, `TimeZone`,
`extra_float_digits`).

- Texts as they are; those of a CHAR without the spaces at their end. Integers in digits, booleans as 0 or 1.
- Decimal numbers without exponent, with as many places as the column has or, where SQLite holds more, with these.
- Floating-point numbers as the 16 hexadecimal digits of their eight bytes: exact.
- Points in time as ``2026-12-01 09:30:00.000000``, in UTC where the column has a zone; SQLite keeps no zones.
- JSON with sorted keys and numbers by value, because PostgreSQL's JSONB keeps neither.
- Envelopes in lower-case hexadecimal digits.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
import uuid
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sqlalchemy import types

from ..encryption.codecs import Codec, codec_for
from ..errors import DeclarationError, InvalidInput, SealedWriteRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

WRONG_TEXT = (ValueError, InvalidOperation, OverflowError, KeyError, RecursionError, DeclarationError)
"""What the functions of a `Spelling` raise for a text that is none of the column's."""

_SINGLE = range(1, 25)  # bits of a FLOAT that PostgreSQL keeps in four bytes
_WIDE = Context(prec=200_000)  # more digits than a NUMERIC of PostgreSQL has


@dataclass(frozen=True, slots=True)
class Spelling:
    """The texts of one column's values in one database system. NULL has none.

    ``from_value`` raises `InvalidInput` for a value of another kind and `SealedWriteRefused` for one that the database
    would turn into another; the other two raise `WRONG_TEXT`.
    """

    from_value: Callable[[Any], str | None]
    """What is written, spelled; None for a value that is stored as NULL."""
    from_text: Callable[[str], str]
    """What `sql` gave, spelled."""
    to_value: Callable[[str], Any]
    """What `sql` gave, as the column's own type would hand it over."""
    sql: Callable[[str], str]
    """SQL for the text of a value, from SQL for the value."""
    exact: bool = False
    """A float would be rounded on its way to the column; the Decimal of its spelling is not."""
    spells_none: bool = False
    """None is a value: JSON's null."""


def spelling(name: str, type_: TypeEngine[Any], dialect: Dialect) -> Spelling:
    """The spelling for the column ``name`` (``table.column``) of that type."""
    codec = codec_for(type_)
    postgres = dialect.name == "postgresql"
    own = None if postgres else type_.dialect_impl(dialect).result_processor(dialect, None)
    return _KINDS[_kind(type_, codec)](_Column(name, type_, codec, postgres=postgres, own=own))


def envelope_spelling(name: str, dialect: Dialect) -> Spelling:
    """The spelling for the column ``name`` (``table.column``) where it holds envelopes."""

    def from_value(value: Any) -> str:
        if not isinstance(value, bytes):
            raise SealedWriteRefused(field=name, detail="its row would be sealed over a plain value")
        return value.hex()

    def sql(text: str) -> str:
        if dialect.name == "postgresql":
            return f"encode({text}, 'hex')"
        return f"CASE WHEN {text} IS NOT NULL THEN lower(hex({text})) END"  # hex(NULL) is an empty text

    return Spelling(from_value, lambda text: bytes.fromhex(text).hex(), bytes.fromhex, sql)


def check_type(name: str, type_: TypeEngine[Any]) -> None:
    """Raise `DeclarationError` where values of that type cannot be spelled."""
    try:
        codec = codec_for(type_)
    except DeclarationError:
        raise DeclarationError(
            detail=f"{name}: rows cannot be sealed over a {type(type_).__name__}; leave it out"
        ) from None
    if _kind(type_, codec) not in _KINDS:
        raise DeclarationError(detail=f"{name} holds {codec.name}, over which rows are not sealed; leave it out")
    if codec.name in ("timestamp", "time") and getattr(type_, "precision", None) is not None:
        raise DeclarationError(detail=f"{name} has a precision of its own, to which the database rounds; leave it out")
    if codec.name == "time" and getattr(type_, "timezone", False):
        raise DeclarationError(detail=f"{name} is a time with zone, over which rows are not sealed; leave it out")


def _kind(type_: TypeEngine[Any], codec: Codec) -> str:
    """By what the database holds; the codec goes by what Python is handed."""
    if isinstance(type_, types.Float):
        return "float"
    return "decimal" if isinstance(type_, types.Numeric) else codec.name


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: Any
    codec: Codec
    postgres: bool
    own: Callable[[Any], Any] | None
    """SQLite: what makes a value of what is stored."""

    def value(self, stored: Any) -> Any:
        return stored if self.own is None else self.own(stored)

    def encoded(self, value: Any) -> str:
        return self.codec.encode(value).decode()

    def refuse(self, why: str) -> SealedWriteRefused:
        return SealedWriteRefused(field=self.name, detail=why)


def _as_text(text: str) -> str:
    return f"CAST({text} AS TEXT)"


def _same(text: str) -> str:
    return text


# -- text -------------------------------------------------------------------------------------------------------------


def _text(column: _Column) -> Spelling:
    if not isinstance(column.type, types.CHAR):
        return Spelling(column.encoded, _same, column.value, _as_text)
    width = column.type.length or 1

    def stripped(text: str) -> str:
        return text.rstrip(" ")

    def padded(text: str) -> Any:
        return text.ljust(width) if column.postgres else column.value(text)

    return Spelling(lambda value: stripped(column.encoded(value)), stripped, padded, _as_text)


def _enum(column: _Column) -> Spelling:
    return Spelling(column.encoded, _same, column.codec.decode_text, _as_text)


def _uuid(column: _Column) -> Spelling:
    def value(text: str) -> Any:
        known = uuid.UUID(text)
        return known if column.type.as_uuid else str(known)

    def sql(text: str) -> str:
        return f"lower(replace(CAST({text} AS TEXT), '-', ''))"

    return Spelling(lambda given: uuid.UUID(column.encoded(given)).hex, lambda text: uuid.UUID(text).hex, value, sql)


# -- numbers ----------------------------------------------------------------------------------------------------------


def _integer(column: _Column) -> Spelling:
    return Spelling(column.encoded, lambda text: str(int(text)), int, _as_text)


def _boolean(column: _Column) -> Spelling:
    def sql(text: str) -> str:
        return f"CAST(CAST({text} AS INTEGER) AS TEXT)" if column.postgres else _as_text(text)

    def value(text: str) -> Any:
        return text == "1" if column.postgres else column.value(int(text))

    return Spelling(column.encoded, lambda text: str(int(text)), value, sql)


def _stored_number(text: str) -> int | float:
    """SQLite keeps what has no fraction as an integer."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def _on_sqlite(text: str) -> str:
    """A REAL with all of its digits; CAST gives 15 of them."""
    return f"CASE typeof({text}) WHEN 'real' THEN printf('%!.17g', {text}) ELSE CAST({text} AS TEXT) END"


def _decimal(column: _Column) -> Spelling:
    scale = column.type.scale

    def plain(number: Decimal) -> str:
        if not number.is_finite():
            return str(number)
        text = format(number or abs(number), "f")
        whole, _, places = text.partition(".")
        places = places.rstrip("0").ljust(scale or 0, "0")
        return f"{whole}.{places}" if places else whole

    def from_value(value: Any) -> str:
        number = Decimal(column.encoded(value))
        if not column.postgres:
            return plain(Decimal(repr(float(number))))
        if scale is not None and number.is_finite():
            number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _WIDE)
        return plain(number)

    def from_text(text: str) -> str:
        return plain(Decimal(text) if column.postgres else Decimal(repr(float(text))))

    def value(text: str) -> Any:
        if not column.postgres:
            return column.value(_stored_number(text))
        return Decimal(text) if column.type.asdecimal else float(text)

    def sql(text: str) -> str:
        if column.postgres:
            return _as_text(text)
        if scale is None:
            return _on_sqlite(text)
        places = f"printf('%.{scale}f', {text})"  # mostly that is all, and spelled as it was sealed
        return f"CASE WHEN CAST({places} AS REAL) = {text} THEN {places} ELSE {_on_sqlite(text)} END"

    return Spelling(from_value, from_text, value, sql, exact=column.postgres)


def _float(column: _Column) -> Spelling:
    short = column.postgres and (
        isinstance(column.type, types.REAL) or (getattr(column.type, "precision", None) or 0) in _SINGLE
    )
    places = column.type._effective_decimal_return_scale if column.type.asdecimal else 0  # noqa: SLF001

    def spelled(number: float) -> str:
        return struct.pack(">d", number + 0.0).hex()

    def from_value(value: Any) -> str:
        number = float(column.encoded(value))
        try:
            return spelled(struct.unpack(">f", struct.pack(">f", number))[0] if short else number)
        except OverflowError:
            raise column.refuse("the number does not fit in its column") from None

    def read(text: str) -> float:
        number: float = struct.unpack(">d", bytes.fromhex(text))[0]
        return number

    def value(text: str) -> Any:
        if not column.postgres:
            return column.value(float(text))
        number = read(text)
        return Decimal(f"{number:.{places}f}") if column.type.asdecimal else number

    def sql(text: str) -> str:
        return f"encode(float8send(CAST({text} AS DOUBLE PRECISION)), 'hex')" if column.postgres else _on_sqlite(text)

    return Spelling(from_value, lambda text: spelled(read(text) if column.postgres else float(text)), value, sql)


# -- time -------------------------------------------------------------------------------------------------------------


def _date(column: _Column) -> Spelling:
    def sql(text: str) -> str:
        return f"to_char({text}, 'YYYY-MM-DD')" if column.postgres else _as_text(text)

    def value(text: str) -> Any:
        return dt.date.fromisoformat(text) if column.postgres else column.value(text)

    return Spelling(column.encoded, _same, value, sql)


def _timestamp(column: _Column) -> Spelling:
    zoned = column.postgres and column.type.timezone

    def from_value(value: Any) -> str:
        moment = dt.datetime.fromisoformat(column.encoded(value))
        if not column.postgres:
            moment = moment.replace(tzinfo=None)  # as SQLAlchemy stores it there
        elif zoned and moment.tzinfo is None:
            raise column.refuse("a point in time without a zone; say which one")
        elif not zoned and moment.tzinfo is not None:
            raise column.refuse("a point in time with a zone, in a column without one; convert it")
        if zoned:
            moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
        return moment.isoformat(" ", "microseconds")

    def from_text(text: str) -> str:
        return dt.datetime.fromisoformat(text).isoformat(" ", "microseconds")

    def value(text: str) -> Any:
        if not column.postgres:
            return column.value(text)
        return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC if zoned else None)

    def sql(text: str) -> str:
        if not column.postgres:
            return _as_text(text)
        moment = f"{text} AT TIME ZONE 'UTC'" if zoned else text
        return f"to_char({moment}, 'YYYY-MM-DD HH24:MI:SS.US')"

    return Spelling(from_value, from_text, value, sql)


def _time(column: _Column) -> Spelling:
    def from_value(value: Any) -> str:
        return from_text(column.encoded(value))

    def from_text(text: str) -> str:
        return dt.time.fromisoformat(text).replace(tzinfo=None).isoformat("microseconds")

    def value(text: str) -> Any:
        return dt.time.fromisoformat(text) if column.postgres else column.value(text)

    def sql(text: str) -> str:
        return f"to_char({text}, 'HH24:MI:SS.US')" if column.postgres else _as_text(text)

    return Spelling(from_value, from_text, value, sql)


# -- JSON -------------------------------------------------------------------------------------------------------------


def _json(column: _Column) -> Spelling:
    def from_value(value: Any) -> str | None:
        if value is types.JSON.NULL:
            return None
        if value is None:
            return None if column.type.none_as_null else "null"
        return from_text(column.encoded(value))

    def from_text(text: str) -> str:
        return _sorted(json.loads(text, parse_int=Decimal, parse_float=Decimal, parse_constant=_no_number))

    def value(text: str) -> Any:
        return json.loads(text) if column.postgres else column.value(text)

    return Spelling(from_value, from_text, value, _as_text, spells_none=True)


def _no_number(text: str) -> Decimal:
    raise ValueError(text)


def _sorted(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_sorted(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted, value)) + "]"
    if isinstance(value, Decimal):
        return format(value.normalize(_WIDE), "e") if value else "0"
    return json.dumps(value)


_KINDS: dict[str, Callable[[_Column], Spelling]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "float": _float,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "time": _time,
    "uuid": _uuid,
    "json": _json,
    "enum": _enum,
}

__all__ = ["WRONG_TEXT", "InvalidInput", "Spelling", "check_type", "envelope_spelling", "spelling"]
