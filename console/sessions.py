"""Who is signed in to the console.

Invariants:

1. A token is made at sign-in and never taken from the browser, so nobody can be made to use one that is known before.
2. A session ends after 30 minutes without a request, after 12 hours whatever happens, at sign-out, and with a new
   password. Whether the member may still do anything is the policy's business, at each request.
3. A session's row is needed at each request: one that was revoked is dead at once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, or_, select, update

from ..tenants.clock import now_us
from .credentials import Who
from .models import session
from .tokens import new_token, token_hash

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_US: Final = timedelta(microseconds=1)
IDLE: Final = timedelta(minutes=30) // _US
LONGEST: Final = timedelta(hours=12) // _US
_TOUCH: Final = timedelta(minutes=1) // _US
"""`last_seen_at` is as exact as this: not every page needs a write."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is alive."""

    who: Who
    csrf: str

    def accepts(self, csrf: object) -> bool:
        """Whether a form came from one of this session's own pages."""
        return isinstance(csrf, str) and hmac.compare_digest(csrf.encode("utf-8", "replace"), self.csrf.encode())


def begin(connection: Connection, who: Who, former: str | None = None) -> str:
    """A new session's token. The browser's ``former`` session ends, and so do the rows of those that have expired."""
    now = now_us()
    over = or_(session.c.expires_at <= now, session.c.last_seen_at <= now - IDLE)
    connection.execute(delete(session).where(over))
    end(connection, former)
    token = new_token()
    connection.execute(
        insert(session).values(
            token_hash=token_hash(token),
            tenant_id=who.tenant,
            member_id=who.member,
            csrf=new_token(),
            created_at=now,
            last_seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    return token


def find(engine: Engine, token: str | None) -> Session | None:
    """The living session of ``token``, which is thereby seen."""
    hashed = token_hash(token)
    if hashed is None:
        return None
    now = now_us()
    mine = session.c.token_hash == hashed
    alive = (mine, session.c.expires_at > now, session.c.last_seen_at > now - IDLE)
    with engine.connect() as connection:
        row = connection.execute(select(session).where(*alive)).first()
    if row is None:
        return None
    if row.last_seen_at <= now - _TOUCH:
        with engine.begin() as connection:
            connection.execute(update(session).where(mine).values(last_seen_at=now))
    return Session(Who(row.tenant_id, row.member_id), row.csrf)


def end(connection: Connection, token: str | None) -> None:
    """End a session; harmless where there is none."""
    hashed = token_hash(token)
    if hashed is not None:
        connection.execute(delete(session).where(session.c.token_hash == hashed))
