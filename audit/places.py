"""All places outside the database as one: every record is written to each of them, and the greatest number counts.

1. A record is acknowledged when one place has it for good; the others owe it then.
2. What a place owes is made up for, from one that answers and has it, before anything newer is written there: with each
   record and each heartbeat.
3. A place that holds another record under a number than its neighbour is `TrailDamaged`, whoever is right.
4. What a place was once seen to have counts while it is away: a roll-back does not pass because it does not answer.
5. A place that is away is not asked by each caller: the next attempt is after 2, 4, 8 … and at most 60 seconds, so that
   the others, and signing itself, wait for its time-outs now and then only.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from heapq import merge
from typing import TYPE_CHECKING, Final, TypeAlias

from .. import measures
from ..errors import CheckpointsAway, TrailDamaged
from ..i18n import N_
from .outside import HIGHEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .outside import Outside

log = logging.getLogger(__name__)


_Trouble: TypeAlias = "CheckpointsAway | TrailDamaged | None"
_LONGEST_PAUSE: Final = 60.0


@dataclass
class Place:
    """One place. ``label``: its kind, and which of them; ``name``: by which an operator knows it."""

    label: str
    name: str
    outside: Outside
    level: int | None = field(default=None, repr=False)
    """The greatest number that it was seen to have."""
    missed: int = field(default=0, repr=False)
    """How many attempts in a row met nobody."""
    until: float = field(default=0.0, repr=False)
    """It is not asked before that moment of the clock."""


class Places:
    """An :class:`~amanah.audit.outside.Outside` over several; also over one, of which it then keeps account.

    ``partly``: reading goes on while a place is away. For the sequencer, which must not stop with one of two places;
    not for verification, where half of the evidence would look like all of it.
    """

    def __init__(
        self, places: Sequence[Place], *, partly: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.places = tuple(places)
        self._partly = partly
        self._clock = clock
        self._lock = threading.Lock()
        for one in self.places:
            measures.checkpoints_written.setdefault(one.label, 0.0)

    def write(self, number: int, record: str) -> None:
        """To all. Raises `CheckpointsAway` where not one took it, and `TrailDamaged` after all were asked."""
        self._to_all(number, record)

    def beat(self, note: str) -> None:
        """To all. Raises as `write`."""
        self._to_all(None, note)

    def newest(self) -> int:
        """The greatest number that any place has or was seen to have. Raises `CheckpointsAway` where none answers."""
        with self._lock:
            troubles = [self._try(one, self._ask) for one in self.places]
        _judge(troubles)
        return max(one.level or 0 for one in self.places)

    def read(self, first: int = 1) -> Iterator[tuple[int, str]]:
        """What any place has, each number once. Raises `CheckpointsAway` where one of them is away.

        Where `partly` will do, only if what the others have ends before a number that is known.
        """
        before: tuple[int, str] | None = None
        away: list[CheckpointsAway] = []
        for found in merge(*(_answered(one.outside.read(first), away) for one in self.places), key=lambda one: one[0]):
            if away and not self._partly:
                raise away[0]
            if before is not None and found[0] == before[0]:
                if found[1] != before[1]:
                    raise TrailDamaged(detail=f"two places hold different records {found[0]}")
                continue
            before = found
            yield found
        known = max(one.level or 0 for one in self.places)
        last = first - 1 if before is None else before[0]
        if away and (not self._partly or len(away) == len(self.places) or last < known):
            raise away[0]

    def heartbeat(self) -> str | None:
        """Of the first place that answers and has one. Raises `CheckpointsAway` where none answers."""
        troubles: list[_Trouble] = []
        for one in self.places:
            try:
                note = one.outside.heartbeat()
            except CheckpointsAway as error:
                troubles.append(error)
                continue
            if note is not None:
                return note
            troubles.append(None)
        _judge(troubles)
        return None

    def _to_all(self, number: int | None, text: str) -> None:
        with self._lock:
            # Where each is must be known before one of them can be given what it lacks. A number that does not follow
            # says that another process has written since.
            follows = number is None or number <= 1 + max(one.level or 0 for one in self.places)
            troubles = [
                self._try(one, self._ask) if one.level is None or one.missed or not follows else None
                for one in self.places
            ]
            for index, one in enumerate(self.places):
                if troubles[index] is None:
                    troubles[index] = self._try(one, partial(self._put, number=number, text=text), settles=True)
        _judge(troubles)

    def _try(self, one: Place, work: Callable[[Place], None], *, settles: bool = False) -> _Trouble:
        """Do ``work`` with one place; what went wrong. That it is away is told in the log once.

        ``settles``: if it works the place is back, which a place that only reads is not.
        """
        if self._clock() < one.until:
            return CheckpointsAway(place=one.name, detail=N_("it did not answer a moment ago"))
        try:
            work(one)
        except CheckpointsAway as error:
            if not one.missed:
                log.error("no checkpoints reach the place %s: %s", one.label, error.facts.get("detail"))  # noqa: TRY400 - no values in logs
            one.missed += 1
            one.until = self._clock() + min(2.0**one.missed, _LONGEST_PAUSE)
            return error
        except TrailDamaged as error:
            return error
        if settles and one.missed:
            log.warning("checkpoints reach the place %s again", one.label)
            one.missed = 0
        return None

    def _ask(self, one: Place) -> None:
        one.level = max(one.level or 0, one.outside.newest())

    def _put(self, one: Place, number: int | None, text: str) -> None:
        """A record, or a heartbeat where ``number`` is None, once it has what it owes."""
        self._make_up(one, number)
        if number is None:
            one.outside.beat(text)
        else:
            one.outside.write(number, text)
            one.level = max(one.level or 0, number)
        measures.checkpoints_written[one.label] = time.time()

    def _make_up(self, one: Place, number: int | None) -> None:
        """Write to ``one`` what it lacks below ``number`` and another place has."""
        for other in self.places:
            until = min(other.level or 0, HIGHEST if number is None else number - 1)
            if other is one or other.missed or until <= (one.level or 0):
                continue
            for found, record in _answered(other.outside.read((one.level or 0) + 1), []):
                if found > until:
                    break
                one.outside.write(found, record)
                one.level = found


def _answered(records: Iterator[tuple[int, str]], away: list[CheckpointsAway]) -> Iterator[tuple[int, str]]:
    """Up to where the place answers; then ``away`` says why it does not."""
    try:
        yield from records
    except CheckpointsAway as error:
        away.append(error)


def _judge(troubles: Sequence[_Trouble]) -> None:
    """Raise for damage anywhere, and where not one place was without trouble."""
    for one in troubles:
        if isinstance(one, TrailDamaged):
            raise one
    if all(troubles) and troubles[0] is not None:
        raise troubles[0]


__all__ = ["Place", "Places"]
