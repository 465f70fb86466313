"""What an application answers: its routes, however deep they are nested, and the middleware around them.

Only objects are looked at, never called: Starlette's routes, routers, mounts and hosts, FastAPI's included routers, and
applications wrapped in other ASGI middleware.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from ..errors import ReferenceWrong
from ..i18n import N_
from ..middleware.asgi import AmanahMiddleware
from ..middleware.routes import WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PARAMETER: Final = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")
_KNOWN: Final = {"str", "int", "float", "uuid", "path"}
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the application. ``login``: whether FastAPI asks for a login there; None where nobody can see it."""

    methods: tuple[str, ...]
    path: str
    name: str = ""
    module: str = ""
    kind: Literal["handler", "static", "docs", "mounted"] = "handler"
    login: bool | None = None


@dataclass(slots=True)
class Surface:
    """Everything that the application answers."""

    endpoints: list[Endpoint] = field(default_factory=list)
    preflights: list[str] = field(default_factory=list)
    """Path prefixes behind a CORSMiddleware."""
    session_cookie: str | None = None
    """The name of the cookie, where Starlette's SessionMiddleware keeps the login."""
    unknown: list[str] = field(default_factory=list)
    """Routes of a kind that is not understood, so nothing is declared for them."""


def surface(app: Any, reference: str) -> Surface:
    """What ``app`` answers. Raises `ReferenceWrong` where it is protected already, or shows no routes at all."""
    found = Surface()
    _application(app, "", found, reference, 0)
    if not found.endpoints:
        raise ReferenceWrong(
            reference=reference,
            detail=N_("it shows no routes: it is neither Starlette nor FastAPI, or wraps them in something opaque"),
            example="myshop.main:app",
        )
    found.endpoints = _each_once(found.endpoints)
    return found


def _application(app: Any, prefix: str, found: Surface, reference: str, depth: int) -> None:
    """An application, and what it is wrapped in."""
    while depth < _DEEPEST:
        depth += 1
        if isinstance(app, AmanahMiddleware) or type(app).__module__.startswith("amanah."):
            detail = N_("it is behind Amanah already: name the application that is wrapped")
            raise ReferenceWrong(reference=reference, detail=detail, example="myshop.main:app")
        _middleware([(type(app), getattr(app, "__dict__", {}))], prefix, found)
        if isinstance(getattr(app, "routes", None), list):
            _middleware([(one.cls, one.kwargs) for one in getattr(app, "user_middleware", [])], prefix, found)
            _routes(app.routes, prefix, found, reference, depth)
            return
        inner = getattr(app, "app", None)
        if not callable(inner):
            break
        app = inner
    if isinstance(app, StaticFiles):
        found.endpoints.append(Endpoint(("GET",), f"{prefix}/{{path:path}}", kind="static"))
    elif prefix:
        name = getattr(app, "__name__", type(app).__name__)
        found.endpoints.append(Endpoint(_METHODS, f"{prefix}/{{path:path}}", name, kind="mounted"))


def _middleware(stack: Iterable[tuple[Any, Any]], prefix: str, found: Surface) -> None:
    for kind, settings in stack:
        if not isinstance(kind, type):
            continue
        if issubclass(kind, CORSMiddleware) and prefix not in found.preflights:
            found.preflights.append(prefix)
        elif kind.__name__ == "SessionMiddleware":
            found.session_cookie = str(settings.get("session_cookie", "session"))


def _routes(routes: Iterable[Any], prefix: str, found: Surface, reference: str, depth: int) -> None:
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)  # FastAPI since it includes routers lazily
        if callable(included):
            effective = [getattr(one, "starlette_route", None) or one for one in included()]
            _routes(effective, prefix, found, reference, depth)
        elif isinstance(route, Mount):
            path = prefix + _spelled(route)
            base = getattr(route, "_base_app", route.app)
            _middleware(_around(route, base), path, found)
            _application(base, path, found, reference, depth)
        elif isinstance(route, Host):
            _application(route.app, prefix, found, reference, depth)
        elif isinstance(route, WebSocketRoute):
            found.endpoints.append(_endpoint(route, (WEBSOCKET,), prefix))
        elif isinstance(route, Route) or (hasattr(route, "methods") and route.path):
            found.endpoints.append(_endpoint(route, _methods(route), prefix))
        else:
            found.unknown.append(f"{prefix}{getattr(route, 'path', '')} ({type(route).__name__})")


def _around(mount: Mount, base: Any) -> list[tuple[Any, Any]]:
    """The mount's own middleware, outermost first."""
    stack: list[tuple[Any, Any]] = []
    app: Any = mount.app
    while app is not base and callable(app) and len(stack) < _DEEPEST:
        stack.append((type(app), getattr(app, "__dict__", {})))
        app = getattr(app, "app", base)
    return stack


def _endpoint(route: Any, methods: tuple[str, ...], prefix: str) -> Endpoint:
    endpoint: Any = getattr(route, "endpoint", None)
    while hasattr(endpoint, "func"):
        endpoint = endpoint.func  # functools.partial
    module = getattr(endpoint, "__module__", "") or ""
    return Endpoint(
        methods,
        prefix + _spelled(route) or "/",
        str(getattr(endpoint, "__name__", "") or getattr(route, "name", "") or ""),
        module.rpartition(".")[2],
        "docs" if module.startswith("fastapi.") else "handler",
        _asks_for_login(getattr(route, "dependant", None)),
    )


def _spelled(route: Any) -> str:
    """The path as `amanah.route` writes it. A parameter of the application's own kind becomes a segment or a path."""
    convertors = getattr(route, "param_convertors", None) or {}

    def known(parameter: re.Match[str]) -> str:
        name, kind = parameter[1], parameter[2]
        if kind is None or kind in _KNOWN:
            return parameter[0]
        crosses = re.fullmatch(getattr(convertors.get(name), "regex", ".*"), "a/b") is not None
        return f"{{{name}:path}}" if crosses else f"{{{name}}}"

    return _PARAMETER.sub(known, str(route.path))


def _methods(route: Any) -> tuple[str, ...]:
    said = set(route.methods or ())
    if not said:  # a class: its methods are its answers; any other ASGI application may answer all
        said = {one for one in _METHODS if hasattr(route.endpoint, one.lower())} or set(_METHODS)
    if "GET" in said:
        said.discard("HEAD")  # follows GET
    return tuple(
        sorted(said, key=lambda one: ([*_METHODS, "HEAD", "OPTIONS"].index(one) if one in _METHODS else 9, one))
    )


def _asks_for_login(dependant: Any) -> bool | None:
    """Whether one of FastAPI's security classes is among the dependencies, however deep."""
    if dependant is None:
        return None
    waiting, seen = [dependant], 0
    while waiting and seen < 1_000:  # noqa: PLR2004 - more than any route has; a circle ends here
        one = waiting.pop()
        seen += 1
        if hasattr(one.call, "scheme_name") and hasattr(one.call, "model"):
            return True
        waiting += one.dependencies
    return False


def _each_once(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Of two routes for the same method and shape of path the first answers, so the second is left out."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in endpoints:
        shape = _PARAMETER.sub(lambda found: f"{{{found[2] or 'str'}}}", one.path)
        fresh = tuple(method for method in one.methods if (method, shape) not in seen)
        seen |= {(method, shape) for method in fresh}
        if fresh:
            kept.append(Endpoint(fresh, one.path, one.name, one.module, one.kind, one.login))
    return kept
