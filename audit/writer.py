"""The trail's writer: commits for everybody at once.

Contract of storage, for every way in:

1. *Resolved* means durable: the entry survives ``kill -9`` and power loss from then on.
2. *Failed* means that it must be treated as not recorded (it may have been: a connection can break after the commit).
3. An entry that was taken is never dropped because its caller was cancelled or went away.
4. The queue is bounded: when it is full the caller is told at once, with `TrailFull`.

Group commit without waiting: whoever arrives while a commit is under way forms the next batch. Nobody sleeps so that a
batch may grow, so a lone entry pays for one commit only and a crowd shares one.

One thread per process does it. Only on PostgreSQL, where a commit is a wait for the network, an event loop commits for
its own tasks: the detour by the thread was measured to cost it more than all the rest of a request's protection. What
it leaves behind when it ends, or when a caller is cancelled, goes to the thread; an event id can be written twice.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import queue
import threading
import weakref
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio import to_thread

from .. import measures
from ..errors import TrailFull, TrailUnavailable
from ..postgresql import LoopConnection, NoAnswer, PerLoop, Rounds, WrongParameters, can_watch
from .models import turn, unavailable
from .queue_table import LOOP_SQL, QueueTable, parameters
from .streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from ..errors import AmanahError
    from .entries import Entry
    from .queue_table import Row

log = logging.getLogger(__name__)

Waiter: TypeAlias = "concurrent.futures.Future[None] | asyncio.Future[None]"
Item: TypeAlias = "tuple[Row, Waiter]"

_CLOSE_SECONDS: Final = 30.0
_PATIENCE: Final = 10.0
"""Seconds that a commit on an event loop may take, opening the connection included."""


class TrailWriter:
    """Makes entries durable in ``amanah_queued``, for async applications, thread pools and scripts alike.

    ``key``: of the streams in which entries are numbered (`SignerKey.stream_key`). ``capacity``: how many entries may
    wait; ``batch``: how many go into one commit at most. The thread and its
    connection start with the first entry, so the writer may be built before a server forks its workers. Raises
    `ConfigurationError` for a kind of database other than SQLite and PostgreSQL.
    """

    def __init__(self, engine: Engine, key: bytes, *, capacity: int = 10_000, batch: int = 512) -> None:
        if capacity < 1 or batch < 1:
            message = "capacity and batch are at least 1"
            raise ValueError(message)
        self._engine = engine
        self._key = key
        self._capacity = capacity
        self._batch = batch
        self._loops = PerLoop(self._on_loop) if engine.dialect.name == "postgresql" else None
        self._fresh()
        _writers.add(self)

    def _fresh(self) -> None:
        """Begin with nothing waiting and no thread."""
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._table = QueueTable(self._engine, self._key)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._available = True
        self._on_loops: dict[str, Row] = {}
        if self._loops is not None:
            self._loops.forget()

    @property
    def available(self) -> bool:
        """False from a commit that the database refused until the next one that it took."""
        return self._available

    @property
    def waiting(self) -> int:
        """How many entries wait to be written."""
        return self._queue.qsize() + len(self._on_loops)

    # -- ways in -----------------------------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> concurrent.futures.Future[None]:
        """Take ``entry``; the future resolves when it is durable.

        The future fails with `TrailUnavailable` or `DatabaseNotMigrated`. Raises `TrailFull` when too many wait,
        `TrailUnavailable` when the writer is closed, `InvalidInput` for an entry that cannot be encoded.
        """
        waiter: concurrent.futures.Future[None] = concurrent.futures.Future()
        waiter.set_running_or_notify_cancel()  # from here on nobody can cancel it
        self._put(_row(entry), waiter)
        return waiter

    def record(self, entry: Entry, timeout: float = 30) -> None:
        """Return when ``entry`` is durable. Raises as `submit`, and `TrailUnavailable` after ``timeout`` seconds."""
        try:
            self.submit(entry).result(timeout)
        except concurrent.futures.TimeoutError:
            raise TrailUnavailable from None

    async def arecord(self, entry: Entry) -> None:
        """Return when ``entry`` is durable; it is written also when the caller is cancelled. Raises as `submit`."""
        loop = asyncio.get_running_loop()
        if self._loops is not None and can_watch(loop):
            await self._record_on_loop(entry, self._loops.here())
            return
        waiter: asyncio.Future[None] = loop.create_future()
        self._put(_row(entry), waiter)
        await waiter

    def close(self) -> None:
        """Write everything that was taken (within 30 s) and stop. Entries that come later are refused."""
        with self._lock:
            self._closed = True
            for row in self._on_loops.values():
                self._enqueue(row, concurrent.futures.Future())
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE_SECONDS)
        for rounds in self._loops.all() if self._loops is not None else ():
            rounds.close()

    def restart_in_child(self) -> None:
        """After a fork: leave queue, thread and connections to the parent, and begin anew. Called by itself."""
        _inherited.extend((self._engine.pool, self._table))
        self._engine.dispose(close=False)
        closed = self._closed
        self._fresh()
        self._closed = closed

    def _put(self, row: Row, waiter: Waiter) -> None:
        with self._lock:
            self._check_room()
            self._enqueue(row, waiter)

    def _check_room(self) -> None:
        if self._closed:
            raise TrailUnavailable
        if self._queue.qsize() + len(self._on_loops) >= self._capacity:
            raise TrailFull

    def _enqueue(self, row: Row, waiter: Waiter) -> None:
        if self._thread is None:
            self._start()
        self._queue.put((row, waiter))

    def _start(self) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(self._queue, self._table), name="amanah-trail", daemon=True
        )
        self._thread.start()

    # -- the event loops -----------------------------------------------------------------------------------------------

    def _on_loop(self) -> _LoopRounds:
        return _LoopRounds(self._engine, self._key, self._batch, self._settled)

    def _settled(self, failure: str | None) -> None:
        """What a batch on an event loop met: ``failure`` is the class of the error where the database is away."""
        self._available = failure is None
        if failure is not None:
            log.error("the trail cannot be written: %s", failure)

    async def _record_on_loop(self, entry: Entry, rounds: _LoopRounds) -> None:
        row = _row(entry)
        with self._lock:
            self._check_room()
            self._on_loops[row[0]] = row
        try:
            error = await rounds.join(row)
        except (asyncio.CancelledError, GeneratorExit):  # the caller is gone, or its whole loop
            with self._lock:
                if not self._closed:
                    self._enqueue(row, concurrent.futures.Future())
            raise
        finally:
            self._on_loops.pop(row[0], None)
        if error is not None:
            raise error

    # -- the thread --------------------------------------------------------------------------------------------------

    def _run(self, waiting: queue.SimpleQueue[Item | None], table: QueueTable) -> None:
        """Commit batch after batch until told to stop; whatever goes wrong, every waiter gets an answer."""
        going = True
        while going:
            items, going = self._next(waiting)
            if not items:
                continue
            try:
                self._commit(table, items, waiting)
            except Exception:  # the thread must outlive anything, or every later request would hang
                log.exception("the trail's writer failed")
                self._available = False
                table.drop()
                _settle([waiter for _, waiter in items], TrailUnavailable)
        table.drop()

    def _next(self, waiting: queue.SimpleQueue[Item | None]) -> tuple[list[Item], bool]:
        """Wait for the first item, then take what is there without waiting; False when told to stop."""
        item = waiting.get()
        items: list[Item] = []
        while item is not None:
            items.append(item)
            if len(items) >= self._batch:
                return items, True
            try:
                item = waiting.get_nowait()
            except queue.Empty:
                return items, True
        return items, False

    def _commit(self, table: QueueTable, items: list[Item], waiting: queue.SimpleQueue[Item | None]) -> None:
        """Commit ``items`` as one; where the database refuses, find out whether it is away or one of them is wrong."""
        rows = [row for row, _ in items]
        begun = perf_counter()
        with turn(self._engine):
            failure = table.insert(rows)
        if failure is None:
            measures.committed(len(rows), perf_counter() - begun)
            self._available = True
            _settle([waiter for _, waiter in items], None)
        elif failure.away:
            self._available = False
            error = unavailable(self._engine)
            log.error("the trail cannot be written: %s", failure.name)
            # Emptied before anybody is told: who comes back after that is tried afresh.
            late = _taken(waiting)
            _settle([waiter for _, waiter in items] + late, type(error))
        elif len(items) == 1:
            log.error("an entry was refused by the trail's database: %s", failure.name)
            _settle([items[0][1]], TrailUnavailable)
        else:
            for item in items:  # one wrong entry must not take the others with it
                self._commit(table, [item], waiting)


class _LoopRounds:
    """One event loop's group commit on PostgreSQL, over a connection of its own."""

    def __init__(self, engine: Engine, key: bytes, batch: int, settled: Callable[[str | None], None]) -> None:
        self._connection = LoopConnection(engine, LOOP_SQL, _PATIENCE)
        insert = partial(_insert, self._connection, Stream(key), engine, settled)
        self._rounds: Rounds[Row, type[AmanahError] | None] = Rounds(insert, batch)

    async def join(self, row: Row) -> type[AmanahError] | None:
        """None when the row is durable, else why it must be treated as if it were not."""
        return await self._rounds.join(row)

    def close(self) -> None:
        """Take nothing more; from any thread."""
        self._connection.close()


