"""Members at first sight: somebody whom the application's login vouches for gets a row, and nothing else.

Invariants:

1. A row is only ever added. Whoever has one, suspended and removed people too, keeps it as it is.
2. Only an active tenant gains members, and at most so many within a minute, whoever added them and whichever process.
3. Of two processes that see the same person at once, one adds the row: the tenant's version row is locked first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, func, insert, select

from ..database import bump, time_of
from .changes import member_status
from .models import member, tenant
from .names import check_member
from .roster import ACTIVE

if TYPE_CHECKING:
    from sqlalchemy import Connection

_MINUTE_US: Final = 60_000_000


class Arrival(NamedTuple):
    """``status``: the member's now, or None where there is none. ``added``: in this transaction."""

    status: str | None
    added: bool


def first_seen(connection: Connection, tenant_id: str, member_id: str, *, per_minute: int) -> Arrival:
    """Make a stranger an active member without grants, in the caller's transaction.

    Where nothing was ``added`` the caller rolls back: the lock has raised the tenant's version. Raises ``InvalidInput``
    for an id that no member can have.
    """
    check_member(member_id)
    known = member_status(connection, tenant_id, member_id)
    if known is not None:
        return Arrival(known, added=False)
    bump(connection, tenant_id)
    known = member_status(connection, tenant_id, member_id)
    now = time_of(connection)
    if known is not None or not _may_grow(connection, tenant_id, per_minute, now):
        return Arrival(known, added=False)
    values = {"tenant_id": tenant_id, "id": member_id, "display": "", "status": ACTIVE, "added_at": now}
    connection.execute(insert(member).values(values))
    return Arrival(ACTIVE, added=True)


def _may_grow(connection: Connection, tenant_id: str, per_minute: int, now: int) -> bool:
    """Asked under the lock, so that the answer holds until the transaction ends."""
    if connection.execute(select(tenant.c.status).where(tenant.c.id == tenant_id)).scalar() != ACTIVE:
        return False
    lately = and_(member.c.tenant_id == tenant_id, member.c.added_at > now - _MINUTE_US)
    return bool(connection.execute(select(func.count()).select_from(member).where(lately)).scalar_one() < per_minute)
