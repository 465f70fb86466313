"""The doctor's look at the places outside the database: do checkpoints reach them?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ..audit.checkpoints import parse
from ..audit.outside import chosen
from ..errors import CheckpointsAway, TrailDamaged
from .checks_of_installation import CHECKPOINTS_AWAY, CHECKPOINTS_FORGED, CHECKPOINTS_NONE, CHECKPOINTS_OLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..audit.checkpoints import VerifierKey
    from ..audit.outside import Outside
    from ..settings import Settings
    from .finding import Finding

_OLD: Final = 600_000_000
"""A heartbeat follows every ten seconds; µs."""


def live_places(
    settings: Settings, verifier: VerifierKey, *, clock: Callable[[], int] = time.time_ns
) -> Iterator[Finding]:
    """Places that do not answer, or whose newest heartbeat is missing, old or not of the signer with that ``verifier``.

    ``clock``: nanoseconds since 1970.
    """
    places = chosen(settings.checkpoint_places)
    for place in places.places if places is not None else ():
        try:
            at = _beaten(place.outside, verifier)
        except CheckpointsAway as error:
            yield CHECKPOINTS_AWAY(place.name, detail=str(error.facts["detail"]))
        except TrailDamaged:
            yield CHECKPOINTS_FORGED(place.name)
        else:
            if at is None:
                yield CHECKPOINTS_NONE(place.name)
            elif at + _OLD < clock() // 1000:
                since = datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(sep=" ", timespec="minutes")
                yield CHECKPOINTS_OLD(place.name, since=since)


def _beaten(outside: Outside, verifier: VerifierKey) -> int | None:
    """When the place's heartbeat was signed, µs since 1970; None where there is none. Raises as `Outside`."""
    note = outside.heartbeat()
    if note is None:
        return None
    for line in parse(verifier.open(note)).extensions:
        name, _, value = line.partition(" ")
        if name == "time" and value.isascii() and value.isdecimal():
            return int(value)
    raise TrailDamaged(detail="a heartbeat says no time")


__all__ = ["live_places"]
