"""Forms: read within bounds, and only those that came from our own pages.

Two checks against forged forms (CSRF): what the browser says of where the form stood, and a token that only our page
and a cookie of this browser know (before the sign-in), or that belongs to the session (after it).
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from ..errors import FormForged, FormTooLarge

if TYPE_CHECKING:
    from starlette.requests import Request

_LARGEST: Final = 16_384
_FIELDS: Final = 20


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small form, the last of a name that is repeated. Raises `FormTooLarge`."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise FormTooLarge
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise FormTooLarge
    try:
        fields = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_FIELDS, errors="replace")
    except ValueError:
        raise FormTooLarge from None
    return dict(fields)


def check_origin(request: Request) -> None:
    """Raise `FormForged` where the browser says that another site sent the form."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise FormForged
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise FormForged


def check_token(expected: str | None, given: str | None) -> None:
    """Raise `FormForged` unless the form's token is the cookie's."""
    if (
        not expected
        or not given
        or not hmac.compare_digest(expected.encode("utf-8", "replace"), given.encode("utf-8", "replace"))
    ):
        raise FormForged
