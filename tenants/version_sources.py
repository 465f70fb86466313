"""The two ways in which a tenant's version is read; see ``versions`` for what both promise."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from anyio import to_thread
from sqlalchemy import literal_column, select

from ..database import POSTGRESQL_NOW, version
from ..errors import PolicyUnavailable
from ..postgresql import LoopConnection, NoAnswer, PerLoop, Rounds, WrongParameters, can_watch, text_array
from .clock import now_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

_BATCH: Final = 1000
"""Tenants that one query asks for."""

_SQL: Final = f"SELECT tenant_id, version, {POSTGRESQL_NOW} FROM amanah_version WHERE tenant_id = ANY($1)"  # noqa: S608

_abandoned: list[object] = []
"""Connections that belong to a parent process: kept, because to collect them would close them for the parent."""


class Current(NamedTuple):
    """A tenant's ``version`` (0: there is no such tenant) and the database's time then, in µs since the epoch, UTC.

    Where there is no such tenant ``now`` is 0, at which no grant that has a beginning has begun.
    """

    version: int
    now: int


NO_TENANT: Final = Current(0, 0)


class Source(Protocol):
    """Where versions are read. Every reading raises ``PolicyUnavailable`` when there is no answer."""

    async def current(self, tenant_id: str) -> Current:
        """The version and the time now; `NO_TENANT` if there is no such tenant."""

    def current_now(self, tenant_id: str) -> Current:
        """The same, blocking."""

    def close(self) -> None:
        """Give everything back and answer nobody any more."""

    def start_anew(self) -> None:
        """Forget what belongs to the parent process; called in a forked child."""


class Direct:
    """Read where we are, over a connection in autocommit that belongs to nobody else."""

    def __init__(self, engine: Engine, patience: float) -> None:
        self._named = engine.dialect.name != "sqlite"
        columns = (version.c.version, *([literal_column(POSTGRESQL_NOW)] if self._named else []))
        statement = select(*columns).where(version.c.tenant_id == "?")
        self._sql = str(statement.compile(dialect=engine.dialect))
        self._engine = engine
        self._patience = patience
        self._connection: Any = None
        self._lock = threading.Lock()
        self._closed = False

    async def current(self, tenant_id: str) -> Current:
        """Microseconds on the loop's own thread: cheaper than handing it to another."""
        return self.current_now(tenant_id)

    def current_now(self, tenant_id: str) -> Current:
        """One look-up by primary key, which sees every commit before it.

        A connection that lay idle may have died with the server's restart; it gets one second chance on a new one.
        """
        with self._lock:
            if self._closed:
                raise PolicyUnavailable
            was_open = self._connection is not None
            try:
                return self._read(tenant_id)
            except Exception as error:
                self._drop()
                if not was_open:
                    raise PolicyUnavailable from error
            try:
                return self._read(tenant_id)
            except Exception as error:
                self._drop()
                raise PolicyUnavailable from error

    def _read(self, tenant_id: str) -> Current:
        if self._connection is None:
            self._connection = self._open()
        parameters = {"tenant_id_1": tenant_id} if self._named else (tenant_id,)
        row = self._connection.execute(self._sql, parameters).fetchone()
        if not row:
            return NO_TENANT
        return Current(int(row[0]), int(row[1]) if self._named else now_us())

    def _open(self) -> Any:
        pooled = self._engine.raw_connection()
        pooled.detach()
        connection: Any = pooled.dbapi_connection
        if self._named:
            connection.rollback()
            connection.autocommit = True
            connection.execute(f"SET statement_timeout = {int(1000 * self._patience)}")
        else:
            connection.isolation_level = None
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is being thrown away, often because it is broken
                connection.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._drop()

    def start_anew(self) -> None:
        """A lock that nobody holds, and another connection."""
        self._lock = threading.Lock()
        _abandoned.append(self._connection)
        self._connection = None
        self._engine.dispose(close=False)


class _Asked:
    """One event loop's question, shared by all its tasks."""

    def __init__(self, engine: Engine, patience: float) -> None:
        self._connection = LoopConnection(engine, _SQL.encode(), patience)
        self.rounds: Rounds[str, Current] = Rounds(partial(_ask, self._connection), _BATCH)

    def close(self) -> None:
        self._connection.close()


async def _ask(connection: LoopConnection, tenants: list[str]) -> Sequence[Current]:
    rows = await connection.ask([text_array([tenant.encode() for tenant in set(tenants)])])
    found = {tenant: Current(int(number), int(now)) for tenant, number, now in rows if number and now}
    return [found.get(tenant.encode(), NO_TENANT) for tenant in tenants]


class Shared:
    """PostgreSQL: one question for all that wait on an event loop; jobs and scripts ask for themselves."""

    def __init__(self, engine: Engine, capacity: int, patience: float) -> None:
        self._capacity = capacity
        self._direct = Direct(engine, patience)
        self._loops = PerLoop(lambda: _Asked(engine, patience))
        self._closed = False

    async def current(self, tenant_id: str) -> Current:
        """From the next query, which begins within ``patience`` and has as much time."""
        if not can_watch(asyncio.get_running_loop()):
            return await to_thread.run_sync(self.current_now, tenant_id)
        rounds = self._loops.here().rounds
        if self._closed or len(rounds) >= self._capacity:
            raise PolicyUnavailable
        try:
            return await rounds.join(tenant_id)
        except (NoAnswer, WrongParameters) as error:
            raise PolicyUnavailable from error

    def current_now(self, tenant_id: str) -> Current:
        """By a query of its own."""
        return self._direct.current_now(tenant_id)

    def close(self) -> None:
        """Answer nobody any more. Connections close here, or with the event loop that still waits on one."""
        self._closed = True
        self._direct.close()
        for asked in self._loops.all():
            asked.close()

    def start_anew(self) -> None:
        """Nobody waiting, other connections."""
        self._loops.forget()
        self._direct.start_anew()
