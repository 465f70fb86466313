"""Checking entries in themselves, a page at a time: what can be done side by side, in several processes.

A page says the leaf hash and link of each of its entries, and where it finds the first one that is wrong in itself.
Their place in the tree, one after another, is `walk`'s part. Rows are read as plain values, and compared in the form in
which the database hands them over: making objects of them was half of the work.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import LargeBinary, String, cast, create_engine, select, type_coerce

from ..errors import TrailDamaged
from .models import entry
from .packing import unpack
from .terms import Facet, facts, term
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Engine

PAGE: Final = 2000
_AHEAD: Final = 3
"""Pages per process that are read before they are asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries from position ``start`` on. ``wrong`` is what the entry behind them is, if it is wrong in itself.

    "position", "leaf", "body" or "columns". ``told``: how many say that something was wrong before they were placed.
    """

    start: int
    leaves: tuple[bytes, ...]
    links: tuple[int, ...]
    wrong: str | None
    told: int


def pages(connection: Connection, tenant: str, start: int) -> Iterator[Page]:
    """All pages from ``start`` on, one after another, on ``connection``."""
    while True:
        page = _page(connection, tenant, start)
        yield page
        start += len(page.leaves)
        if page.wrong or len(page.leaves) < PAGE:
            return


class Scanners:
    """Processes that scan pages of one trail database. A context manager."""

    def __init__(self, engine: Engine, processes: int) -> None:
        url = engine.url.render_as_string(hide_password=False)
        self._processes = processes
        # Not forked: the parent's connections and threads are the parent's.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(url,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def pages(self, tenant: str, start: int, size: int) -> Iterator[Page]:
        """The pages from ``start`` up to ``size`` entries, in order."""
        starts = iter(range(start, size, PAGE))
        ahead = islice(starts, self._processes * _AHEAD)
        waiting = deque(self._pool.submit(_scan, tenant, at) for at in ahead)
        while waiting:
            page = waiting.popleft().result()
            yield page
            if page.wrong or len(page.leaves) < PAGE:
                break
            waiting.extend(self._pool.submit(_scan, tenant, at) for at in islice(starts, 1))
        for left in waiting:
            left.cancel()


_engines: list[Engine] = []


def _begin(url: str) -> None:
    _engines.append(create_engine(url))


def _scan(tenant: str, start: int) -> Page:
    with _engines[0].connect() as connection:
        return _page(connection, tenant, start)


def _page(connection: Connection, tenant: str, start: int) -> Page:
    postgresql = connection.dialect.name == "postgresql"
    query = select(*_COLUMNS, *(_AS_TEXT if postgresql else _AS_BYTES))
    # Bounded on both sides: with a limit only, a planner without statistics sorts all that is behind, page after page.
    behind = start + PAGE
    query = query.where(entry.c.tenant_id == tenant, entry.c.position >= start, entry.c.position < behind)
    rows = connection.execute(query.order_by(entry.c.position).limit(PAGE)).all()
    spelled = _as_text if postgresql else _as_bytes
    leaves, links, told = [], [], 0
    wrong = None
    for position, row in enumerate(rows, start):
        wrong, suspicion = _wrong(row, tenant, position, spelled)
        if wrong:
            break
        leaves.append(row[2])
        links.append(row[3])
        told += suspicion
    if not wrong and len(rows) < PAGE and _is_behind(connection, tenant, behind):
        wrong = "position"
    return Page(start, tuple(leaves), tuple(links), wrong, told)


def _is_behind(connection: Connection, tenant: str, position: int) -> bool:
    query = select(entry.c.position).where(entry.c.tenant_id == tenant, entry.c.position >= position)
    return connection.execute(query.limit(1)).first() is not None


_COLUMNS: Final = (entry.c.position, entry.c.at, entry.c.leaf_hash, entry.c.link, entry.c.body)
_AS_TEXT: Final = (cast(entry.c.event_id, String), cast(entry.c.terms, String))
_AS_BYTES: Final = (type_coerce(entry.c.event_id, String), type_coerce(entry.c.terms, LargeBinary))
_term = lru_cache(1 << 16)(term)


def _terms(tenant: str, values: dict[str, Any]) -> list[int]:
    """As `terms.terms`; most facts have been seen before."""
    found: set[tuple[Facet, str]] = set(facts(values))
    return sorted({_term(tenant, facet, value) for facet, value in found})


def _as_text(event_id: str, terms: list[int]) -> tuple[str, str]:
    """As PostgreSQL writes a UUID and an array."""
    dashed = f"{event_id[:8]}-{event_id[8:12]}-{event_id[12:16]}-{event_id[16:20]}-{event_id[20:]}"
    return dashed, f"{{{','.join(map(str, terms))}}}"


def _as_bytes(event_id: str, terms: list[int]) -> tuple[str, bytes]:
    """As they lie in SQLite."""
    return event_id, pack(f">{len(terms)}i", *terms)


def _wrong(
    row: Sequence[Any], tenant: str, position: int, spelled: Callable[[str, list[int]], tuple[str, str | bytes]]
) -> tuple[str | None, bool]:
    """What is wrong with this row in itself, and whether it tells that something was wrong before it was placed."""
    place, at, leaf, _, stored, event_id, terms = row
    if place != position:
        return "position", False
    try:
        body = unpack(stored if isinstance(stored, bytes) else str(stored).encode("utf-8", "surrogatepass"))
    except TrailDamaged:
        return "leaf", False
    if leaf_hash(body) != leaf:
        return "leaf", False
    try:
        values = json.loads(body)
        same = (values["at"], values["tenant"]) == (at, tenant)
        found = spelled(values["id"], _terms(tenant, values))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "body", False
    if values["tenant"] != tenant:
        return "body", False
    if not same or found != (event_id, terms):
        return "columns", False
    detail = values.get("detail") or {}
    return None, values["kind"] == "admin" and str(detail.get("act", "")).startswith("staging.")
