"""Is what this process remembers of a tenant current, and what time is it? One cheap question on each request.

Invariants:

1. An answer comes from a query that began after the request asked. A request joins the *next* query, never one that is
   on its way, so a change that was committed before the request began is always seen.
2. All requests that wait while a query is on its way share the one after it.
3. Waiting is bounded, in number and in time. A database that does not answer is `PolicyUnavailable`,
   never an old answer.
4. The time comes with the version, in the same answer: nothing is judged by the clock of a process that is not the
   database's own, and it costs no round trip.
5. A forked child has nothing of its parent's: no connection, no waiting request.

SQLite is read directly, which takes microseconds and never waits for a writer (WAL). PostgreSQL is asked over one
connection per event loop; a job or script, which has none, asks directly.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .names import could_be_tenant
from .version_sources import NO_TENANT, Current, Direct, Shared, Source

if TYPE_CHECKING:
    from sqlalchemy import Engine

_readers: weakref.WeakSet[VersionReader] = weakref.WeakSet()


class VersionReader:
    """Reads tenants' versions. ``capacity``: requests that may wait at once; ``patience``: seconds for one query."""

    def __init__(self, engine: Engine, *, capacity: int = 10_000, patience: float = 5.0) -> None:
        """Raises ``ConfigurationError`` for a database that is neither SQLite nor PostgreSQL (psycopg)."""
        self._source: Source
        if engine.dialect.name == "sqlite":
            self._source = Direct(engine, patience)
        elif engine.dialect.driver == "psycopg":
            self._source = Shared(engine, capacity, patience)
        else:
            raise ConfigurationError(detail=f"Amanah's own tables cannot live in {engine.dialect.name}")
        _readers.add(self)

    async def current(self, tenant_id: str) -> Current:
        """The tenant's version and the time; version 0 if there is no such tenant. Raises ``PolicyUnavailable``."""
        # A name that no tenant can have must not spoil the question that others share.
        return await self._source.current(tenant_id) if could_be_tenant(tenant_id) else NO_TENANT

    def current_now(self, tenant_id: str) -> Current:
        """The same for code that is not asynchronous; never call it on an event loop's thread."""
        return self._source.current_now(tenant_id) if could_be_tenant(tenant_id) else NO_TENANT

    def close(self) -> None:
        """Give the connections back; who asks from now on gets ``PolicyUnavailable``."""
        self._source.close()

    def _start_anew_after_fork(self) -> None:
        self._source.start_anew()


def _after_fork() -> None:
    for reader in list(_readers):
        reader._start_anew_after_fork()  # noqa: SLF001 - our own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
