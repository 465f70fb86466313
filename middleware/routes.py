"""What each route of the application is for: declared beside the application, matched before it runs.

A route that nobody declared is denied. Where a path could be read in two ways (``//``, ``/../``, an encoded slash, a
control character) no declaration matches it at all: this table and the application's own router must never disagree
about which route a request is for.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .callbacks import Caller

AUTHENTICATION = "essential.service.authentication"
"""The one purpose of a sign-in route (a fideslang data use)."""

WEBSOCKET = "WEBSOCKET"
"""The method name under which a WebSocket route is declared."""

# Starlette's convertors, which FastAPI shares: what the application's router accepts in each kind of parameter.
_CONVERTORS = {
    "str": "[^/]+",
    "int": "[0-9]+",
    "float": r"[0-9]+(?:\.[0-9]+)?",
    "uuid": "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
    "path": ".*",
}
_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-z]+))?\}")
_METHODS = re.compile(r"[A-Z]+(?:,[A-Z]+)*")
_AMBIGUOUS = re.compile(r"//|/\.{1,2}(?:/|\Z)|[\\\x00-\x1f\x7f]")
_AMBIGUOUS_RAW = re.compile(rb"%2f|%5c|%00", re.IGNORECASE)
_WORD = re.compile(r"[a-z][a-z_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Route:
    """One declaration: for these methods on this path, the resource and action asked for and the purposes served."""

    methods: tuple[str, ...]
    path: str
    kind: Literal["guarded", "public", "sign_in"]
    resource: str = ""
    action: str = ""
    purposes: tuple[str, ...] = ()
    guessed: bool = False
    """Written by `amanah init` and not yet confirmed."""
    caller: Caller | None = None
    """How another system is recognised that calls here; None where somebody signs in."""
    name: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Spell the route once: ``"GET /invoices/{id}"`` is what the trail and the problem documents show."""
        object.__setattr__(self, "name", f"{','.join(self.methods)} {self.path}")


def route(pattern: str, resource: str, action: str, purposes: Sequence[str]) -> Route:
    """Declare a guarded route: ``route("GET /invoices/{id}", "invoice", "read", ["billing", "support"])``.

    ``pattern`` is one method or several (``"GET,POST /invoices"``; ``"WEBSOCKET /queue"``), a space, and a path
    template as in Starlette (``{id}``, ``{id:int}``, ``{rest:path}``). HEAD follows GET. ``purposes`` are keys or
    aliases from the tenants' registers. Raises :class:`DeclarationError`.
    """
    methods, path = _split(pattern)
    if isinstance(purposes, str) or not purposes or not all(purposes):
        raise DeclarationError(detail=f"the route {pattern} needs a list of the purposes that it serves")
    if not resource or not action:
        raise DeclarationError(detail=f"the route {pattern} needs a resource and an action")
    return Route(methods, path, "guarded", resource, action, tuple(dict.fromkeys(purposes)))


def public(pattern: str) -> Route:
    """Declare a route that nobody has to sign in for and that touches no protected table (health, static files)."""
    methods, path = _split(pattern)
    return Route(methods, path, "public")


def sign_in(pattern: str) -> Route:
    """Declare a route by which somebody signs in: an anonymous actor, purpose authentication, sign-in tables only."""
    methods, path = _split(pattern)
    return Route(methods, path, "sign_in", purposes=(AUTHENTICATION,))


