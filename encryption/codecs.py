"""Values to bytes and back, by SQLAlchemy type: what is sealed must come back as exactly the Python value that went in.

The encoding is the plain text of the value in UTF-8 (bytes stay bytes), so that a column's
declared type can be widened later and a value that was stored plain can be taken over as its SQL text. A value of
another Python type is refused instead of being guessed at; no error here ever carries the value.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import types
from sqlalchemy.engine.default import DefaultDialect

from ..errors import DeclarationError, InvalidInput
from ..i18n import N_
from .coordinates import Coordinate, Point, coordinate_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.types import TypeEngine

V = TypeVar("V")

_INTEGERS = range(-(2**63), 2**63)  # what a BIGINT holds; also far from Python's limit for int(text)


@dataclass(frozen=True, slots=True)
class Codec:
    """How the values of one type become bytes. NULL never gets here: it stays NULL in the database.

    ``encode`` raises :class:`~amanah.errors.InvalidInput` for a value of another type; ``decode`` is its exact inverse
    and ``decode_text`` reads what the database gives as the SQL text of a plain column (``CAST(x AS TEXT)`` on
    PostgreSQL or SQLite). Both raise :class:`~amanah.errors.DeclarationError` for what is no such value.
    """

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    decode_text: Callable[[str], Any]

    def decode_plain(self, data: bytes) -> Any:
        """`decode_text` of what is UTF-8. Raises `DeclarationError` for what is not."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise _unlike(self.name) from None
        return self.decode_text(text)


def codec_for(type_: TypeEngine[Any]) -> Codec:
    """The codec for a column's type; raises :class:`~amanah.errors.DeclarationError` where there is none."""
    if isinstance(type_, types.Enum):
        return _enum(type_)
    if isinstance(type_, types.Numeric | types.Float):  # 2.0: Float is a Numeric; 2.1: it is not
        return _decimal(type_.scale) if type_.asdecimal else _FLOAT
    if isinstance(type_, types.Uuid):
        return _UUID if type_.as_uuid else _UUID_TEXT
    for kind, codec in _CODECS:
        if isinstance(type_, kind):
            return codec
    raise DeclarationError(
        detail=f"a column of type {type(type_).__name__} cannot be personal: its values have no codec"
    )


def _codec(name: str, write: Callable[[Any], str], read: Callable[[str], Any]) -> Codec:
    """A codec over text. What ``write`` and ``read`` raise for a foreign value never gets out: it would quote it."""

    def encode(value: Any) -> bytes:
        try:
            return write(value).encode()
        except (TypeError, ValueError, InvalidOperation, RecursionError, OverflowError):
            raise InvalidInput(detail=_NO_VALUE[name]) from None

    def decode_text(text: str) -> Any:
        try:
            return read(text)
        except (TypeError, ValueError, InvalidOperation, KeyError, RecursionError, OverflowError):
            raise _unlike(name) from None

    def decode(data: bytes) -> Any:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise _unlike(name) from None
        return decode_text(text)

    return Codec(name, encode, decode, decode_text)


_NO_VALUE = {
    "text": N_("A value for a field of text is no text."),
    "integer": N_("A value for a field of whole numbers is no whole number of 64 bits."),
    "decimal": N_("A value for a field of decimal numbers is no decimal number."),
    "float": N_("A value for a field of floating-point numbers is no number."),
    "boolean": N_("A value for a yes-or-no field is neither yes nor no."),
    "date": N_("A value for a field of dates is no date."),
    "timestamp": N_("A value for a field of points in time is no point in time."),
    "time": N_("A value for a field of times of day is no time of day."),
    "uuid": N_("A value for a field of UUIDs is no UUID."),
    "json": N_("A value for a field of JSON cannot be written as JSON."),
    "enum": N_("A value for a field with fixed choices is none of them."),
    "coordinate": N_("A value for a field of places is no coordinate."),
}


def _unlike(name: str) -> DeclarationError:
    return DeclarationError(detail=f"a stored value is no {name}, as its column is declared")


def _of(kind: type[V], value: Any) -> V:
    if not isinstance(value, kind):
        raise TypeError
    return value


# -- text and bytes ---------------------------------------------------------------------------------------------------


