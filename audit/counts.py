"""Reading the tally: how often a fact occurs, and between which positions, without looking at an entry.

What it says of whole days is exact. Of days that are asked for only in part it says at most how many there are, and
never too narrow bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, func, or_, select

from .models import tally
from .tally import ALL, DAY_US, HOUR, day_of, hour_of, spelled
from .terms import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

    from .terms import Facet

LAST_DAY: Final = (1 << 31) - 1
"""The largest that a column of the tally takes."""


class Lies(NamedTuple):
    """At most ``entries`` of them, between the positions ``first`` and ``last``, both included."""

    entries: int
    first: int
    last: int


def days(since: int | None, until: int | None) -> tuple[int, int]:
    """The first and the last day that ``since`` and, excluded, ``until`` touch; µs, None: no end."""
    first = 0 if since is None else min(day_of(since), LAST_DAY)
    last = LAST_DAY if until is None else min(day_of(until - 1), LAST_DAY)
    return first, last


def whole_days(since: int | None, until: int | None) -> bool:
    """Whether both are midnights (UTC), so that the tally is exact."""
    return (since or 0) % DAY_US == 0 and (until or 0) % DAY_US == 0


def of_facts(
    connection: Connection, tenant: str, facts: Iterable[tuple[Facet, str]], since: int | None, until: int | None
) -> dict[tuple[Facet, str], Lies | None]:
    """Of those ``facts`` that are counted: where they lie in the days between; None for one that does not occur."""
    counted: dict[tuple[str, str], tuple[Facet, str]] = {
        (facet, spelled(value)): (facet, value) for facet, value in facts if facet in COUNTED
    }
    if not counted:
        return {}
    first, last = days(since, until)
    c = tally.c
    named = or_(*(and_(c.facet == facet, c.value == value) for facet, value in counted))
    query = (
        select(c.facet, c.value, func.sum(c.entries), func.min(c.first), func.max(c.last))
        .where(c.tenant_id == tenant, named, c.day.between(first, last))
        .group_by(c.facet, c.value)
    )
    found: dict[tuple[Facet, str], Lies | None] = dict.fromkeys(counted.values())
    for facet, value, entries, lowest, highest in connection.execute(query):
        found[counted[facet, value]] = Lies(int(entries), lowest, highest)
    return found


def of_time(connection: Connection, tenant: str, since: int | None, until: int | None) -> Lies | None:
    """Where the entries of a time lie: of the first and the last day by the hour. None where there are none."""
    first, last = days(since, until)
    c = tally.c
    inner: list[ColumnElement[bool]] = [c.facet == ALL, c.value == ""]
    parts: list[ColumnElement[bool]] = []
    from_hour = "00" if since is None or day_of(since) > LAST_DAY else hour_of(since)
    to_hour = "23" if until is None or day_of(until - 1) > LAST_DAY else hour_of(until - 1)
    if since is not None and first == last:
        parts.append(and_(c.facet == HOUR, c.day == first, c.value >= from_hour, c.value <= to_hour))
    else:
        if since is not None:
            parts.append(and_(c.facet == HOUR, c.day == first, c.value >= from_hour))
            inner.append(c.day > first)
        if until is not None:
            parts.append(and_(c.facet == HOUR, c.day == last, c.value <= to_hour))
            inner.append(c.day < last)
        parts.append(and_(*inner))
    query = select(func.sum(c.entries), func.min(c.first), func.max(c.last)).where(c.tenant_id == tenant, or_(*parts))
    entries, lowest, highest = connection.execute(query).one()
    return None if entries is None else Lies(int(entries), lowest, highest)


def by_value(
    connection: Connection, tenant: str, facet: Facet, since: int | None, until: int | None
) -> list[tuple[str, int]]:
    """How often each value of ``facet`` occurs in the days between, the most frequent first."""
    first, last = days(since, until)
    c = tally.c
    total = func.sum(c.entries)
    query = (
        select(c.value, total)
        .where(c.tenant_id == tenant, c.facet == facet, c.day.between(first, last))
        .group_by(c.value)
        .order_by(total.desc(), c.value)
    )
    return [(value, int(entries)) for value, entries in connection.execute(query)]


def by_day(connection: Connection, tenant: str, facet: str, since: int | None, until: int | None) -> list[Any]:
    """Rows of day (since the epoch), value and how often, by day and value."""
    first, last = days(since, until)
    c = tally.c
    query = (
        select(c.day, c.value, c.entries)
        .where(c.tenant_id == tenant, c.facet == facet, c.day.between(first, last))
        .order_by(c.day, c.value)
    )
    return [(day, value, int(entries)) for day, value, entries in connection.execute(query)]
