"""How often each value occurs among what a filter finds: from the tally where it knows that, else counted to a cap."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import counts
from .search import Search
from .terms import COUNTED, facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from .filters import Filter
    from .terms import Facet

CAP: Final = 10_000
"""So many entries are counted one by one, and no more."""
FACETS: Final[tuple[Facet, ...]] = tuple(sorted(COUNTED))


@dataclass(frozen=True, slots=True)
class Facets:
    """``total`` entries were counted, of which each facet's values occur so often, the most frequent first.

    ``capped``: there are more, and these are the newest ones.
    """

    total: int
    capped: bool
    values: Mapping[Facet, Sequence[tuple[str, int]]]


def facets(connection: Connection, tenant: str, wanted: Filter, names: Sequence[Facet] = FACETS) -> Facets:
    """The counts of the facets ``names``, each of which must be one of `FACETS`. Raises `TrailDamaged`."""
    if in_tally(wanted):
        return _from_tally(connection, tenant, wanted, names)
    found: dict[Facet, Counter[str]] = {name: Counter() for name in names}
    total = 0
    for one in Search(connection, tenant, wanted).stream(backwards=True):
        if total == CAP:
            return Facets(CAP, capped=True, values=_sorted(found))
        total += 1
        for facet, value in set(facts(one.values)):
            if facet in found:
                found[facet][value] += 1
    return Facets(total, capped=False, values=_sorted(found))


def in_tally(wanted: Filter) -> bool:
    """Whether the tally knows the answer: nothing is asked for but whole days (UTC)."""
    return not wanted.facts() and wanted.origin is None and counts.whole_days(wanted.since, wanted.until)


def _from_tally(connection: Connection, tenant: str, wanted: Filter, names: Sequence[Facet]) -> Facets:
    lies = counts.of_time(connection, tenant, wanted.since, wanted.until)
    values = {name: counts.by_value(connection, tenant, name, wanted.since, wanted.until) for name in names}
    return Facets(0 if lies is None else lies.entries, capped=False, values=values)


def _sorted(found: Mapping[Facet, Counter[str]]) -> dict[Facet, list[tuple[str, int]]]:
    return {name: sorted(of.items(), key=lambda one: (-one[1], one[0])) for name, of in found.items()}


__all__ = ["CAP", "FACETS", "Facets", "facets", "in_tally"]
