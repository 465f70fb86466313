"""The two ways in which a tenant's version is read; see ``versions`` for what both promise."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import select

from ..database import version
from ..errors import PolicyUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Engine

_BATCH: Final = 1000
"""Tenants that one query asks for."""

_abandoned: list[object] = []
"""Connections that belong to a parent process: kept, because to collect them would close them for the parent."""


class Source(Protocol):
    """Where versions are read. Every reading raises ``PolicyUnavailable`` when there is no answer."""

    async def current(self, tenant_id: str) -> int:
        """The version now, 0 if there is no such tenant."""

    def current_now(self, tenant_id: str) -> int:
        """The same, blocking."""

    def close(self) -> None:
        """Give everything back and answer nobody any more."""

    def start_anew(self) -> None:
        """Forget what belongs to the parent process; called in a forked child."""


class _Connected:
    """A DBAPI connection in autocommit that belongs to nobody else: taken out of the engine's pool for good."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Any = None

    def open(self) -> Any:
        if self._connection is None:
            pooled = self._engine.raw_connection()
            pooled.detach()
            connection: Any = pooled.dbapi_connection
            if self._engine.dialect.name == "sqlite":
                connection.isolation_level = None
            else:
                connection.rollback()
                connection.autocommit = True
            self._connection = connection
        return self._connection

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it is being thrown away, often because it is broken
                connection.close()

    def abandon(self) -> None:
        """Forget it without closing: it is another process's."""
        _abandoned.append(self._connection)
        self._connection = None
        self._engine.dispose(close=False)


class Direct:
    """SQLite: read where we are."""

    def __init__(self, engine: Engine) -> None:
        statement = select(version.c.version).where(version.c.tenant_id == "?")
        self._sql = str(statement.compile(dialect=engine.dialect))
        self._connected = _Connected(engine)
        self._lock = threading.Lock()
        self._closed = False

    async def current(self, tenant_id: str) -> int:
        """Microseconds on the loop's own thread: cheaper than handing it to another."""
        return self.current_now(tenant_id)

    def current_now(self, tenant_id: str) -> int:
        """One look-up by primary key, which sees every commit before it."""
        with self._lock:
            if self._closed:
                raise PolicyUnavailable
            try:
                row = self._connected.open().execute(self._sql, (tenant_id,)).fetchone()
            except Exception as error:
                self._connected.drop()
                raise PolicyUnavailable from error
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            self._connected.drop()

    def start_anew(self) -> None:
        """A lock that nobody holds, and another connection."""
        self._lock = threading.Lock()
        self._connected.abandon()


class _Thread:
    """A thread that waits."""

    __slots__ = ("future", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.future: Future[int | None] = Future()

    def answer(self, found: int | None) -> None:
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(found)


class _Task:
    """A task that waits on an event loop."""

    __slots__ = ("future", "loop", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[int | None] = self.loop.create_future()

    def answer(self, found: int | None) -> None:
        """On the loop's own thread; a task that was cancelled or ran out of patience takes no answer."""
        if not self.future.done():
            self.future.set_result(found)


def _answer(batch: Iterable[_Task | _Thread], found: dict[str, int] | None) -> None:
    """Give everybody who waits the version, 0 for a tenant that is not there, or ``None``: the database did not say."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Task, int | None]]] = {}
    for waiting in batch:
        number = None if found is None else found.get(waiting.tenant, 0)
        if isinstance(waiting, _Task):
            by_loop.setdefault(waiting.loop, []).append((waiting, number))
        else:
            waiting.answer(number)
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has been closed, and its tasks with it
            loop.call_soon_threadsafe(_answer_all, answers)  # one wake-up for all of them


def _answer_all(answers: Iterable[tuple[_Task, int | None]]) -> None:
    for task, number in answers:
        task.answer(number)


class Batched:
    """PostgreSQL: one thread asks for all that wait."""

    _SQL: Final = b"SELECT tenant_id, version FROM amanah_version WHERE tenant_id = ANY(%s)"

    def __init__(self, engine: Engine, capacity: int, patience: float) -> None:
        self._capacity = capacity
        self._patience = patience
        self._connected = _Connected(engine)
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._bell = threading.Condition()
        self._waiting: deque[_Task | _Thread] = deque()
        self._thread: threading.Thread | None = None

    async def current(self, tenant_id: str) -> int:
        """Wait for the next query, at most ``patience`` seconds."""
        waiting = _Task(tenant_id)
        self._join(waiting)
        try:
            async with asyncio.timeout(self._patience):
                found = await waiting.future
        except TimeoutError as error:
            raise PolicyUnavailable from error
        if found is None:
            raise PolicyUnavailable
        return found

    def current_now(self, tenant_id: str) -> int:
        """Wait for the next query, at most ``patience`` seconds."""
        waiting = _Thread(tenant_id)
        self._join(waiting)
        try:
            found = waiting.future.result(self._patience)
        except FutureTimeoutError as error:
            raise PolicyUnavailable from error
        if found is None:
            raise PolicyUnavailable
        return found

    def _join(self, waiting: _Task | _Thread) -> None:
        with self._bell:
            if self._closed or len(self._waiting) >= self._capacity:
                raise PolicyUnavailable
            self._waiting.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="amanah-versions", daemon=True)
                self._thread.start()
            self._bell.notify()

    def _work(self) -> None:
        while True:
            with self._bell:
                while not self._waiting and not self._closed:
                    self._bell.wait()
                # Taken before the query begins: whoever asks from here on waits for the next one.
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
                closed = self._closed
            if closed:
                _answer(batch, None)
                if not batch:
                    self._connected.drop()
                    return
                continue
            _answer(batch, self._query(list({waiting.tenant for waiting in batch})))

    def _query(self, tenants: list[str]) -> dict[str, int] | None:
        """Version by tenant, or ``None`` if the database does not answer.

        A connection that lay idle may have died with the server's restart; it gets one second chance on a new one.
        """
        for chance in (1, 2):
            try:
                with self._connected.open().cursor() as cursor:
                    cursor.execute(self._SQL, (tenants,))
                    return {str(tenant): int(number) for tenant, number in cursor.fetchall()}
            except Exception:  # noqa: BLE001 - whatever it is, the answer is that there is none; the driver's class varies
                self._connected.drop()
                if chance == 2:  # noqa: PLR2004 - the last one
                    return None
        return None

    def close(self) -> None:
        """Answer whoever waits, end the thread, close the connection."""
        with self._bell:
            self._closed = True
            self._bell.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._patience)

    def start_anew(self) -> None:
        """No thread, nobody waiting, another connection."""
        self._begin()
        self._connected.abandon()
