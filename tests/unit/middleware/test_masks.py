"""Masks: of the value's kind, and a function of the value alone."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import pytest

from amanah.middleware import masks


@pytest.mark.parametrize(
    "category, value, shown",
    [
        ("user.contact.phone_number", "081234567890", "•••• 7890"),
        ("user.contact.phone_number", "0812345", "••••"),
        ("user.contact.phone_number", "", "••••"),
        ("user.contact.email", "budi@example.com", "b***@example.com"),
        ("user.contact.email", "no address", "***@masked.invalid"),
        ("user.name", "Budi Santoso", "B. S."),
        ("user.name", "  ", "•"),
        ("user.name.first", "Ölaf", "Ö."),
        ("user.demographic", "secret", "••••"),
        ("user.demographic.date_of_birth", dt.date(1990, 5, 17), dt.date(1990, 1, 1)),
        ("user.x", dt.datetime(1990, 5, 17, 3, tzinfo=dt.UTC), dt.datetime(1990, 1, 1, tzinfo=dt.UTC)),
        ("user.x", dt.time(3, 4), dt.time(0)),
        ("user.location.precise", -7.2575, -7.3),
        ("user.location.precise", Decimal("-7.2575"), Decimal("-7.3")),
        ("user.x", 5, 0),
        ("user.x", Decimal("1.5"), Decimal(0)),
        ("user.x", b"abc", b""),
        ("user.x", {"a": 1}, {}),
        ("user.x", uuid.uuid4(), None),
        ("user.x", enum.Enum("Blood", "A B").A, None),  # type: ignore[attr-defined]
    ],
)
def test_a_mask_is_of_the_values_kind_and_tells_little(category: str, value: Any, shown: Any) -> None:
    """An e-mail stays one, a date a date; where every value says something the mask is None."""
    mask = masks.mask_for(category, type(value), None)
    assert mask(value) == shown
    assert type(mask(value)) is type(shown)


def test_a_stand_in_says_nothing_about_the_row() -> None:
    """The same for every row, of the column's kind, and with a zone only where the column has one."""
    assert masks.standin_for(str) == "••••"
    assert masks.standin_for(dt.datetime).tzinfo is dt.UTC
    assert masks.standin_for(dt.datetime, aware=False).tzinfo is None
    assert masks.standin_for(enum.Enum) is None
