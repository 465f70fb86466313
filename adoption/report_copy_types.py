"""Plain types for a reporting copy: what every BI tool knows, and the same values on SQLite and PostgreSQL.

A column's own type may be anything (an enumeration, JSON, a type of the application's). In the copy it is text, a
number, yes or no, a date, a point in time, or bytes. Identifiers are text with dashes, so that they join whatever the
models made of them; JSON is text; a duration is in seconds; a point in time is in UTC.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Double,
    Enum,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    type_coerce,
)

from ..middleware.personal import Personal
from ..middleware.row_seals import RowSealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Column, ColumnElement
    from sqlalchemy.types import TypeEngine


class Plain(NamedTuple):
    """The type of a column in the copy, and what makes its values of those that were read; None stays None."""

    type: TypeEngine[Any]
    value: Callable[[Any], Any]


def readable(column: Column[Any]) -> ColumnElement[Any]:
    """What to select: the column; where it has a type of the application's own, what the database holds."""
    if isinstance(column.type, Personal):
        return column
    stored = _stored(column.type)
    if isinstance(column.type, RowSealed) and stored is column.type.inner:
        return column  # so that its row is checked
    return column if stored is column.type else type_coerce(column, stored)


def plain(column: Column[Any], *, sqlite: bool) -> Plain:
    """How the values of ``column`` stand in a copy on SQLite or on PostgreSQL."""
    stored = _stored(column.type)
    if isinstance(stored, Uuid | Enum):
        kind: type = str
    else:
        try:
            kind = stored.python_type
        except NotImplementedError:
            kind = str
    made = (_ON_SQLITE if sqlite else _ON_POSTGRESQL).get(kind)
    if kind is dt.datetime:
        made = _timestamps(sqlite=sqlite, aware=bool(getattr(stored, "timezone", False)))
    return made or (Plain(Text(), str) if sqlite else Plain(Text(), _text))


def _stored(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type beneath those that only turn values into others; text for an enumeration, as it is stored."""
    while isinstance(type_, TypeDecorator):
        inner = type_.inner if isinstance(type_, Personal) else type_.impl_instance
        type_ = Text() if inner is None else inner
    return String() if isinstance(type_, Enum) else type_


def _spelled(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _text(value: Any) -> str:
    """PostgreSQL's text has no room for NUL, and one such value must not stop the whole copy."""
    return _spelled(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _same(value: Any) -> Any:
    return value


def _seconds(value: dt.timedelta) -> float:
    return value.total_seconds()


def _timestamps(*, sqlite: bool, aware: bool) -> Plain:
    """In UTC. SQLite keeps no zone; a value that came without one is taken for UTC."""

    def value(at: dt.datetime) -> dt.datetime:
        zoned = at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
        if aware and not sqlite:
            return zoned
        return zoned.astimezone(dt.UTC).replace(tzinfo=None)

    return Plain(DateTime(timezone=aware and not sqlite), value)


_BOTH: Final[dict[type, Plain]] = {
    bool: Plain(Boolean(), _same),
    int: Plain(BigInteger(), _same),
    float: Plain(Double(), _same),
    dt.date: Plain(Date(), _same),
    dt.time: Plain(Time(), lambda value: value.replace(tzinfo=None)),
    dt.timedelta: Plain(Double(), _seconds),
    bytes: Plain(LargeBinary(), _same),
}
_TEXTS: Final = (str, dict, list, uuid.UUID)
_ON_POSTGRESQL: Final = _BOTH | {kind: Plain(Text(), _text) for kind in _TEXTS} | {Decimal: Plain(Numeric(), _same)}
_ON_SQLITE: Final = _BOTH | {kind: Plain(Text(), _spelled) for kind in _TEXTS} | {Decimal: Plain(Double(), float)}
"""SQLite has no decimal numbers."""
