"""Instants as whole microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import InvalidInput

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def now_us() -> int:
    """This instant."""
    return time.time_ns() // 1000


def to_us(instant: datetime) -> int:
    """``instant`` in microseconds; raises ``InvalidInput`` if it has no time zone."""
    if instant.tzinfo is None:
        raise InvalidInput(detail="a point in time needs its time zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The point in time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
