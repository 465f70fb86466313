"""The skeleton of `identify` in `protection.py`: it lets nobody in, and says how to ask the application's own login."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncEngine

if TYPE_CHECKING:
    from .init import Draft


_WHEN: Final = (
    "It is asked on every guarded route, before the application and its middleware run: connection.session and "
    "connection.user are not there yet. It may ask the database, in a Session of its own, for the sign-in's tables "
    "only: {logins}."
)
_BEARER: Final = (
    "A bearer token that the application verifies with a function of its own (for a JWT that names issuer, audience "
    "and tenant, amanah.BearerToken(…) can take the place of this whole function):"
)
_ROLES: Final = (
    "Whoever is named here needs a membership and a role (amanah member add, amanah grant give), unless Identity also "
    "gets roles=, from a column of the application's own: amanah.RoleMap."
)


def identify_source(draft: Draft) -> list[str]:
    """The function's lines."""
    asynchronous = draft.engine is not None and isinstance(draft.engine.value, AsyncEngine)
    wait = "await " if asynchronous else ""
    logins = [one.name for one in draft.tables.named("declare") if one.sign_in]
    cookie, found = draft.session_cookie or "session", " (this application has it)" if draft.session_cookie else ""
    tenant = f"str(account.{draft.tables.tenant_column})" if draft.tables.tenant_column else f'"{draft.tenant}"'
    parts: list[str | list[str]] = [
        _WHEN.format(logins=", ".join(logins) or "none was found; declare yours with sign_in=True"),
        f"A session cookie of Starlette's SessionMiddleware{found}; SECRET_KEY is the application's own:",
        [
            f'SESSIONS = amanah.SessionCookie(SECRET_KEY, session_cookie="{cookie}")  # once, outside of this function',
            'account_id = SESSIONS.read(connection).get("the name under which the login keeps it")',
        ],
        _BEARER,
        [
            'scheme, _, token = connection.headers.get("authorization", "").partition(" ")',
            'account_id = verified(token) if scheme.lower() == "bearer" else None',
        ],
        "Then, for both:",
        [
            f"account = {wait}find(account_id)  # in {logins[0] if logins else 'its table'}",
            "if account is None or not account.active:",
            "    return None",
            f"return Identity({tenant}, amanah.Actor(str(account.id)))",
        ],
        _ROLES,
    ]
    start = "async def" if asynchronous else "def"
    return [
        f"{start} identify(connection: HTTPConnection) -> Identity | None:  # noqa: ARG001 - until it is filled in",
        '    """Say who sends this request, as the application\'s own login knows it; None is nobody, and is refused.',
        *(line for part in parts for line in ["", *_part(part)]),
        '    """',
        "    return None",
    ]


def _part(part: str | list[str]) -> list[str]:
    """A paragraph, or lines of code."""
    return fill(part, indent="    ").splitlines() if isinstance(part, str) else [f"        {line}" for line in part]


def fill(text: str, *, indent: str) -> str:
    """``text`` in lines of at most 120 characters."""
    return textwrap.fill(
        text, 120, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