async def _insert(
    connection: LoopConnection,
    stream: Stream,
    engine: Engine,
    settled: Callable[[str | None], None],
    rows: list[Row],
) -> list[type[AmanahError] | None]:
    """Commit ``rows`` as one; where the database refuses, find out whether it is away or one of them is wrong."""
    begun = perf_counter()
    try:
        await connection.ask(parameters(stream.numbered(rows)))
    except NoAnswer as away:
        stream.begin()  # nobody knows whether they are there
        settled(str(away) or type(away.__cause__ or away).__name__)
        return [type(await to_thread.run_sync(unavailable, engine))] * len(rows)
    except WrongParameters as wrong:
        if len(rows) == 1:
            log.error("an entry was refused by the trail's database: %s", wrong)  # noqa: TRY400 - no values in logs
            return [TrailUnavailable]
        # One wrong entry must not take the others with it.
        return [answer for row in rows for answer in await _insert(connection, stream, engine, settled, [row])]
    stream.written(len(rows))
    measures.committed(len(rows), perf_counter() - begun)
    settled(None)
    return [None] * len(rows)


def _row(entry: Entry) -> Row:
    """Encoded in the caller's thread: a wrong entry is the caller's error, and the writer has less to do."""
    return entry.id, entry.tenant, entry.at, entry.encode().decode("ascii")


