"""Masks: what an access sees that may see that a value is there and roughly what it is, and no more.

A masked value still parses as its kind: an e-mail address stays one, a date stays a date, a coordinate a coordinate. A
mask is a function of the value alone, so that a form which posts back what it showed can be recognised.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..errors import DeclarationError

Mask = Callable[[Any], Any]


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
    """A coordinate to one decimal: about 11 km."""
    return round(value, 1)


def zero(value: Any) -> Any:
    """Zero in the value's own type."""
    return type(value)(0)


def empty(value: Any) -> Any:
    """An empty value of the value's own type."""
    return type(value)()


def nothing(_value: Any) -> None:
    """None, for types of which every value says something: one of an enumeration, an identifier."""


BY_NAME: dict[str, Mask] = {
    "last4": last4,
    "initials": initials,
    "email": email,
    "dots": dots,
    "year": year,
    "district": district,
    "zero": zero,
    "empty": empty,
}

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
}


_FITS: dict[str, tuple[type, ...]] = {
    "last4": (str,),
    "initials": (str,),
    "email": (str,),
    "dots": (str,),
    "year": (dt.date,),
    "district": (float, Decimal),
    "zero": (int, float, Decimal),
    "empty": (str, bytes, dict, list),
}


def mask_for(category: str, python_type: type, name: str | None) -> Mask:
    """The mask named by a declaration, or the category's, or the type's.

    Raises `DeclarationError` for an unknown name, and for a mask that does not fit the type: a masked value is of its
    kind.
    """
    if name is not None:
        if name not in BY_NAME:
            raise DeclarationError(detail=f"there is no mask {name!r}; there are {', '.join(BY_NAME)}")
        if not issubclass(python_type, _FITS[name]):
            raise DeclarationError(detail=f"the mask {name!r} does not fit values of type {python_type.__name__}")
        return BY_NAME[name]
    for prefix, kind, mask in _BY_CATEGORY:
        if (category == prefix or category.startswith(prefix + ".")) and kind is python_type:
            return mask
    return _BY_TYPE.get(python_type, nothing)


def standin_for(python_type: type, *, aware: bool = True) -> Any:
    """What stands in a column that may not be NULL where the value is withheld: the same for every row.

    ``aware``: a point in time has a zone. None for a type of which every value says something.
    """
    value = _STANDINS.get(python_type)
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) and not aware else value
