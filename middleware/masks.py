"""Masks: what an access sees that may see that a value is there and roughly what it is, and no more.

A masked value still parses as its kind: an e-mail address stays one, a date stays a date, a coordinate a coordinate. A
mask is a function of the value alone (a `Pseudonym`: of value, column and tenant), so that a form which posts back what
it showed can be recognised.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ..access_policies.masks import at_least_as_strict
from ..encryption.coordinates import Coordinate
from ..errors import DeclarationError
from .pseudonyms import Pseudonym

if TYPE_CHECKING:
    from ..encryption.codecs import Codec

Mask = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class MaskedColumn:
    """What a mask can depend on besides the value. ``aware``: its points in time have a zone."""

    field: str
    resource: str
    category: str
    python_type: type
    codec: Codec
    aware: bool = True
    normalise: Callable[[Any], str] | None = None

    @property
    def kind(self) -> type:
        """The type of its values; choices and identifiers that are written as text are no text, and JSON is a dict."""
        return {"enum": enum.Enum, "uuid": uuid.UUID, "json": dict}.get(self.codec.name, self.python_type)


def last4(value: str) -> str:
    """``•••• 7890``; nothing of a value so short that four characters would tell most of it."""
    return f"•••• {value[-4:]}" if len(value) >= 8 else "••••"  # noqa: PLR2004


def initials(value: str) -> str:
    """``B. S.`` for "Budi Santoso"."""
    return " ".join(f"{word[0].upper()}." for word in value.split()) or "•"


def email(value: str) -> str:
    """``b***@example.com``: still an address, and the same for all who share initial and provider."""
    name, at, host = value.partition("@")
    return f"{name[:1]}***@{host}" if at and name else "***@masked.invalid"


def dots(_value: str) -> str:
    """The same for every text."""
    return "••••"


def year(value: dt.date) -> dt.date:
    """The first of January of the same year; a datetime stays a datetime in its zone."""
    if isinstance(value, dt.datetime):
        return value.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return value.replace(month=1, day=1)


def district(value: Any) -> Any:
    """A coordinate, or one part of it, to one decimal: about 11 km."""
    if isinstance(value, Coordinate):
        return Coordinate(round(value.latitude, 1), round(value.longitude, 1))
    try:
        return round(value, 1)
    except InvalidOperation:  # a Decimal that is no part of a coordinate: infinite, or of too many digits
        return Decimal(0)


def zero(value: Any) -> Any:
    """Zero in the value's own type."""
    return type(value)(0)


def empty(value: Any) -> Any:
    """An empty value of the value's own type."""
    return type(value)()


def nothing(_value: Any) -> None:
    """None, for types of which every value says something: one of an enumeration, an identifier."""


def pseudonym(column: MaskedColumn, _: str) -> Mask:
    """The keyed mask of a column, see `pseudonyms`."""
    return Pseudonym(column.resource, column.field, column.codec, column.normalise)


def constant(column: MaskedColumn, text: str) -> Mask:
    """The same value for every row, as declared: ``constant:1900-01-01``. Raises `DeclarationError` for no value."""
    read = column.codec.decode_text
    value = read(text)
    if isinstance(value, dt.datetime | dt.time) and (value.tzinfo is not None) != column.aware:
        have = "has" if column.aware else "has not"
        raise DeclarationError(detail=f"{column.field}: the mask's constant needs a zone where its column {have} one")
    return Constant(text, read)


@dataclass(frozen=True, slots=True)
class Constant:
    """A declared value, read anew each time: what is changed in one place does not change another."""

    text: str
    read: Callable[[str], Any]

    def __call__(self, _value: Any) -> Any:
        """The constant."""
        return self.read(self.text)


BY_NAME: dict[str, tuple[Mask, tuple[type, ...]]] = {
    "last4": (last4, (str,)),
    "initials": (initials, (str,)),
    "email": (email, (str,)),
    "dots": (dots, (str,)),
    "year": (year, (dt.date,)),
    "district": (district, (float, Decimal, Coordinate)),
    "zero": (zero, (int, float, Decimal)),
    "empty": (empty, (str, bytes, dict, list, dt.time)),
}
"""Masks by the name that a declaration gives, each with the types whose values it takes."""

