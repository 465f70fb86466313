"""Points in time as the policy has them: µs since 1970-01-01 UTC; and as people write them, ISO 8601 with its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import InvalidInput

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def instant(said: object) -> int:
    """The µs of a text or a ``datetime``. Raises ``InvalidInput`` for anything else, and where the zone is missing."""
    try:
        point = datetime.fromisoformat(said) if isinstance(said, str) else said
    except ValueError:
        raise InvalidInput(detail=f"{said!r:.80} is no point in time: write it like 2026-12-01T08:00+07:00") from None
    if not isinstance(point, datetime):
        raise InvalidInput(detail=f"{said!r:.80} is no point in time: write it like 2026-12-01T08:00+07:00")
    if point.utcoffset() is None:
        raise InvalidInput(detail=f"{str(said)!r:.80} has no zone: write it like 2026-12-01T08:00+07:00")
    return (point - _EPOCH) // _MICROSECOND


def told(us: int) -> str:
    """``2026-12-01T01:00:00Z``, in UTC."""
    try:
        return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")
    except OverflowError:  # before the year 1 or after 9999: nobody wrote that as a date
        return f"{us} µs"
