"""PostgreSQL asked by the event loop itself: one prepared statement on a connection of its own, and no thread.

Each protected request has two questions that are Amanah's own: is what we remember of the tenant current, and is the
entry durable. Asked by a thread, each costs the loop several waits for the interpreter's lock (1.7 ms a request were
measured, twice the work itself). Here the loop watches the connection's socket and libpq's non-blocking functions do
the rest; psycopg's public ``pq`` module wraps them.

`Rounds` makes one question out of many: whoever comes while one is under way shares the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from sqlalchemy import Engine

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Thing = TypeVar("Thing")
Rows: TypeAlias = "list[tuple[bytes | None, ...]]"

_NAME: Final = b"amanah"
_BINARY: Final = 1
_TEXT_OID: Final = 25
_BYTEA_OID: Final = 17
_BIGINT_OID: Final = 20
_VALUES: Final = ("22", "23")


class NoAnswer(Exception):
    """The database is away: no connection, one that broke, no answer in time, or a table that is missing."""


class WrongParameters(Exception):
    """The database took the question and refused its values (SQLSTATE classes 22 and 23)."""


def text_array(values: Sequence[bytes]) -> bytes:
    """A ``text[]`` parameter in PostgreSQL's binary format, of UTF-8 texts."""
    return _array(_TEXT_OID, values)


def bigint_array(values: Iterable[int]) -> bytes:
    """A ``bigint[]`` parameter in PostgreSQL's binary format."""
    return _array(_BIGINT_OID, [value.to_bytes(8, "big", signed=True) for value in values])


def bytea_array(values: Sequence[bytes]) -> bytes:
    """A ``bytea[]`` parameter in PostgreSQL's binary format."""
    return _array(_BYTEA_OID, values)


def _array(oid: int, values: Sequence[bytes]) -> bytes:
    # One dimension, no NULLs, the elements' type; then length and lower bound; then each element after its length.
    head = struct.pack("!iiIii", 1, 0, oid, len(values), 1)
    return head + b"".join([len(value).to_bytes(4, "big") + value for value in values])


