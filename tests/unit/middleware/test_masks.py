"""Masks: of the value's kind, and a function of the value alone."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import JSON, Date, DateTime, Enum, Float, Integer, LargeBinary, Numeric, String, Time, Uuid

from amanah import Coordinate, Personal, Point
from amanah.encryption.codecs import codec_for
from amanah.errors import AccessRequired, DeclarationError
from amanah.middleware import masks

TYPES: dict[type, Any] = {
    str: String(),
    bytes: LargeBinary(),
    int: Integer(),
    float: Float(),
    Decimal: Numeric(),
    dt.date: Date(),
    dt.datetime: DateTime(timezone=True),
    dt.time: Time(),
    dict: JSON(),
    uuid.UUID: Uuid(),
    Coordinate: Point(),
}


def column(type_: Any, category: str = "user.x", normalise: Any = None) -> masks.MaskedColumn:
    return masks.MaskedColumn(
        field="customer.value",
        resource="customer",
        category=category,
        python_type=type_.python_type,
        codec=codec_for(type_),
        aware=getattr(type_, "timezone", True),
        normalise=normalise,
    )


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
        ("user.location.precise", Decimal("Infinity"), Decimal(0)),
        ("user.location.precise", Coordinate(-7.2575, 112.7521), Coordinate(-7.3, 112.8)),
        ("user.x", Coordinate(-89.97, 179.97), Coordinate(-90, 180)),
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
    type_ = Enum(type(value)) if isinstance(value, enum.Enum) else TYPES[type(value)]
    mask = masks.mask_for(column(type_, category), None)
    assert mask(value) == shown
    assert type(mask(value)) is type(shown)


def test_a_stand_in_says_nothing_about_the_row() -> None:
    """The same for every row, of the column's kind, and with a zone only where the column has one."""
    assert masks.standin_for(str) == "••••"
    assert masks.standin_for(dt.datetime).tzinfo is dt.UTC
    assert masks.standin_for(dt.datetime, aware=False).tzinfo is None
    assert masks.standin_for(enum.Enum) is None
    assert masks.standin_for(Coordinate) == Coordinate(0, 0)


@pytest.mark.parametrize("type_", [Enum("sehat", "sakit"), Uuid(as_uuid=False)], ids=["choices", "uuid"])
def test_choices_and_identifiers_that_are_written_as_text_are_no_text(type_: Any) -> None:
    """Dots would be none of the choices, and no UUID: the mask is None, and masks of text do not fit."""
    assert masks.mask_for(column(type_), None)("sehat") is None
    assert masks.standin_for(column(type_).kind) is None
    with pytest.raises(DeclarationError, match="does not fit"):
        masks.mask_for(column(type_), "dots")


@pytest.mark.parametrize(
    "type_, text, shown",
    [
        (String(), "disembunyikan", "disembunyikan"),
        (String(), "a:b", "a:b"),
        (String(), "", ""),
        (Integer(), "-1", -1),
        (Numeric(12, 2), "1", Decimal("1.00")),
        (Date(), "1900-01-01", dt.date(1900, 1, 1)),
        (DateTime(timezone=True), "1900-01-01T00:00:00+07:00", dt.datetime.fromisoformat("1900-01-01T00:00:00+07:00")),
        (DateTime(), "1900-01-01", dt.datetime(1900, 1, 1)),  # noqa: DTZ001 - a column without zone
        (Enum("sehat", "sakit"), "sehat", "sehat"),
        (Point(), "-6.2,106.8", Coordinate(-6.2, 106.8)),
        (Uuid(), str(uuid.UUID(int=0)), uuid.UUID(int=0)),
        (JSON(), '{"hidden":true}', {"hidden": True}),
    ],
)
def test_a_declared_constant_is_of_the_columns_type(type_: Any, text: str, shown: Any) -> None:
    """Whatever the value; and it is the reader's own, so that changing it changes nobody else's."""
    mask = masks.mask_for(column(type_), f"constant:{text}")
    assert mask("whatever") == shown
    assert type(mask("whatever")) is type(shown)
    assert not isinstance(shown, dict) or mask("a") is not mask("b")
    assert masks.name_of(mask) == f"constant:{text}"


@pytest.mark.parametrize(
    "type_, name",
    [
        (String(), "constant"),
        (String(), "last5"),
        (String(), "hash:"),
        (Integer(), "last4"),
        (Integer(), "hash"),
        (Integer(), "constant:many"),
        (Date(), "district"),
        (Enum("sehat", "sakit"), "constant:mati"),
        (DateTime(), "constant:1900-01-01T00:00:00Z"),
        (DateTime(timezone=True), "constant:1900-01-01"),
        (Point(), "constant:91,0"),
        (Point(), "zero"),
    ],
    ids=str,
)
def test_a_mask_that_does_not_fit_is_refused_when_it_is_declared(type_: Any, name: str) -> None:
    """Not at the first request that sees it."""
    with pytest.raises(DeclarationError):
        masks.mask_for(column(type_), name)


def test_every_mask_can_be_named_again() -> None:
    """What `amanah doctor` lists is what a declaration says."""
    for name, (_, fits) in masks.BY_NAME.items():
        assert masks.name_of(masks.mask_for(column(TYPES.get(fits[0], Date())), name)) == name
    assert masks.name_of(masks.mask_for(column(String()), "hash")) == "hash"
    assert masks.name_of(masks.nothing) is None


def test_a_pseudonym_wants_an_access() -> None:
    """Its key is the tenant's, and comes from the access only."""
    with pytest.raises(AccessRequired):
        masks.mask_for(column(String()), "hash")("0812")


def test_a_search_domain_is_never_that_of_a_pseudonym() -> None:
    """A search token would begin with what is shown."""
    with pytest.raises(DeclarationError, match="mask:"):
        Personal(String, category="user.x", search="exact", domain="mask:customer.phone")
