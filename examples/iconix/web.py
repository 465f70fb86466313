"""What every handler needs: the session, the body, the answer, and errors that say what was wrong."""

import datetime as dt
import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from iconix import pages
from iconix.inputs import Fields, Invalid

LARGEST_BODY = 1_000_000
ID = re.compile(r"[0-9a-f-]{36}")
WESTERN_INDONESIA = dt.timezone(dt.timedelta(hours=7), "WIB")


class SignInNeeded(Exception):
    """Nobody is signed in, or the token has expired."""


class Answer(JSONResponse):
    """A JSON answer; dates and moments are written in ISO form."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, dt.date):  # a datetime too
        return value.isoformat()
    raise TypeError(type(value).__name__)


def database(request: Request) -> AsyncSession:
    """Return the session of this request; use it with `async with`, and commit before answering."""
    session: AsyncSession = request.app.state.sessions()
    return session


def today() -> dt.date:
    """Return the date in Surabaya and Bandung."""
    return dt.datetime.now(WESTERN_INDONESIA).date()


def not_found() -> HTTPException:
    """Return the error for an id that the company does not have."""
    return HTTPException(404, "There is no such record.")


def conflict(sentence: str) -> HTTPException:
    """Return the error for something that cannot be done now."""
    return HTTPException(409, sentence)


async def json_fields(request: Request) -> Fields:
    """Read the body as a JSON object; HTTPException 400 or 413 where it is none."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, "The body is too large.")
    try:
        data = json.loads(bytes(body))
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON.") from None
    if not isinstance(data, dict):
        raise HTTPException(400, "The body must be a JSON object.")
    return Fields(data)


def page_size(request: Request) -> int:
    """Read `?limit=` (1 to 200, usually 50)."""
    fields = Fields(request.query_params)
    limit = fields.whole("limit", 1, 200, default=50)
    fields.check()
    return limit


def cursor(request: Request, name: str, limit: int = 36) -> str | None:
    """Read where the next page begins."""
    fields = Fields(request.query_params)
    place = fields.maybe_text(name, limit)
    fields.check()
    return place


def path_id(request: Request) -> str:
    """Return the id in the path; what cannot be one is not found."""
    text: str = request.path_params["id"]
    if not ID.fullmatch(text):
        raise not_found()
    return text


def query_date(request: Request, name: str = "date") -> dt.date:
    """Read a date from the query; today where there is none."""
    fields = Fields(request.query_params)
    day = fields.date(name, default=today())
    fields.check()
    return day


def is_api(request: Request) -> bool:
    """Tell whether the answer goes to a program."""
    return request.url.path.startswith("/api/") or request.url.path == "/health"


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an HTTPException: JSON for programs, a small page for people."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    if is_api(request):
        return Answer({"error": error.detail}, error.status_code, error.headers)
    values = {"title": HTTPStatus(error.status_code).phrase, "sentence": error.detail}
    return pages.render(request, "problem.html", values, status=error.status_code, headers=error.headers)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer input that cannot be used, field by field."""
    assert isinstance(error, Invalid)  # noqa: S101 - registered for it alone
    if is_api(request):
        return Answer({"error": "Some fields cannot be used.", "fields": error.sentences()}, 422)
    values = {"title": "Some fields cannot be used.", "sentence": " ".join(error.sentences().values())}
    return pages.render(request, "problem.html", values, status=422)


async def on_sign_in_needed(request: Request, _error: Exception) -> Response:
    """Send people to the sign-in page, and tell programs."""
    if is_api(request):
        return Answer({"error": "Sign in first."}, 401, {"WWW-Authenticate": "Bearer"})
    return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
