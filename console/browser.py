"""Between the browser and the gate: the language that the person chose, and the gate's answers as pages.

The gate answers machines in JSON; here its refusals become pages in the console's own style, and "nobody is signed in"
becomes the way to the sign-in. Nothing is decided here: status and reason are the gate's.
"""

from __future__ import annotations

import json
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from ..i18n import LANGUAGES, Language, negotiate
from ..middleware.problems import prefers_html

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .rendering import Rendering

COOKIE: Final = "amanah_language"
POLICY: Final = (
    b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_YEAR: Final = 31_536_000
_PROBLEM: Final = b"application/problem+json"
_UNAUTHORIZED: Final = 401
_HEADERS: Final = (
    (b"content-security-policy", POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Browser:
    """Wraps the guarded console."""

    def __init__(self, app: ASGIApp, path: str, rendering: Rendering) -> None:
        self.app = app
        self.path = path
        self.rendering = rendering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request for a page."""
        given = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        chosen = _chosen(scope)
        language = chosen or _remembered(given.get(b"cookie", "")) or negotiate(given.get(b"accept-language"))
        html = prefers_html(given.get(b"accept"))
        replaced = {b"accept-language": language.encode()} | ({b"accept": _PROBLEM} if html else {})
        headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
        inner = {**scope, "headers": [*headers, *replaced.items()]}
        base = scope.get("root_path", "") + self.path
        cookie = f"{COOKIE}={chosen}; Path={base}; Max-Age={_YEAR}; SameSite=Lax; HttpOnly" if chosen else None
        await self.app(inner, receive, _Answer(self, send, base, language, html=html, cookie=cookie).send)


class _Answer:
    """One answer: dressed, and turned into a page where it is a refusal of the gate's."""

    def __init__(
        self,
        browser: Browser,
        send: Send,
        base: str,
        language: Language,
        *,
        html: bool,
        cookie: str | None,
    ) -> None:
        self._browser = browser
        self._wire = send
        self._base = base
        self._language = language
        self._html = html
        self._cookie = cookie
        self._held: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """What the gate calls as ``send``."""
        if message["type"] == "http.response.start":
            message = {**message, "headers": self._dressed(message.get("headers", ()))}
            if self._html and (b"content-type", _PROBLEM) in message["headers"]:
                self._held = message
                return
        elif self._held is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._page(self._held)
            return
        await self._wire(message)

    async def _page(self, start: Message) -> None:
        """The gate's refusal as a page, or the way to the sign-in."""
        status = start["status"]
        ours = {b"content-type", b"content-length", b"www-authenticate"}
        headers = [(name, value) for name, value in start["headers"] if name not in ours]
        body = b""
        if status == _UNAUTHORIZED:
            status = 303
            headers.append((b"location", f"{self._base}/sign-in".encode()))
        else:
            problem: dict[str, Any] = json.loads(self._body) if self._body else {}
            body = self._browser.rendering.page("refusal.html", self._base, self._language, problem=problem).encode()
            headers.append((b"content-type", b"text/html; charset=utf-8"))
        headers.append((b"content-length", b"%d" % len(body)))
        await self._wire({**start, "status": status, "headers": headers})
        await self._wire({"type": "http.response.body", "body": body})

    def _dressed(self, headers: Any) -> list[tuple[bytes, bytes]]:
        fixed = {name for name, _ in _HEADERS}
        kept = [(name, value) for name, value in headers if name.lower() not in fixed]
        return [*kept, *_HEADERS, *([(b"set-cookie", self._cookie.encode())] if self._cookie else [])]


def _chosen(scope: Scope) -> Language | None:
    """The language that the address asks for (``?lang=id``)."""
    try:
        asked = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)).get("lang")
    except ValueError:
        return None
    return _known(asked)


def _remembered(header: str) -> Language | None:
    try:
        kept = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return None if kept is None else _known(kept.value)


def _known(name: str | None) -> Language | None:
    return next((language for language in LANGUAGES if language == name), None)