def can_watch(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether ``loop`` can watch a socket for us. Windows' proactor cannot."""
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader


class LoopConnection:
    """A connection in autocommit with one prepared ``statement``, asked by one event loop, one question at a time.

    It is opened with the first question and anew after a failure. ``patience``: seconds for a whole question.
    """

    def __init__(self, engine: Engine, statement: bytes, patience: float) -> None:
        """Nothing is opened yet. ``engine``: one with the psycopg driver."""
        self._engine = engine
        self._statement = statement
        self._patience = patience
        self._connection: Any = None
        self._opening: asyncio.Future[Any] | None = None
        self._pid = 0
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False

    async def ask(self, parameters: Sequence[bytes]) -> Rows:
        """The statement's rows, each value as text. ``parameters`` are in the binary format.

        Raises `WrongParameters` and `NoAnswer`. A connection that lay idle may have died with a restart of the server;
        it gets one second chance on a new one, so the statement must bear being carried out twice.
        """
        with self._lock:
            if self._closed:
                raise NoAnswer
            self._busy = True
        try:
            return await self._ask(parameters)
        finally:
            self._release()

    def _release(self) -> None:
        with self._lock:
            self._busy = False
            if self._closed:
                self._drop()

    def close(self) -> None:
        """Answer no further question, from any thread; the connection closes now or when the last one is answered."""
        with self._lock:
            self._closed = True
            if not self._busy:
                self._drop()

    async def _ask(self, parameters: Sequence[bytes]) -> Rows:
        try:
            async with asyncio.timeout(self._patience):
                if self._connection is None:
                    return await self._exchange(await self._opened(), parameters)
                try:
                    return await self._exchange(self._connection, parameters)
                except NoAnswer:
                    return await self._exchange(await self._opened(), parameters)
        except TimeoutError as error:
            raise NoAnswer from error

    async def _opened(self) -> Any:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().run_in_executor(None, self._open)
        try:
            await asyncio.shield(self._opening)  # whoever asks next finds what one who gave up began
        except Exception as error:
            self._opening = None
            raise NoAnswer from error
        self._opening = None
        return self._connection

    def _open(self) -> None:
        """In a thread, once per connection."""
        proxy = self._engine.raw_connection()
        connection: Any = proxy.driver_connection
        proxy.detach()  # ours alone: the pool must neither reset nor lend it
        try:
            connection.rollback()
            connection.autocommit = True
            connection.execute(f"SET statement_timeout = {int(1000 * self._patience)}")
            # "off" would answer before the log is on disk; stronger settings than "on" are left as they are.
            if connection.execute("SHOW synchronous_commit").fetchone()[0] == "off":
                connection.execute("SET synchronous_commit TO on")
            _check(connection.pgconn.prepare(_NAME, self._statement))
            connection.pgconn.nonblocking = 1
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._pid = os.getpid()
            self._connection = connection

    async def _exchange(self, connection: Any, parameters: Sequence[bytes]) -> Rows:
        """Send, wait, receive. Whatever goes wrong in between, the connection is not used again."""
        pgconn = connection.pgconn
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        results: list[Any] = []
        writing = False

        def readable() -> None:
            try:
                pgconn.consume_input()
                while not pgconn.is_busy():
                    result = pgconn.get_result()
                    if result is None:
                        _settle(answered)
                        return
                    results.append(result)
            except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked must hear of it
                _settle(answered, error)

        def writable() -> None:
            nonlocal writing
            try:
                if not pgconn.flush():
                    writing = False
                    loop.remove_writer(socket)
            except Exception as error:  # noqa: BLE001 - as above
                _settle(answered, error)

        try:
            socket = pgconn.socket
            pgconn.send_query_prepared(_NAME, parameters, param_formats=[_BINARY] * len(parameters))
            loop.add_reader(socket, readable)
            try:
                if pgconn.flush():
                    writing = True
                    loop.add_writer(socket, writable)
                await answered
            finally:
                loop.remove_reader(socket)
                if writing:
                    loop.remove_writer(socket)
        except BaseException as error:
            self._drop()
            if isinstance(error, Exception):
                raise NoAnswer from error
            raise
        return self._rows(results)

    def _rows(self, results: list[Any]) -> Rows:
        found: Rows = []
        for result in results:
            try:
                _check(result)
            except NoAnswer:
                self._drop()
                raise
            columns = range(result.nfields)
            found.extend(tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples))
        return found

    def _drop(self) -> None:
        """Close the connection, whatever state it is in; in a forked child only forget it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid != os.getpid():
            _parents.append(connection)
            return
        with contextlib.suppress(Exception):  # it is being thrown away, often because it is broken
            connection.close()

    def __del__(self) -> None:
        """Close the connection of an event loop that is gone."""
        self._drop()


class Rounds(Generic[Item, Answer]):
    """Questions in rounds, for one event loop: whoever comes while one is under way shares the next one.

    So an answer always comes from a question that began after its item had joined, and nobody waits for a batch to
    grow: one that is alone asks alone.
    """

    def __init__(self, ask: Callable[[list[Item]], Awaitable[Sequence[Answer]]], most: int) -> None:
        """``ask``: the answers to at most ``most`` items, in their order. What it raises goes to all of them."""
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many wait for the next round."""
        return len(self._waiting)

    async def join(self, item: Item) -> Answer:
        """The answer to ``item``, from a question that begins later than now. Raises what ``ask`` raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, answer))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                batch = self._waiting[: self._most]
                del self._waiting[: self._most]
                try:
                    answers = await self._ask([item for item, _ in batch])
                except Exception as error:  # noqa: BLE001 - theirs to judge
                    for _, future in batch:
                        _settle(future, error)
                else:
                    for (_, future), answer in zip(batch, answers, strict=True):
                        _settle(future, None, answer)
        finally:
            self._task = None
            for _, future in (*batch, *self._waiting):  # the loop is ending: nobody may wait for ever
                if not future.done():
                    future.cancel()
            self._waiting.clear()


class PerLoop(Generic[Thing]):
    """One thing for each running event loop; it goes when its loop goes."""

    def __init__(self, make: Callable[[], Thing]) -> None:
        """``make`` is called once per loop, on the loop's thread."""
        self._make = make
        self.forget()

    def here(self) -> Thing:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        found = self._things.get(loop)
        if found is None:
            with self._lock:
                found = self._things[loop] = self._make()
        return found

    def all(self) -> list[Thing]:
        """Those of all loops."""
        with self._lock:
            return list(self._things.values())

    def forget(self) -> None:
        """Start with none, as a forked child must."""
        self._lock = threading.Lock()
        self._things: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Thing] = weakref.WeakKeyDictionary()


_parents: list[Any] = []
"""Connections of a parent process, kept in its forked child: to collect them there would close them for the parent."""


def _settle(future: asyncio.Future[Any], error: BaseException | None = None, answer: Any = None) -> None:
    if future.done():  # the one who waited was cancelled
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


def _check(result: Any) -> None:
    """Raise for an answer that is an error, with its SQLSTATE; the message is left out, since it can repeat values."""
    from psycopg.pq import DiagnosticField  # an extra: the module must load without it

    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    if state.startswith(_VALUES):
        raise WrongParameters(state)
    if state:
        raise NoAnswer(state)
