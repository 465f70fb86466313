"""The session that Starlette keeps in a signed cookie, read before the application runs."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah import SessionCookie, errors

SECRET = "the application's own secret"


def connection(cookie):
    return HTTPConnection({"type": "http", "headers": [(b"cookie", f"session={cookie}".encode("latin-1"))]})


def signed(value, secret=SECRET):
    return TimestampSigner(secret).sign(b64encode(json.dumps(value).encode())).decode()


def test_what_the_application_kept_is_read():
    """The cookie that Starlette's own middleware set."""

    def keep(request):
        request.session["user"] = 17
        return PlainTextResponse("kept")

    app = Starlette(routes=[Route("/", keep)], middleware=[Middleware(SessionMiddleware, secret_key=SECRET)])
    with TestClient(app) as client:
        client.get("/")
        cookie = client.cookies["session"]
    assert SessionCookie(SECRET).read(connection(cookie)) == {"user": 17}
    assert SessionCookie(SECRET, session_cookie="other").read(connection(cookie)) == {}


def test_without_a_cookie_the_session_is_empty():
    """Absence is no error."""
    assert SessionCookie(SECRET).read(HTTPConnection({"type": "http", "headers": []})) == {}


@pytest.mark.parametrize(
    "cookie",
    [
        signed({"user": 17}, "another secret"),
        signed({"user": 17})[:-2] + "xx",
        b64encode(b'{"user": 17}').decode(),
        signed([1, 2]),
        signed("text"),
        TimestampSigner(SECRET).sign(b"\xff\xfe").decode("latin-1"),
        TimestampSigner(SECRET).sign(b64encode(b"{")).decode(),
        TimestampSigner(SECRET).sign(b64encode(b"[" * 5000)).decode(),
        "x" * 20_000,
        "...",
        "\xe9",
    ],
    # Named: a signature tells the time, so its text would differ between the processes of one run.
    ids=["other secret", "cut", "unsigned", "list", "text", "bytes", "half", "deep", "long", "dots", "letter"],
)
def test_what_is_no_session_of_the_application_s_is_nobody(cookie):
    """Forged, cut, foreign, too long: an empty session and no exception."""
    assert SessionCookie(SECRET).read(connection(cookie)) == {}


def test_an_old_cookie_is_nobody():
    """The middleware's own age counts here too."""
    assert SessionCookie(SECRET, max_age=-1).read(connection(signed({"user": 17}))) == {}


def test_an_empty_secret_is_refused():
    """Everybody could sign."""
    with pytest.raises(errors.ConfigurationError):
        SessionCookie("")
