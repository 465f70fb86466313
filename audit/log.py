"""Reading the log: pages of entries by keyset, and one entry by its event id.

Pages go backwards from the newest entry; ``before`` is the position of the last entry of the page before. Nothing here
decides who may read: the caller does, and records that it was read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from sqlalchemy import ARRAY, Integer, cast, select

from .damage import body_of
from .entries import Entry, decode
from .models import entry, head, parked, queued
from .models import term as index
from .staging import staged
from .terms import Facet, facts, term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine, Row, Select

MAXIMUM: Final = 1000
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")
_FACETS: Final = get_args(Facet)


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry and its place. ``position`` is None while it waits for one; ``leaf_hash`` has 32 bytes or none."""

    entry: Entry
    position: int | None
    leaf_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None means anything. ``since`` and, excluded, ``until`` are µs since the epoch, UTC."""

    kind: str | None = None
    outcome: str | None = None
    actor: str | None = None
    access: str | None = None
    purpose: str | None = None
    refusal: str | None = None
    route: str | None = None
    rule: str | None = None
    sign_in: str | None = None
    token: str | None = None
    resource: str | None = None
    action: str | None = None
    column: str | None = None
    subject: str | None = None
    row: str | None = None
    since: int | None = None
    until: int | None = None

    def facts(self) -> list[tuple[Facet, str]]:
        """What an entry must say."""
        return [(facet, value) for facet in _FACETS if (value := getattr(self, facet)) is not None]

    def matches(self, one: Entry) -> bool:
        """Whether the entry itself says so; terms are only there to find it fast, and two facts may share one."""
        if not ((self.since is None or one.at >= self.since) and (self.until is None or one.at < self.until)):
            return False
        wanted = self.facts()
        return not wanted or set(wanted) <= set(facts(json.loads(one.encode())))

    def narrow(self, query: Select[Any], tenant: str, dialect: str) -> Select[Any]:
        """``query`` with what the database can tell."""
        numbers = sorted({term(tenant, facet, value) for facet, value in self.facts()})
        if self.since is not None:
            query = query.where(entry.c.at >= self.since)
        if self.until is not None:
            query = query.where(entry.c.at < self.until)
        if not numbers:
            return query
        if dialect == "postgresql":
            return query.where(entry.c.terms.op("@>")(cast(numbers, ARRAY(Integer))))
        mine = select(head.c.number).where(head.c.tenant_id == tenant).scalar_subquery()
        places = (select(index.c.position).where(index.c.tenant == mine, index.c.term == number) for number in numbers)
        return query.where(*(entry.c.position.in_(one) for one in places))


def list_entries(
    engine: Engine, tenant: str, *, limit: int = 100, before: int | None = None, filters: Filter | None = None
) -> list[Logged]:
    """At most ``limit`` (1 to 1,000) entries of ``tenant`` with positions below ``before``, the newest first.

    Raises `ValueError` for another limit and `TrailDamaged` for an entry that cannot be read.
    """
    if not 1 <= limit <= MAXIMUM:
        message = f"limit is 1 to {MAXIMUM}"
        raise ValueError(message)
    wanted = filters or Filter()
    found: list[Logged] = []
    for row in _rows_backwards(engine, tenant, before, limit, wanted):
        one = _logged(row)
        if wanted.matches(one.entry):
            found.append(one)
            if len(found) == limit:
                break
    return found


def backwards(engine: Engine, tenant: str, *, filters: Filter | None = None, page: int = MAXIMUM) -> Iterator[Logged]:
    """All entries of ``tenant``, the newest first, read ``page`` at a time. Raises `TrailDamaged`."""
    wanted = filters or Filter()
    logged = map(_logged, _rows_backwards(engine, tenant, None, page, wanted))
    return (one for one in logged if wanted.matches(one.entry))


def _rows_backwards(engine: Engine, tenant: str, before: int | None, page: int, wanted: Filter) -> Iterator[Row[Any]]:
    with engine.connect() as connection:
        while True:
            query = select(entry.c.position, entry.c.body, entry.c.leaf_hash).where(entry.c.tenant_id == tenant)
            if before is not None:
                query = query.where(entry.c.position < before)
            narrowed = wanted.narrow(query, tenant, engine.dialect.name)
            rows = connection.execute(narrowed.order_by(entry.c.position.desc()).limit(page)).all()
            yield from rows
            if len(rows) < page:
                return
            before = rows[-1].position


def find(
    engine: Engine, event_id: str, *, tenant: str | None = None, core_engine: Engine | None = None
) -> Logged | None:
    """The entry of this event id: in the log, or still waiting (in staging, where ``core_engine`` is given).

    ``tenant`` restricts the search: a tenant's own people must not find another's entries. Raises `TrailDamaged` for an
    entry that cannot be read.
    """
    if not _HEX_ID.fullmatch(event_id):
        return None
    places = [(engine, entry), (engine, queued), (engine, parked)]
    if core_engine is not None:
        places.append((core_engine, staged))
    # The log again at last: the entry may have moved there while we looked where it was not any more.
    for place, table in [*places, places[0]]:
        query = select(table).where(table.c.event_id == event_id).limit(1)
        if tenant is not None:
            query = query.where(table.c.tenant_id == tenant)
        with place.connect() as connection:
            row = connection.execute(query).first()
        if row is not None:
            return _logged(row)
    return None


def _logged(row: Row[Any]) -> Logged:
    return Logged(decode(body_of(row)), getattr(row, "position", None), getattr(row, "leaf_hash", b""))


def waiting(engine: Engine, tenant: str) -> Iterator[Entry]:
    """The tenant's entries that are durable and wait for their place in the log, in no order."""
    with engine.connect() as connection:
        bodies = connection.execute(select(queued.c.body).where(queued.c.tenant_id == tenant)).scalars().all()
    for body in bodies:
        yield decode(body.encode("utf-8", "surrogatepass"))


def reaches_back(engine: Engine, tenant: str, at: int) -> bool:
    """Whether the tenant's log has its first entry, and that is of ``at`` (µs since the epoch) or earlier."""
    with engine.connect() as connection:
        first = select(entry.c.at).where(entry.c.tenant_id == tenant, entry.c.position == 0)
        found = connection.execute(first).scalar()
    return found is not None and found <= at
