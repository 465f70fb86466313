"""Choosing how the log is searched, from what the tally knows before any entry is looked at.

There are two ways, and neither is quick for everything:

- to *walk* the log's key and compare the terms of each entry: quick for what is common, because a page is soon full;
- to *gather* all entries that have the terms, by their index, and sort them: quick for what is rare.

1. The tally says between which positions the time and each counted fact lie. Outside of these nobody looks, so that a
   week of last year costs no walk from the end. Where they do not meet there is nothing to find.
2. Few positions are walked, all of them.
3. What is rare by count is gathered.
4. What one counted fact is common by is walked, as far as a page should need. Everything else is walked for a little:
   of a combination, a person or a row nobody knows how common it is. What was not found so is gathered, unless the
   walk to the end is shorter than that.

On SQLite the index of terms is itself sorted by position: there nothing is chosen but the bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from .counts import Lies

SHORT: Final = 4_000
"""Positions that are walked without a thought: some 5 ms."""
RARE: Final = 2_000
"""Entries that are gathered without a thought."""
LONGEST_PROBE: Final = 16_000
_SPARE: Final = 2
_DEARER: Final = 2
"""Fetching an entry through the index of terms costs so much more than meeting it on a walk."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Look at positions from ``low`` and, excluded, up to ``high``: walk ``probe`` of them, gather the rest or walk on.

    ``probe`` counts from the end at which the search begins.
    """

    low: int
    high: int
    probe: int
    gather: bool

    @property
    def nothing(self) -> bool:
        """Nothing can be found."""
        return self.low >= self.high


def bounds(
    low: int, high: int, time: Lies | None, facts: Collection[Lies | None], *, timed: bool
) -> tuple[int, int]:  # 1
    """The positions that come into question of those from ``low`` and, excluded, up to ``high``.

    ``time``: where the entries of the time lie, if it is ``timed``; ``facts``: where each counted one lies.
    """
    for lies in [*facts, *([time] if timed else [])]:
        if lies is None:
            return 0, 0
        low, high = max(low, lies.first), min(high, lies.last + 1)
    return low, high


def choose(low: int, high: int, counted: Collection[Lies], uncounted: int, need: int) -> Plan:
    """The way for ``need`` entries between ``low`` and ``high``.

    ``counted``: where each fact lies whose number is known, ``uncounted``: how many others there are.
    """
    positions = max(high - low, 0)
    if positions <= SHORT or not (counted or uncounted):  # 2
        return Plan(low, high, positions, gather=False)
    rarest = min((lies.entries for lies in counted), default=None)
    if rarest is not None and rarest <= RARE:  # 3
        return Plan(low, high, 0, gather=True)
    if need == 1 and uncounted:  # is there any at all?
        return Plan(low, high, 0, gather=True)
    if rarest is None or uncounted or len(counted) > 1:  # 4
        return Plan(low, high, SHORT, gather=True)
    (only,) = counted
    apart = (only.last - only.first + 1) / only.entries
    probe = min(max(int(apart * need * _SPARE), SHORT), LONGEST_PROBE, positions)
    return Plan(low, high, probe, gather=only.entries * _DEARER < positions - probe)