def _encode_bytes(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise InvalidInput(detail=N_("A value for a field of bytes is no bytes."))
    return bytes(value)


def _bytes_from_text(text: str) -> bytes:
    r"""PostgreSQL's ``\x…`` (bytea_output = hex); anything else is SQLite's blob read as text."""
    if text.startswith("\\x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError:
            raise _unlike("bytes") from None
    return text.encode()


def _decode_text(data: bytes) -> str:
    """What `_codec` would do, without its turns: most values are text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _unlike("text") from None


_TEXT = replace(_codec("text", lambda value: _of(str, value), str), decode=_decode_text)
_BYTES = Codec("bytes", _encode_bytes, bytes, _bytes_from_text)


# -- numbers ----------------------------------------------------------------------------------------------------------


def _write_integer(value: Any) -> str:
    number = int(_of(int, value))  # True is stored as 1, as a plain column does
    if number not in _INTEGERS:
        raise ValueError
    return str(number)


def _write_decimal(value: Any) -> str:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(_of(Decimal | int, value))  # type: ignore[arg-type]
    if number.is_snan():
        raise ValueError
    return str(number)


def _write_float(value: Any) -> str:
    if isinstance(value, bool):
        raise TypeError
    return repr(float(_of(float | int | Decimal, value)))  # type: ignore[arg-type]


def _decimal(scale: int | None) -> Codec:
    """Decimals. What a plain column gives has as many places as it declares: SQLite stores 1.50 as the float 1.5."""
    if not scale:
        return _DECIMAL

    def decode_text(text: str) -> Decimal:
        number: Decimal = _DECIMAL.decode_text(text)
        places = number.as_tuple().exponent
        if isinstance(places, int) and places > -scale and number.adjusted() < _EXACT - scale:
            return number.quantize(Decimal(1).scaleb(-scale))
        return number

    return replace(_DECIMAL, decode_text=decode_text)


_EXACT = 28  # digits of the default context

_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


def _write_boolean(value: Any) -> str:
    if not (value is True or value is False or (type(value) is int and value in {0, 1})):
        raise TypeError
    return "1" if value else "0"


def _read_boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


_INTEGER = _codec("integer", _write_integer, int)
_DECIMAL = _codec("decimal", _write_decimal, Decimal)
_FLOAT = _codec("float", _write_float, float)
_BOOLEAN = _codec("boolean", _write_boolean, _read_boolean)


# -- time -------------------------------------------------------------------------------------------------------------


def _write_date(value: Any) -> str:
    # A datetime is a date to Python; a DATE column keeps its day.
    return (value.date() if isinstance(value, dt.datetime) else _of(dt.date, value)).isoformat()


def _zoned(value: V) -> V:
    """The value, if its offset can be kept: in a zone with summer time a time of day has none, and parts of a second
    are not read back.
    """  # noqa: D205
    if value.tzinfo is not None:  # type: ignore[attr-defined]
        offset = value.utcoffset()  # type: ignore[attr-defined]
        if offset is None or offset.microseconds:
            raise ValueError
    return value


def _write_timestamp(value: Any) -> str:
    return _zoned(_of(dt.datetime, value)).isoformat()


def _write_time(value: Any) -> str:
    return _zoned(_of(dt.time, value)).isoformat()


_DATE = _codec("date", _write_date, dt.date.fromisoformat)
_TIMESTAMP = _codec("timestamp", _write_timestamp, dt.datetime.fromisoformat)
_TIME = _codec("time", _write_time, dt.time.fromisoformat)


# -- the rest ---------------------------------------------------------------------------------------------------------


def _write_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


_UUID = _codec("uuid", lambda value: str(_of(uuid.UUID, value)), uuid.UUID)
_UUID_TEXT = _codec("uuid", lambda value: str(uuid.UUID(_of(str, value))), lambda text: str(uuid.UUID(text)))
_JSON = _codec("json", _write_json, json.loads)
_COORDINATE = _codec("coordinate", coordinate_text, Coordinate.parse)


def _enum(type_: types.Enum) -> Codec:
    """Enumerations by the names that SQLAlchemy itself would store."""
    dialect = DefaultDialect()
    # SQLAlchemy leaves these two without annotations.
    write: Callable[[Any], Any] | None = type_.bind_processor(dialect)  # type: ignore[no-untyped-call]
    read: Callable[[Any], Any] | None = type_.result_processor(dialect, None)  # type: ignore[no-untyped-call]
    if write is None or read is None:
        raise DeclarationError(detail="an Enum without its processors cannot be personal")

    def to_text(value: Any) -> str:
        try:
            text = write(value)
        except LookupError:
            raise ValueError from None
        if not isinstance(text, str) or text not in type_.enums:
            raise ValueError
        return text

    def from_text(text: str) -> Any:
        try:
            return read(text)
        except LookupError:
            raise ValueError from None

    return _codec("enum", to_text, from_text)


_CODECS: tuple[tuple[type[TypeEngine[Any]], Codec], ...] = (
    (Point, _COORDINATE),
    (types.String, _TEXT),
    (types.LargeBinary, _BYTES),
    (types.Integer, _INTEGER),
    (types.Boolean, _BOOLEAN),
    (types.DateTime, _TIMESTAMP),
    (types.Date, _DATE),
    (types.Time, _TIME),
    (types.JSON, _JSON),
)
