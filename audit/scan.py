"""Checking entries in themselves, a page at a time: what can be done side by side, in several processes.

A page says the leaf hash and link of each of its entries, and where it finds the first one that is wrong in itself.
Their place in the tree, one after another, is `walk`'s part.
"""

from __future__ import annotations

import json
import multiprocessing
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import create_engine, select

from ..errors import TrailDamaged
from .models import entry
from .packing import unpack
from .terms import terms
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Row

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
    query = select(entry).where(entry.c.tenant_id == tenant, entry.c.position >= start)
    rows = connection.execute(query.order_by(entry.c.position).limit(PAGE)).all()
    leaves, links, told = [], [], 0
    wrong = None
    for position, row in enumerate(rows, start):
        wrong, suspicion = _wrong(row, tenant, position)
        if wrong:
            break
        leaves.append(row.leaf_hash)
        links.append(row.link)
        told += suspicion
    return Page(start, tuple(leaves), tuple(links), wrong, told)


def _wrong(row: Row[Any], tenant: str, position: int) -> tuple[str | None, bool]:
    """What is wrong with this row in itself, and whether it tells that something was wrong before it was placed."""
    if row.position != position:
        return "position", False
    try:
        body = unpack(row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogatepass"))
    except TrailDamaged:
        return "leaf", False
    if leaf_hash(body) != row.leaf_hash:
        return "leaf", False
    try:
        values = json.loads(body)
        same = (values["id"], values["at"], values["tenant"]) == (row.event_id, row.at, tenant)
        found = terms(values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "body", False
    if values["tenant"] != tenant:
        return "body", False
    if not same or found != row.terms:
        return "columns", False
    detail = values.get("detail") or {}
    return None, values["kind"] == "admin" and str(detail.get("act", "")).startswith("staging.")
