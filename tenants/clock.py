"""Instants as whole microseconds since 1970-01-01 UTC, and whose clock counts: the database's.

Many processes work on one database, and the clock of one of them may be wrong. So what begins and ends by itself, as
grants do, is judged by the time that the database gives: on PostgreSQL the server's, on SQLite, which lives in the
process, the machine's (`database.time_of`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import InvalidInput

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def now_us() -> int:
    """This instant by the clock of this machine."""
    return time.time_ns() // 1000


def to_us(instant: datetime) -> int:
    """``instant`` in microseconds; raises ``InvalidInput`` if it has no time zone."""
    if instant.tzinfo is None:
        raise InvalidInput(detail="a point in time needs its time zone")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The point in time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)
