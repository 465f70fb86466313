"""What stands where a value of an erased person stood: of its column's kind, never empty, and told by `is_erased`.

Handlers, serializers and templates go on working: an erased text is a text, ``[erased]``; an erased date is a date.
Shown to people, each of them reads ``[erased]``.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN: Final = "[erased]"


class Erased:
    """A value of a person who was erased. By itself it stands for one of a kind that has no subclasses (yes or no)."""

    __slots__ = ()

    def __str__(self) -> str:
        """For people."""
        return SHOWN

    def __repr__(self) -> str:
        """For developers."""
        return "<erased>"


class _Text(Erased, str):
    __slots__ = ()


class _Bytes(Erased, bytes):
    __slots__ = ()


class _Integer(Erased, int):
    __slots__ = ()


class _Float(Erased, float):
    __slots__ = ()


class _Decimal(Erased, Decimal):
    __slots__ = ()


class _Date(Erased, dt.date):
    __slots__ = ()


class _DateTime(Erased, dt.datetime):
    __slots__ = ()


class _Time(Erased, dt.time):
    __slots__ = ()


class _Uuid(Erased, uuid.UUID):
    __slots__ = ()


class _Dict(Erased, dict):  # type: ignore[type-arg]
    __slots__ = ()


class _List(Erased, list):  # type: ignore[type-arg]
    __slots__ = ()


_ANYTHING: Final = Erased()
_BY_TYPE: Final[dict[type, Callable[[bool], Any]]] = {
    str: lambda _: _Text(SHOWN),
    bytes: lambda _: _Bytes(b""),
    int: lambda _: _Integer(0),
    float: lambda _: _Float(0.0),
    Decimal: lambda _: _Decimal(0),
    dt.date: lambda _: _Date(1, 1, 1),
    dt.datetime: lambda aware: _DateTime(1, 1, 1, tzinfo=dt.UTC if aware else None),
    dt.time: lambda _: _Time(0),
    uuid.UUID: lambda _: _Uuid(int=0),
    dict: lambda _: _Dict(),
    list: lambda _: _List(),
}


def erased_for(python_type: type, *, aware: bool = True) -> Callable[[], Any]:
    """What makes the stand-in for values of that type. ``aware``: a point in time has a zone."""
    make = _BY_TYPE.get(python_type)
    if make is None:
        return lambda: _ANYTHING
    if python_type in (dict, list):  # a handler may change what it was given
        return lambda: make(aware)
    standin = make(aware)
    return lambda: standin


def is_erased(value: object) -> bool:
    """Whether ``value`` stands for one of a person who was erased."""
    return isinstance(value, Erased)


__all__ = ["SHOWN", "Erased", "erased_for", "is_erased"]
