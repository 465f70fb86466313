"""The application's engines: which of them reach the guarded database, and whether each meets the gate."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from ..database import is_own
from ..errors import ConfigurationError
from ..i18n import N_
from .compiler import GuardedCompiler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

Engines: TypeAlias = Engine | AsyncEngine | Sequence[Engine | AsyncEngine]
"""What a guard takes: one engine, or all those by which the application reaches its one database."""

_PORTS: Final = {"postgresql": 5432}
_HERE: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})


def engines_of(given: Engines) -> tuple[Engine, ...]:
    """The synchronous engines that do the work, each once, in their order. Raises `ConfigurationError`.

    They must reach the same database: one gate has one register, one trail and one set of tables of its own.
    """
    listed = [given] if isinstance(given, Engine | AsyncEngine) else list(given)
    if not listed or not all(isinstance(one, Engine | AsyncEngine) for one in listed):
        raise ConfigurationError(detail=N_("engine= takes an engine of SQLAlchemy, or several in a list"))
    found = tuple(dict.fromkeys(engine_of(one) for one in listed))
    for one in found:
        if one.url.get_backend_name() == "sqlite" and one.url.database in (None, "", ":memory:"):
            detail = N_("an in-memory SQLite database cannot be shared with the trail; use a file")
            raise ConfigurationError(detail=detail)
        if place_of(one.url) != place_of(found[0].url):
            raise ConfigurationError(
                detail=f"the engines of one guard reach one database: {_shown(found[0].url)} is not {_shown(one.url)}"
            )
    return found


def engine_of(engine: Engine | AsyncEngine) -> Engine:
    """The engine itself where ``engine`` is its asynchronous front, or one with options of its own made of it."""
    found = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    while isinstance(made_of := getattr(found, "_proxied", None), Engine):
        found = made_of
    return found


def place_of(url: URL) -> tuple[str, str, int | None, str]:
    """Backend, host, port and database. Names of one's own machine, and its sockets, are the same host."""
    backend = url.get_backend_name()
    if backend == "sqlite":
        name = (url.database or "").removeprefix("file:").partition("?")[0]
        return backend, "", None, str(Path(name).resolve())
    said = url.query.get("host") or url.host or ""
    host = (said if isinstance(said, str) else ",".join(said)).lower()
    port = url.port or url.query.get("port") or _PORTS.get(backend)
    database = url.database or url.query.get("dbname") or url.username or ""
    return backend, "" if host in _HERE or host.startswith("/") else host, int(str(port or 0)), str(database)


def unprotected(engine: Engine) -> Iterator[str]:
    """The names of other engines in this process that reach the database of ``engine`` without meeting a gate.

    Every engine that is alive now is looked at, whoever made it and whether or not it has connected; one that is made
    later is not there yet. Amanah's own are left out.
    """
    gc.collect()  # one that nobody can use any more is no finding
    place = place_of(engine.url)
    alive = {id(one): one for found in gc.get_objects() if isinstance(found, Engine) for one in [engine_of(found)]}
    known = {id(engine_of(engine)), *(key for key, one in alive.items() if is_own(one) or _gated(one))}
    yield from sorted(_name(one) for key, one in alive.items() if key not in known and place_of(one.url) == place)


def _gated(engine: Engine) -> bool:
    """Whether it meets a gate. An engine with options of its own shares the dialect of the one that it is made of."""
    return issubclass(engine.dialect.statement_compiler, GuardedCompiler)


def _name(engine: Engine) -> str:
    """``module:name`` where a module holds it, else by which driver it connects."""
    for name, module in sorted(sys.modules.items()):
        for attribute, value in sorted(getattr(module, "__dict__", {}).items()):
            if (value.sync_engine if isinstance(value, AsyncEngine) else value) is engine:
                return f"{name}:{attribute}"
    return engine.url.drivername


def _shown(url: URL) -> str:
    """Where it leads, without user and password."""
    return url.set(username=None, password=None, query={}).render_as_string()


__all__ = ["Engines", "engine_of", "engines_of", "place_of", "unprotected"]
