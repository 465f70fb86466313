"""The driver's own connection and cursors, which an application reaches past SQLAlchemy: `connection.connection`.

No event of SQLAlchemy's is fired there, and no wall of the compiler stands. So PostgreSQL's drivers are given cursors
that look at the text first (psycopg: ``cursor_factory`` and ``server_cursor_factory``; asyncpg: the connection's own
methods), and refuse what `check_raw` refuses, COPY too. What SQLAlchemy executes was decided by the gate, which says so
to the cursor (`clear`), once for each execution.

A hurdle and no wall: who makes a cursor of psycopg's own class, or speaks to libpq, goes round it. Row-level security
holds these, too. Drivers of other databases have no such place.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ..errors import RawSqlRefused
from .raw import check_raw
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from .fields import Register

_CURSORS: Final = ("cursor_factory", "server_cursor_factory")
_OF_CURSORS: Final = ("execute", "executemany", "stream", "copy")
_OF_ASYNCPG: Final = (
    *("execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany", "prepare", "cursor", "copy_from_query"),
    *("copy_from_table", "copy_to_table", "copy_records_to_table"),
)
_cleared: WeakSet[Any] = WeakSet()
"""Connections of asyncpg on which SQLAlchemy executes now."""


class DriverGuard:
    """Gives the connections of one engine their guarded cursors; a listener of the pool's ``checkout``."""

    def __init__(self, register: Callable[[], Register]) -> None:
        """``register``: says what is enforced at this moment."""
        self._register = register
        self._classes: dict[type, type] = {}

    def checkout(self, raw: Any, _record: Any, _proxy: Any) -> None:
        """A connection leaves the pool: whoever has it now may reach the driver's own."""
        driver = getattr(raw, "driver_connection", raw)
        for name in _CURSORS:
            kind = getattr(driver, name, None)
            if isinstance(kind, type) and hasattr(kind, "copy"):
                setattr(driver, name, self._guarded(kind, _OF_CURSORS))
        if any(kind.__module__.startswith("asyncpg.") for kind in type(driver).__mro__):
            guarded = self._guarded(type(driver), _OF_ASYNCPG)
            if type(driver) is not guarded:
                with suppress(TypeError):  # a class of the application's own, with another layout
                    driver.__class__ = guarded

    def _guarded(self, kind: type, names: tuple[str, ...]) -> type:
        if hasattr(kind, "amanah_base"):
            return kind
        known = self._classes.get(kind)
        if known is None:
            body: dict[str, Any] = {name: self._method(kind, name) for name in names if hasattr(kind, name)}
            body |= {"amanah_base": kind, "__module__": kind.__module__, "__doc__": kind.__doc__}
            if names is _OF_ASYNCPG:
                body["__slots__"] = ()
            known = self._classes[kind] = type(kind)(kind.__name__, (kind,), body)
        return known

    def _method(self, kind: type, name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def method(driver: Any, *given: Any, **named: Any) -> Any:
            if not _is_cleared(driver):
                self._check(driver, name, given, named)
            return original(driver, *given, **named)

        method.__name__, method.__doc__ = name, original.__doc__
        return method

    def _check(self, driver: Any, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Raises `RawSqlRefused`, also for a text that cannot be told."""
        said = given[0] if given else next(iter(named.values()), "")
        if name.startswith("copy_") and name != "copy_from_query":
            said = f'COPY "{said}" FROM STDIN'
        elif hasattr(said, "as_string"):  # psycopg's sql.SQL and its like
            said = said.as_string(getattr(driver, "connection", None))
        elif isinstance(said, bytes):
            said = said.decode(errors="replace")
        if not isinstance(said, str):
            refuse(RawSqlRefused(name=type(said).__name__))
        check_raw(self._register(), said, "postgresql", fragment=False, driver=True)


def clear(connection: Connection, cursor: Any) -> None:
    """What SQLAlchemy executes next, by ``cursor``, was decided."""
    own = getattr(cursor, "_cursor", cursor)
    if hasattr(own, "amanah_base"):
        own.amanah_cleared = True
    elif connection.dialect.driver == "asyncpg":
        _cleared.add(connection.connection.driver_connection)


def cleared_no_more(connection: Connection | None) -> None:
    """It has been executed, or has failed."""
    if connection is not None and connection.dialect.driver == "asyncpg" and not connection.invalidated:
        _cleared.discard(connection.connection.driver_connection)


def bare(driver: Any, name: str) -> Callable[..., Any]:
    """A method of asyncpg's connection as it is without guard, for what Amanah says itself."""
    base = getattr(type(driver), "amanah_base", None)
    method: Callable[..., Any] = getattr(driver, name) if base is None else getattr(base, name).__get__(driver)
    return method


def _is_cleared(driver: Any) -> bool:
    if driver in _cleared:
        return True
    if getattr(driver, "amanah_cleared", False):
        driver.amanah_cleared = False
        return True
    return False


__all__ = ["DriverGuard", "bare", "clear", "cleared_no_more"]
