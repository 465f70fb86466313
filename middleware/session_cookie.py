"""What Starlette's SessionMiddleware keeps in its cookie, read before the application runs.

``identify`` is asked outside the application's own middleware, so ``connection.session`` does not exist there yet.
"""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

_LONGEST = 16_384


class SessionCookie:
    """Reads the session of an application that uses Starlette's or FastAPI's ``SessionMiddleware``.

    Give it the middleware's own settings: ``SessionCookie(SECRET_KEY, session_cookie="session", max_age=…)``. The
    cookie is signed, not sealed, and stays good until it is too old, whatever happens to the account: what it names is
    to be looked up on every request.
    """

    def __init__(self, secret_key: str, *, session_cookie: str = "session", max_age: int | None = 1_209_600) -> None:
        """``max_age`` in seconds, two weeks as Starlette has it. Raises `ConfigurationError`."""
        try:
            from starlette.middleware.sessions import SessionMiddleware
        except ImportError as error:  # it needs itsdangerous, and so does the application
            raise ConfigurationError(detail="Starlette's sessions need: pip install itsdangerous") from error
        if not str(secret_key):
            raise ConfigurationError(detail="a session cookie is verified with the application's secret key")
        self._signer = SessionMiddleware(_nothing, secret_key).signer
        self._name = session_cookie
        self._max_age = max_age

    def read(self, connection: HTTPConnection) -> dict[str, Any]:
        """The session, or an empty one where the cookie is missing, forged, too old or no session."""
        signed = connection.cookies.get(self._name, "")
        if not signed or len(signed) > _LONGEST:
            return {}
        raw = signed.encode("utf-8", "surrogateescape")
        if not self._signer.validate(raw, max_age=self._max_age):
            return {}
        try:
            found = json.loads(b64decode(self._signer.unsign(raw)))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """The middleware is made for its signer only."""