def _taken(waiting: queue.SimpleQueue[Item | None]) -> list[Waiter]:
    """Those who queued up while the database was failing; they share its answer instead of waiting for their own."""
    waiters: list[Waiter] = []
    stopping = False
    for _ in range(waiting.qsize()):
        try:
            item = waiting.get_nowait()
        except queue.Empty:
            break
        if item is None:
            stopping = True
        else:
            waiters.append(item[1])
    if stopping:
        waiting.put(None)
    return waiters


def _settle(waiters: Sequence[Waiter], error: type[AmanahError] | None) -> None:
    """Give every waiter its answer. One wake-up per event loop, however many of its tasks wait."""
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        if isinstance(waiter, asyncio.Future):
            loops.setdefault(waiter.get_loop(), []).append(waiter)
        elif error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error())
    for loop, futures in loops.items():
        try:
            loop.call_soon_threadsafe(_settle_in_loop, futures, error)
        except RuntimeError:  # the loop was closed: nobody is left to be told
            continue


def _settle_in_loop(futures: list[asyncio.Future[None]], error: type[AmanahError] | None) -> None:
    for future in futures:
        if future.done():  # its caller was cancelled; the entry is written all the same
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error())


# -- processes ---------------------------------------------------------------------------------------------------------

_writers: weakref.WeakSet[TrailWriter] = weakref.WeakSet()
_inherited: list[Any] = []
"""The parent's connections in a forked child, kept so that nobody closes them there (SQLite would then remove the
write-ahead log under the parent, PostgreSQL would see the parent say good-bye)."""


def _after_fork_in_child() -> None:
    """Leave to the parent what is the parent's: its queue, its thread and its connections."""
    for writer in list(_writers):
        writer.restart_in_child()


def _at_exit() -> None:
    for writer in list(_writers):
        writer.close()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
