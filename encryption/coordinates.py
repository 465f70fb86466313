"""A place on Earth as one value: the `Coordinate`, and the column type `Point` that stores it.

A `Point` needs no guard: the column holds ``latitude,longitude`` as text, on every database, in one spelling, so that
equal places are equal in SQL. Declared personal it is one sealed cell, and masked it is still a place.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import String
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

_LONGEST = 64  # two numbers of up to 24 characters and a comma
_TEXT = re.compile(
    r"\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*,\s*([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)\s*", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A place by WGS 84: latitude from -90 to 90 and longitude from -180 to 180, in degrees.

    Whole numbers become floats, and -0.0 becomes 0.0, so that equal places have one spelling. Raises ValueError for
    what is out of range or not finite and TypeError for what is no number; neither quotes it.
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "latitude", _degrees(self.latitude, 90, "latitude"))
        object.__setattr__(self, "longitude", _degrees(self.longitude, 180, "longitude"))

    def __str__(self) -> str:
        """``-7.2575,112.7521``: what a `Point` stores. Every digit is kept; `parse` is the inverse."""
        return f"{self.latitude!r},{self.longitude!r}"

    @classmethod
    def parse(cls, text: str) -> Coordinate:
        """The coordinate of ``latitude,longitude`` in decimal degrees. Raises ValueError, which does not quote it."""
        found = _TEXT.fullmatch(text)
        try:
            latitude, longitude = (float(part) for part in found.groups()) if found else (math.nan, math.nan)
        except ValueError:
            latitude = longitude = math.nan
        if math.isnan(latitude):
            message = "a coordinate is written latitude,longitude in decimal degrees"
            raise ValueError(message) from None
        return cls(latitude, longitude)


def _degrees(value: Any, most: int, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"a {name} is a number"
        raise TypeError(message)
    if not -most <= value <= most:  # false for what is not a number, too
        message = f"a {name} is from -{most} to {most} degrees"
        raise ValueError(message)
    return float(value) + 0.0  # -0.0 + 0.0 is 0.0


class Point(TypeDecorator[Coordinate]):
    """The type of a column that holds a `Coordinate`: ``where: Mapped[Coordinate | None] = mapped_column(Point)``.

    Compares by ``==`` and ``in_()``. It makes no distances: that is what a database's own geographic types are for, and
    they cannot be sealed.
    """

    impl = String(_LONGEST)
    cache_ok = True

    @property
    def python_type(self) -> type[Coordinate]:
        """What a value is."""
        return Coordinate

    def process_bind_param(self, value: Coordinate | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Its text. Raises TypeError for anything else than a `Coordinate`, without quoting it."""
        return None if value is None else coordinate_text(value)

    def process_literal_param(self, value: Coordinate | None, dialect: Dialect) -> str:
        """As in a DEFAULT that the database computes."""
        return self.process_bind_param(value, dialect) or ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> Coordinate | None:  # noqa: ARG002
        """The coordinate that was stored."""
        return None if value is None else Coordinate.parse(value)


def coordinate_text(value: Any) -> str:
    """The text of a `Coordinate`; raises TypeError for anything else."""
    if not isinstance(value, Coordinate):
        message = "the value of a Point is a Coordinate"
        raise TypeError(message)
    return str(value)
