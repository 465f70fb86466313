"""Reading the log: pages of entries by keyset, and one entry by its event id.

A page begins at a position and goes either way. Nothing here decides who may read: the caller does, and records that it
was read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from ..errors import InvalidInput
from ..i18n import N_
from .damage import body_of
from .entries import Entry, decode
from .filters import LARGEST, Filter
from .models import entry, parked, queued
from .search import Search
from .staging import staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine, Row

    from .search import Found

MAXIMUM: Final = 1000
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry and its place. ``position`` is None while it waits for one; ``leaf_hash`` has 32 bytes or none."""

    entry: Entry
    position: int | None
    leaf_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first. ``older`` and ``newer`` go on as ``before`` and ``after``; None: there are no more.

    What has become an entry since counts as newer from the next look on.
    """

    entries: tuple[Logged, ...]
    older: int | None
    newer: int | None


def page(
    engine: Engine,
    tenant: str,
    filters: Filter | None = None,
    *,
    limit: int = 100,
    before: int | None = None,
    after: int | None = None,
) -> Page:
    """At most ``limit`` (1 to 1,000) entries of ``tenant``: those next below ``before``, or next above ``after``.

    Raises `ValueError` for another limit, `InvalidInput` for positions that are none, and `TrailDamaged` for an entry
    that cannot be read.
    """
    _check_limit(limit)
    if before is not None and after is not None:
        raise InvalidInput(detail=N_("a page lies before a position or after one, not both"))
    if not all(0 <= at <= LARGEST for at in (before, after) if at is not None):
        raise InvalidInput(detail=N_("this is no position of the trail"))
    with engine.connect() as connection:
        found = Search(connection, tenant, filters or Filter()).page(limit + 1, before=before, after=after)
    more, found = len(found) > limit, found[:limit]
    if after is None:
        older = found[-1].position if more else None
        newer = found[0].position if found and before is not None else None
    else:
        found.reverse()
        older, newer = (found[-1].position if found else None), (found[0].position if more else None)
    return Page(tuple(map(_placed, found)), older, newer)


def list_entries(
    engine: Engine, tenant: str, *, limit: int = 100, before: int | None = None, filters: Filter | None = None
) -> list[Logged]:
    """At most ``limit`` (1 to 1,000) entries of ``tenant`` with positions below ``before``, the newest first.

    Raises `ValueError` for another limit and `TrailDamaged` for an entry that cannot be read.
    """
    _check_limit(limit)
    with engine.connect() as connection:
        found = Search(connection, tenant, filters or Filter()).page(limit, before=before)
    return [_placed(one) for one in found]


def backwards(engine: Engine, tenant: str, *, filters: Filter | None = None) -> Iterator[Logged]:
    """All entries of ``tenant``, the newest first, with bounded memory. Raises `TrailDamaged`."""
    with engine.connect() as connection:
        for one in Search(connection, tenant, filters or Filter()).stream(backwards=True):
            yield _placed(one)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAXIMUM:
        message = f"limit is 1 to {MAXIMUM}"
        raise ValueError(message)


def _placed(one: Found) -> Logged:
    return Logged(decode(one.body), one.position, one.leaf_hash)


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


__all__ = [
    "MAXIMUM",
    "Filter",
    "Logged",
    "Page",
    "backwards",
    "find",
    "list_entries",
    "page",
    "reaches_back",
    "waiting",
]