class RouteTable:
    """All declarations of an application, ready to be matched in one look-up or one regular expression per method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Index ``routes``; the most specific declaration wins, then the first. Two of the same shape are refused."""
        self.routes = tuple(routes)
        self._static: dict[tuple[str, str], Route] = {}
        self._dynamic: dict[str, tuple[re.Pattern[str], tuple[Route, ...]]] = {}
        open_ended: defaultdict[str, list[tuple[list[int], str, Route]]] = defaultdict(list)
        seen: dict[tuple[str, str], Route] = {}
        for method, declared in self._each():
            pattern, ranks = _compile(declared.path)
            twin = seen.setdefault((method, pattern), declared)
            if twin is not declared:
                raise DeclarationError(detail=f"the routes {twin.name} and {declared.name} are the same")
            if "{" in declared.path:
                open_ended[method].append((ranks, pattern, declared))
            else:
                self._static[method, declared.path] = declared
        for method, entries in open_ended.items():
            entries.sort(key=lambda entry: entry[0])
            union = "|".join(f"({pattern})" for _, pattern, _ in entries)
            self._dynamic[method] = (re.compile(union), tuple(declared for _, _, declared in entries))

    def _each(self) -> Iterator[tuple[str, Route]]:
        """Each declared method with its route, then HEAD for every GET whose path declares no HEAD of its own."""
        heads = {declared.path for declared in self.routes if "HEAD" in declared.methods}
        for declared in self.routes:
            for method in declared.methods:
                single = replace(declared, methods=(method,))
                yield method, single
                if method == "GET" and declared.path not in heads:
                    yield "HEAD", single

    def match(self, method: str, path: str) -> Route | None:
        """The declaration for this request, or None. Methods are compared as they are written: ``get`` is not GET."""
        if _AMBIGUOUS.search(path):
            return None
        found = self._static.get((method, path))
        if found is not None:
            return found
        dynamic = self._dynamic.get(method)
        if dynamic is None:
            return None
        hit = dynamic[0].fullmatch(path)
        if hit is None or hit.lastindex is None:
            return None
        return dynamic[1][hit.lastindex - 1]

    def match_scope(self, scope: Mapping[str, Any]) -> Route | None:
        """The declaration for an ASGI connection, or None."""
        raw = scope.get("raw_path")
        if raw and b"%" in raw and _AMBIGUOUS_RAW.search(raw):
            return None  # one framework routes by the decoded path, another by the raw one
        if scope["type"] == "websocket":
            return self.match(WEBSOCKET, route_path(scope))
        method: str = scope["method"]
        return None if method == WEBSOCKET else self.match(method, route_path(scope))

    def suggest(self, scope: Mapping[str, Any]) -> str:
        """How an undeclared request's route would probably be written: ``"GET /invoices/{id}"``.

        What looks like a value is replaced, so that no identifier of a person gets into a message.
        """
        method = WEBSOCKET if scope["type"] == "websocket" else str(scope["method"])
        path = route_path(scope)
        for other in dict.fromkeys(known for known, _ in self._each()):
            known = self.match(other, path)
            if known is not None:
                return f"{_plain_method(method)} {known.path}"
        segments = path.split("/")[:12]
        return f"{_plain_method(method)} " + "/".join(s if not s or _WORD.fullmatch(s) else "{id}" for s in segments)


def route_path(scope: Mapping[str, Any]) -> str:
    """The path that the application's router looks at: without the prefix under which a server mounts it (ASGI 2.3)."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path") or ""
    if prefix and path.startswith(prefix):
        rest = path[len(prefix) :]
        if not rest or rest[0] == "/":
            return rest
    return path


def _split(pattern: str) -> tuple[tuple[str, ...], str]:
    methods, space, path = pattern.partition(" ")
    if not space or not _METHODS.fullmatch(methods) or not path.startswith("/"):
        raise DeclarationError(detail=f'a route is written like "GET /invoices/{{id}}", not {pattern!r}')
    bare = _PARAMETER.sub("", path)
    if "{" in bare or "}" in bare or "?" in bare or "#" in bare:
        raise DeclarationError(
            detail=f"the path of the route {pattern} holds something else than text and {{parameters}}"
        )
    if _AMBIGUOUS.search(_PARAMETER.sub("x", path)):
        raise DeclarationError(detail=f"the path of the route {pattern} can be read in two ways and would never match")
    return tuple(dict.fromkeys(methods.split(","))), path


def _compile(path: str) -> tuple[str, list[int]]:
    """The path's regular expression without groups, and how specific each of its segments is (0 = a plain word)."""
    expression = []
    position = 0
    for found in _PARAMETER.finditer(path):
        convertor = found[2] or "str"
        if convertor not in _CONVERTORS:
            raise DeclarationError(detail=f"the path {path} uses the unknown kind of parameter {convertor}")
        expression += [re.escape(path[position : found.start()]), _CONVERTORS[convertor]]
        position = found.end()
    expression.append(re.escape(path[position:]))
    return "".join(expression), [_rank(segment) for segment in path.split("/")]


def _rank(segment: str) -> int:
    found = _PARAMETER.search(segment)
    if found is None:
        return 0
    if found[2] == "path":
        return 3
    return 2 if found[0] == segment and found[2] in {None, "str"} else 1


def _plain_method(method: str) -> str:
    return method if _METHODS.fullmatch(method) and len(method) <= 16 else "METHOD"  # noqa: PLR2004 - longer than any
