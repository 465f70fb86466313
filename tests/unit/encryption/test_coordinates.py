"""A place as one value."""

from __future__ import annotations

import math
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from amanah import Coordinate, Point


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_what_is_written_is_read(latitude, longitude):
    """Every digit of both numbers, and equal places in one spelling."""
    place = Coordinate(latitude, longitude)
    assert Coordinate.parse(str(place)) == place
    assert str(Coordinate.parse(str(place))) == str(place)
    assert len(str(place)) <= Point().impl.length


@pytest.mark.parametrize(
    "latitude, longitude", [(90.1, 0), (-91, 0), (0, 180.5), (0, -181), (math.nan, 0), (0, math.inf), (10**400, 0)]
)
def test_a_place_that_is_nowhere_is_refused(latitude, longitude):
    """Ranges are checked where the value is made, and the message does not quote it."""
    with pytest.raises(ValueError, match="from -") as caught:
        Coordinate(latitude, longitude)
    assert "91" not in str(caught.value)


@pytest.mark.parametrize("value", ["7", None, True, Decimal(7), 7j])
def test_what_is_no_number_is_refused(value):
    """A float or a whole number: of a Decimal, digits would be lost without a word."""
    with pytest.raises(TypeError, match="number"):
        Coordinate(value, 0)
    with pytest.raises(TypeError, match="number"):
        Coordinate(0, value)


@pytest.mark.parametrize(
    "text", ["", "7", "7,", ",7", "7;8", "1,2,3", "nan,0", "inf,0", "1_0,2", "0x1,2", "7..1,2", "100,0", "\u0667,1"]
)
def test_text_that_is_no_place_is_refused(text):
    """By ValueError, without a guess."""
    with pytest.raises(ValueError, match=r"coordinate|degrees"):
        Coordinate.parse(text)


def test_text_of_other_programs_is_read():
    """Blanks, whole numbers and a plus sign."""
    assert Coordinate.parse(" -7.25, +112 ") == Coordinate(-7.25, 112)


def test_equal_places_are_equal_and_travel():
    """They can be keys, and go to another process; zero has one sign."""
    assert Coordinate(-0.0, 7) == Coordinate(0, 7.0)
    assert str(Coordinate(-0.0, -0.0)) == "0.0,0.0"
    assert len({Coordinate(1, 2), Coordinate(1.0, 2.0)}) == 1
    assert pickle.loads(pickle.dumps(Coordinate(1, 2))) == Coordinate(1, 2)


def test_a_point_takes_nothing_else():
    """A tuple would be stored as whatever order somebody had in mind."""
    bind = Point().bind_processor(sqlite.dialect())
    assert bind(None) is None
    with pytest.raises(TypeError, match="Coordinate"):
        bind((1, 2))
