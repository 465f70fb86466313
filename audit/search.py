"""Searching one tenant's log: entries that match a filter, in pages or as a stream, whatever its size.

Invariants:

1. What is found is compared with the entry itself. Terms, tally and the plan made of them only say where to look.
2. A page begins behind a position, so that a log that grows meanwhile shifts nothing. Nothing is found twice.
3. One statement sees one moment; entries that come later have higher positions.

Nothing here decides who may look: the caller does, and records it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select

from ..errors import TrailDamaged
from . import counts, plan, queries
from .counts import Lies
from .damage import body_of
from .filters import LARGEST, Filter
from .models import entry
from .terms import COUNTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Row

    from .terms import Facet

BATCH: Final = 1000
"""Rows of a stream that are in memory at a time."""
MANY_SIGN_INS: Final = 500


class Found(NamedTuple):
    """One entry: its place, its canonical bytes, what they say, and its leaf hash (32 bytes)."""

    position: int
    body: bytes
    values: Mapping[str, Any]
    leaf_hash: bytes


class Search:
    """A filter on the log of one tenant."""

    def __init__(self, connection: Connection, tenant: str, wanted: Filter) -> None:
        """``connection``: to the trail's database."""
        self.connection = connection
        self.tenant = tenant
        self.wanted = wanted
        self._every = replace(wanted, origin=None)

    @cached_property
    def _terms(self) -> queries.Terms:
        return queries.Terms.of(self.wanted, self.tenant)

    def page(self, need: int, *, before: int | None = None, after: int | None = None) -> list[Found]:
        """The ``need`` entries that lie nearest below ``before``, or above ``after``; without both the newest ones.

        In the order of the search: against the log's with ``before`` and without both, the log's with ``after``.
        """
        backwards = after is None
        low, high = 0 if after is None else after + 1, LARGEST if before is None else before
        found: list[Found] = []
        if self.wanted.origin is not None and len(self.wanted.origin.sign_ins) > MANY_SIGN_INS:
            # An address with so many sign-ins is soon met again: cheaper than telling the database all of them.
            anywhere = Search(self.connection, self.tenant, self._every)
            rows = anywhere._rows(low, high, MANY_SIGN_INS, backwards=backwards)
            found = self._those_found(rows)
            if len(rows) < MANY_SIGN_INS or len(found) >= need:
                return found[:need]
            low, high = (low, rows[-1].position) if backwards else (rows[-1].position + 1, high)
        while (asked := need - len(found)) > 0:
            rows = self._rows(low, high, asked, backwards=backwards)
            found += self._those_found(rows)
            if len(rows) < asked:
                break
            low, high = (low, rows[-1].position) if backwards else (rows[-1].position + 1, high)
        return found

    def stream(self, *, backwards: bool = False, high: int = LARGEST) -> Iterator[Found]:
        """All entries below ``high``, in the order of the log or against it, with bounded memory."""
        low = 0
        first = self.choose(low, high, BATCH)
        if first.gather and self.connection.dialect.name == "postgresql":
            look = self._look(first.low, first.high, backwards=backwards)
            options = {"yield_per": BATCH}
            gathered = self.connection.execute(queries.gather(look, "postgresql"), execution_options=options)
            for some in gathered.partitions():
                yield from self._those_found(some)
            return
        while rows := self._rows(low, high, BATCH, backwards=backwards):
            yield from self._those_found(rows)
            low, high = (low, rows[-1].position) if backwards else (rows[-1].position + 1, high)

    def expected(self, high: int = LARGEST) -> int | None:
        """About how many there are at most, for a progress bar; None where nobody knows."""
        if any(facet not in COUNTED for facet, _ in self.wanted.facts()) or self.wanted.origin is not None:
            return None
        lies, chosen = self._lies(), self.choose(0, high, BATCH)
        return min([max(chosen.high - chosen.low, 0), *(one.entries for one in lies.values() if one is not None)])

    def _lies(self) -> dict[tuple[Facet, str], Lies | None]:
        wanted = self.wanted
        return counts.of_facts(self.connection, self.tenant, wanted.facts(), wanted.since, wanted.until)

    def choose(self, low: int, high: int, need: int) -> plan.Plan:
        """How ``need`` entries are found between these positions."""
        wanted = self.wanted
        known = self._lies()
        timed = wanted.since is not None or wanted.until is not None
        time = counts.of_time(self.connection, self.tenant, wanted.since, wanted.until) if timed else None
        if high == LARGEST:
            high = self.connection.scalar(queries.end_of(self.tenant)) or 0
        low, high = plan.bounds(low, high, time, known.values(), timed=timed)
        uncounted = sum(facet not in COUNTED for facet, _ in wanted.facts()) + (wanted.origin is not None)
        lies = [one for one in known.values() if one is not None]
        if timed and time is not None:
            lies = [Lies(min(one.entries, time.entries), one.first, one.last) for one in lies]
        chosen = plan.choose(low, high, lies, uncounted, need)
        return chosen if self._terms.indexed else replace(chosen, gather=False)

    def _rows(self, low: int, high: int, need: int, *, backwards: bool) -> list[Row[Any]]:
        """At most ``need`` rows that have the terms; fewer only where there are no more."""
        chosen = self.choose(low, high, need)
        low, high = chosen.low, chosen.high
        if chosen.nothing:
            return []
        middle = max(high - chosen.probe, low) if backwards else min(low + chosen.probe, high)
        near, far = ((middle, high), (low, middle)) if backwards else ((low, middle), (middle, high))
        dialect = self.connection.dialect.name
        rows: list[Row[Any]] = []
        for (start, end), statement in ((near, queries.walk), (far, queries.gather if chosen.gather else queries.walk)):
            if start < end and len(rows) < need:
                look = self._look(start, end, backwards=backwards)
                rows += self.connection.execute(statement(look, dialect).limit(need - len(rows))).all()
        return rows

    def _look(self, low: int, high: int, *, backwards: bool) -> queries.Look:
        return queries.Look(self.tenant, self._terms, self.wanted, low, high, backwards)

    def _those_found(self, rows: Sequence[Row[Any]]) -> list[Found]:
        """The entries among ``rows`` that are looked for."""
        found = [one for row in rows if (one := self._found(row)) is not None]
        origin = self.wanted.origin
        if origin is None or not origin.sign_ins:
            return found
        itself = {one.position for one in found if origin.itself(one.values)}
        under = {str(one.values["sign_in"]) for one in found if one.position not in itself}
        query = select(entry.c.body).where(entry.c.tenant_id == self.tenant, entry.c.event_id.in_(under))
        genuine = set()
        for row in self.connection.execute(query).all() if under else ():
            values = read(body_of(row))
            if values["kind"] == "sign_in" and origin.itself(values):
                genuine.add(values["id"])
        return [one for one in found if one.position in itself or one.values["sign_in"] in genuine]

    def _found(self, row: Row[Any]) -> Found | None:
        """The entry, if it is one of those that are looked for. Raises `TrailDamaged` where it cannot be read."""
        body = body_of(row)
        values = read(body)
        try:
            fits = self.wanted.fits(row.at, values)
        except (KeyError, TypeError, AttributeError):
            raise TrailDamaged(detail="an entry cannot be read") from None
        if not fits:
            return None
        return Found(row.position, body, values, row.leaf_hash)


def read(body: bytes) -> Mapping[str, Any]:
    """What canonical bytes say, canonical or not. Raises `TrailDamaged` where they say nothing."""
    try:
        values = json.loads(body)
        if isinstance(values, dict) and isinstance(values["kind"], str):
            return values
    except (ValueError, KeyError, RecursionError):
        pass
    raise TrailDamaged(detail="an entry cannot be read")
