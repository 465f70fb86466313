"""Guesses about routes: which resource and action, who needs no login, where somebody signs in, who calls unasked.

A route is guessed to be public by its whole path only, and a sign-in route by a path without parameters. Whatever else
looks as if it needed no login is guarded, with a note: whether it touches tables nobody can see from outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from ..middleware.personal_names import words

if TYPE_CHECKING:
    from .init_app import Endpoint, Surface
    from .init_tables import TableGuesses

_PREFIX: Final = re.compile(r"\A(?:/(?:api|rest|v\d+|_))+(?=/|\Z)")
_HEALTH: Final = frozenset(
    {
        *(
            "health",
            "healthz",
            "healthcheck",
            "health-check",
            "_health",
            "live",
            "livez",
            "ready",
            "readyz",
            "ping",
            "up",
        ),
        *(
            "status",
            "version",
            "metrics",
            "favicon.ico",
            "robots.txt",
            "manifest.json",
            "manifest.webmanifest",
            "sw.js",
        ),
    }
)
_DOCS: Final = frozenset({"docs", "redoc", "swagger", "openapi.json", "openapi.yaml", "openapi", "api-docs"})
_SIGN_IN: Final = frozenset(
    {
        *("login", "log-in", "logout", "log-out", "signin", "sign-in", "signout", "sign-out", "signup", "sign-up"),
        *("forgot-password", "reset-password", "lupa-password", "lupa-sandi", "lupa-kata-sandi", "reset-sandi"),
    }
)
_SIGN_IN_ALONE: Final = frozenset(
    {"masuk", "keluar", "token", "refresh", "auth", "callback", "sesi", "session", "sessions"}
)
"""These mean a sign-in only as the whole path, or below one of `_ACCOUNTS`: goods can go out as well (``keluar``)."""
_ACCOUNTS: Final = frozenset({"auth", "oauth", "oauth2", "account", "accounts", "akun", "sso", "oidc", "identity"})
_CALLBACK: Final = frozenset({"callback", "callbacks", "webhook", "webhooks", "hook", "hooks", "ipn"})
_NOTICE: Final = frozenset({"notification", "notifications", "notifikasi", "notify"})
_PAYMENT: Final = frozenset(
    {
        "payment",
        "payments",
        "pembayaran",
        "bayar",
        "midtrans",
        "xendit",
        "doku",
        "stripe",
        "paypal",
        "invoice",
        "faktur",
    }
)
_ME: Final = frozenset({"me", "saya", "profile", "profil", "whoami", "account", "akun-saya"})
_READS: Final = frozenset(
    {"search", "cari", "query", "filter", "export", "ekspor", "unduh", "download", "preview", "count"}
)
_CREATES: Final = frozenset({"new", "baru", "create", "add", "tambah", "buat", "import", "impor", "upload", "unggah"})
_UPDATES: Final = frozenset({"edit", "ubah", "update", "change"})
_DELETES: Final = frozenset({"delete", "hapus", "remove"})
_BY_METHOD: Final = {"GET": "read", "HEAD": "read", "WEBSOCKET": "read", "POST": "create", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class RouteGuess:
    """What is guessed about one route."""

    kind: Literal["public", "sign_in", "callback", "guarded"]
    methods: tuple[str, ...]
    path: str
    resource: str = ""
    action: str = ""
    note: str = ""

    @property
    def pattern(self) -> str:
        """As `amanah.route` takes it."""
        return f"{','.join(self.methods)} {self.path}"


@dataclass(slots=True)
class RouteGuesses:
    """All routes, in the application's order. ``unknown``: routes for which nothing is declared."""

    routes: list[RouteGuess] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[RouteGuess]:
        """The routes of one kind."""
        return [one for one in self.routes if one.kind == kind]


def guess_routes(found: Surface, tables: TableGuesses) -> RouteGuesses:
    """Guess about every route that the application showed."""
    names = _Resources(tables)
    some_ask = any(one.login for one in found.endpoints)
    guesses = [
        _guess(replace(endpoint, methods=(method,)), names, some_ask=some_ask)
        for endpoint in found.endpoints
        for method in endpoint.methods
    ]
    answered = {one.path for one in guesses if one.methods == ("OPTIONS",)}
    for prefix in found.preflights:
        path = f"{prefix}/{{path:path}}"
        if path not in answered:
            guesses.append(RouteGuess("public", ("OPTIONS",), path, note="CORS preflights: a browser sends no login"))
    return RouteGuesses(_joined(guesses), found.unknown)


