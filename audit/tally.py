"""How many entries of each day have a fact in common: counted as they get their place, so that nobody counts later.

`counts` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import case
from sqlalchemy.dialects import postgresql, sqlite

from .models import tally
from .terms import COUNTED, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

Placed: TypeAlias = "tuple[int, int, Mapping[str, Any]]"
"""position, time in µs, the decoded JSON of an entry"""

ALL: Final = "all"
"""The facet under which every entry of a day is counted; its value is empty."""
HOUR: Final = "hour"
"""The facet under which every entry is counted by the hour of its day; its value is ``00`` to ``23``."""
DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
_LONGEST: Final = 200


def day_of(at: int) -> int:
    """Days since the epoch, UTC."""
    return at // DAY_US


def hour_of(at: int) -> str:
    """The hour of the day, UTC: ``00`` to ``23``."""
    return f"{at % DAY_US // HOUR_US:02d}"


def spelled(value: str) -> str:
    """``value`` as it is counted: what any database can hold of it."""
    return value[:_LONGEST].replace("\0", "").encode("utf-8", "replace").decode()


def tallied(connection: Connection, tenant: str, entries: Iterable[Placed]) -> None:
    """Count ``entries`` of ``tenant``, in the transaction that gives them their places."""
    counts: dict[tuple[int, str, str], list[int]] = {}
    for position, at, values in entries:
        day = day_of(at)
        found = {(facet, spelled(value)) for facet, value in facts(values) if facet in COUNTED}
        for facet, value in (*found, (ALL, ""), (HOUR, hour_of(at))):
            known = counts.get((day, facet, value))
            if known is None:
                counts[day, facet, value] = [1, position, position]
            else:
                known[0] += 1
                known[1] = min(known[1], position)
                known[2] = max(known[2], position)
    if not counts:
        return
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(tally)
    new = insert.excluded
    lower, higher = (tally.c.first > new.first, tally.c.last < new.last)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[column.name for column in tally.primary_key.columns],
            set_={
                "entries": tally.c.entries + new.entries,
                "first": case((lower, new.first), else_=tally.c.first),
                "last": case((higher, new.last), else_=tally.c.last),
            },
        ),
        [
            {"tenant_id": tenant, "day": d, "facet": f, "value": v, "entries": n, "first": first, "last": last}
            for (d, f, v), (n, first, last) in sorted(counts.items())
        ],
    )