OF_A_COLUMN: dict[str, tuple[Callable[[MaskedColumn, str], Mask], tuple[type, ...]]] = {
    "hash": (pseudonym, (str, uuid.UUID)),
    "constant": (constant, (object,)),
}
"""Masks that are made for one column: ``hash``, and ``constant:`` with its text behind it."""

_BY_CATEGORY: tuple[tuple[str, type, Mask], ...] = (
    ("user.contact.email", str, email),
    ("user.contact.phone_number", str, last4),
    ("user.name", str, initials),
    ("user.government_id", str, last4),
    ("x.user.government_id", str, last4),
    ("user.financial", str, last4),
    ("user.health_and_medical.record_id", str, last4),
    ("user.health_and_medical.insurance_beneficiary_id", str, last4),
    ("user.location", float, district),
    ("user.location", Decimal, district),
)
_BY_TYPE: dict[type, Mask] = {
    str: dots,
    bytes: empty,
    dt.datetime: year,
    dt.date: year,
    float: zero,
    int: zero,
    Decimal: zero,
    bool: zero,
    dt.time: empty,
    dict: empty,
    list: empty,
    Coordinate: district,
}
_STANDINS: dict[type, Any] = {
    str: "••••",
    bytes: b"",
    dt.datetime: dt.datetime(1900, 1, 1, tzinfo=dt.UTC),
    dt.date: dt.date(1900, 1, 1),
    dt.time: dt.time(0),
    float: 0.0,
    int: 0,
    Decimal: Decimal(0),
    bool: False,
    dict: {},
    list: [],
    Coordinate: Coordinate(0, 0),
}


def mask_for(column: MaskedColumn, name: str | None) -> Mask:
    """The mask named by a declaration, or the category's, or the type's.

    Raises `DeclarationError` for an unknown name, and for a mask that does not fit the type: a masked value is of its
    kind.
    """
    if name is not None:
        return _named(column, name)
    kind = column.kind
    for prefix, type_, mask in _BY_CATEGORY:
        if (column.category == prefix or column.category.startswith(prefix + ".")) and type_ is kind:
            return mask
    return _BY_TYPE.get(kind, nothing)


def _named(column: MaskedColumn, name: str) -> Mask:
    word, colon, text = name.partition(":")
    made = OF_A_COLUMN.get(word)
    found = made if made is not None and (word == "constant") == bool(colon) else BY_NAME.get(name)
    if found is None:
        known = ", ".join([*BY_NAME, "hash", "constant:…"])
        raise DeclarationError(detail=f"there is no mask {name!r}; there are {known}")
    if not issubclass(column.kind, found[1]):
        raise DeclarationError(detail=f"the mask {name!r} does not fit values of type {column.kind.__name__}")
    return made[0](column, text) if made is not None else BY_NAME[name][0]


def instead(column: MaskedColumn, own: Mask, name: str) -> Mask | None:
    """The mask that a rule names, in place of the column's ``own``; None where it does not fit, or would show more."""
    try:
        mask = _named(column, name)
    except DeclarationError:
        return None
    return mask if at_least_as_strict(name, name_of(own)) else None


def name_of(mask: Mask) -> str | None:
    """How a declaration calls the mask; None for the one that shows nothing."""
    if isinstance(mask, Pseudonym):
        return "hash"
    if isinstance(mask, Constant):
        return f"constant:{mask.text}"
    return next((name for name, (known, _) in BY_NAME.items() if known is mask), None)


def standin_for(python_type: type, *, aware: bool = True) -> Any:
    """What stands in a column that may not be NULL where the value is withheld: the same for every row.

    ``aware``: a point in time has a zone. None for a type of which every value says something.
    """
    value = _STANDINS.get(python_type)
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) and not aware else value