def _guess(endpoint: Endpoint, names: _Resources, *, some_ask: bool) -> RouteGuess:
    method, path = endpoint.methods[0], endpoint.path
    said = [part.lower() for part in _PREFIX.sub("", path).split("/") if part]
    if endpoint.kind in {"static", "docs"} or (method in {"GET", "OPTIONS"} and _is_public(said)):
        return RouteGuess("public", endpoint.methods, path)
    if _is_sign_in(said):
        return RouteGuess("sign_in", endpoint.methods, path)
    resource, action = names.of(said, endpoint), _action(method, said)
    if method == "POST" and action == "update" and names.table(said[-1]) == resource:
        action = "create"  # POST /invoices/{id}/payments
    if _is_callback(method, said):
        return RouteGuess("callback", endpoint.methods, path, resource, action)
    note = ""
    if endpoint.kind == "mounted":
        note = "another ASGI application is mounted here: declare each of its routes instead"
    elif some_ask and endpoint.login is False:
        note = "the application asks for no login here: public(…) will do if it touches shared tables only"
    return RouteGuess("guarded", endpoint.methods, path, resource, action, note)


def _is_public(said: list[str]) -> bool:
    return len(said) == 1 and said[0] in _HEALTH | _DOCS


def _is_sign_in(said: list[str]) -> bool:
    if not said or any("{" in part for part in said):
        return False
    alone = len(said) == 1 or said[-2] in _ACCOUNTS
    return said[-1] in _SIGN_IN or (alone and said[-1] in _SIGN_IN_ALONE and said != ["callback"])


def _is_callback(method: str, said: list[str]) -> bool:
    """A route that another system calls without any login of ours. A browser's GET is none."""
    parts = {part for segment in said for part in segment.split("-")}
    return method == "POST" and bool(parts & _CALLBACK or (parts & _NOTICE and parts & _PAYMENT))


def _action(method: str, said: list[str]) -> str:
    """By the last word where it is a verb, else by the method; a POST to one row changes it."""
    last = said[-1].partition(".")[0] if said else ""
    verbs = ((_DELETES, "delete"), (_UPDATES, "update"), (_READS, "read"), (_CREATES, "create"))
    for named, action in verbs:
        if last in named and (method in {"GET", "POST"} or method == "WEBSOCKET"):
            return action
    if method == "POST" and any("{" in part for part in said):
        return "update"
    return _BY_METHOD.get(method, "update")


class _Resources:
    """Which resource a path is about: the last of its words that a table is called by."""

    def __init__(self, tables: TableGuesses) -> None:
        self._full = {form: one.called for one in tables.tables for form in _forms(one.name)}
        self._short: dict[str, str | None] = {}
        for one in tables.tables:
            parts = one.name.split("_")
            for short in {*_forms(parts[0]), *_forms(parts[-1])} if len(parts) > 1 else ():
                self._short[short] = None if short in self._short else one.called  # of two tables neither is meant
        self._login = next((one.called for one in tables.tables if one.sign_in), "")

    def of(self, said: list[str], endpoint: Endpoint) -> str:
        """The resource's name; where no table fits, the path's first word, which `amanah doctor` then tells."""
        static = [part.partition(".")[0] for part in said if "{" not in part]
        if static and static[-1] in _ME and self._login:
            return self._login
        for part in [*reversed(static), endpoint.module]:
            found = self.table(part)
            if found:
                return found
        plain = [part for part in static if part not in _READS | _CREATES | _UPDATES | _DELETES | _CALLBACK]
        return "_".join(words((plain or [endpoint.name])[0])) or "home"

    def table(self, part: str) -> str | None:
        """The resource of the table that a word of a path names."""
        for known in (self._full, self._short):
            for form in _forms(part):
                if known.get(form):
                    return known[form]
        return None


def _forms(name: str) -> list[str]:
    """The name as a table could be called, and what may be its singular."""
    plain = name.lower().replace("-", "_")
    forms = [plain]
    if plain.endswith("ies"):
        forms.append(f"{plain[:-3]}y")
    elif plain.endswith("s") and not plain.endswith(("ss", "is", "us", "as")):
        forms += [plain[:-2], plain[:-1]] if plain.endswith("es") else [plain[:-1]]
    return forms


def _joined(guesses: list[RouteGuess]) -> list[RouteGuess]:
    """Methods of one path that are guessed alike become one declaration."""
    joined: dict[RouteGuess, list[str]] = {}
    for one in guesses:
        joined.setdefault(replace(one, methods=()), []).extend(one.methods)
    return [replace(one, methods=tuple(methods)) for one, methods in joined.items()]
