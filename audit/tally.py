"""How many entries of each day have a fact in common: counted as they get their place, so that nobody counts later.

`counts` reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import text

from .terms import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from .terms import Facet

Found: TypeAlias = "tuple[int, int, set[tuple[Facet, str]]]"
"""position, time in µs, and what an entry can be found by"""

ALL: Final = "all"
"""The facet under which every entry of a day is counted; its value is empty."""
HOUR: Final = "hour"
"""The facet under which every entry is counted by the hour of its day; its value is ``00`` to ``23``."""
DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
_COUNTED: Final = COUNTED | {ALL, HOUR}
_COLUMNS: Final = ("day", "facet", "value", "entries", "first", "last")
_INTO: Final = "INSERT INTO amanah_tally (tenant_id, day, facet, value, entries, first, last) "
_ONE: Final = "VALUES (:tenant_id, :day, :facet, :value, :entries, :first, :last)"
_ARRAYS: Final = (
    "SELECT :tenant, * FROM unnest(CAST(:day AS int[]), CAST(:facet AS text[]), CAST(:value AS text[]),"
    " CAST(:entries AS bigint[]), CAST(:first AS bigint[]), CAST(:last AS bigint[]))"
)
_ADDED: Final = (
    " ON CONFLICT (tenant_id, day, facet, value) DO UPDATE SET entries = amanah_tally.entries + excluded.entries,"
    " first = {least}(amanah_tally.first, excluded.first), last = {greatest}(amanah_tally.last, excluded.last)"
)
_INSERT: Final = text(_INTO + _ONE + _ADDED.format(least="min", greatest="max"))
_INSERT_ARRAYS: Final = text(_INTO + _ARRAYS + _ADDED.format(least="least", greatest="greatest"))
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


def tallied(connection: Connection, tenant: str, entries: Iterable[Found]) -> None:
    """Count ``entries`` of ``tenant``, in the transaction that gives them their places."""
    counts: dict[tuple[int, Facet | str, str], list[int]] = {}
    for position, at, found in entries:
        day = day_of(at)
        for facet, value in (*found, (ALL, ""), (HOUR, hour_of(at))):
            if facet not in _COUNTED:
                continue
            key = (day, facet, value)
            known = counts.get(key)
            if known is None:
                counts[key] = [1, position, position]
            else:
                known[0] += 1
                known[2] = position  # positions come in ascending order
    if counts:
        _add(connection, tenant, counts)


def _add(connection: Connection, tenant: str, counts: Mapping[tuple[int, str, str], list[int]]) -> None:
    spelled_counts: dict[tuple[int, str, str], list[int]] = {}
    for (day, facet, value), (number, first, last) in counts.items():
        known = spelled_counts.setdefault((day, facet, spelled(value)), [0, first, last])
        known[0] += number
        known[1], known[2] = min(known[1], first), max(known[2], last)
    rows = [(day, facet, value, *known) for (day, facet, value), known in sorted(spelled_counts.items())]
    if connection.dialect.name == "postgresql":
        columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
        connection.execute(_INSERT_ARRAYS, {"tenant": tenant, **columns})
        return
    connection.execute(_INSERT, [{"tenant_id": tenant, **dict(zip(_COLUMNS, row, strict=True))} for row in rows])
