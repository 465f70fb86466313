"""Operators of the platform in a tenant: nothing but what somebody who owns the tenant granted them, and not for long.

Invariants:

1. An operator gets in by a grant to the operator and by nothing else: a member of the same id is somebody else, and
   roles that an application maps do not count.
2. It was given by a member who owns the tenant, and it ends: after `LONGEST_DAYS` at most.
3. The tenant sees it where it sees all grants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, select

from ..errors import InvalidInput
from .changes import member_status, open_for_change
from .clock import to_us
from .duties import Holder
from .models import grant
from .names import OWNER, check_member
from .roster import ACTIVE, Limited

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from .giving import Giving

LONGEST_DAYS: Final = 30
_DAY_US: Final = 86_400_000_000


class Operators:
    """Gives operators roles in a tenant. Holds nothing in memory; safe for threads."""

    def __init__(self, giving: Giving) -> None:
        self._giving = giving

    def grant(
        self,
        connection: Connection,
        tenant_id: str,
        operator_id: str,
        role: str,
        *,
        reason: str,
        granted_by: str,
        ends_at: datetime,
        starts_at: datetime | None = None,
    ) -> str:
        """Give an operator a role until ``ends_at`` and return the grant's id; `Directory.revoke` ends it earlier.

        ``granted_by``: the id of a member who owns the tenant now; that it is them is for the caller to know. A role
        that wants a second person waits for `Directory.approve`. Raises ``InvalidInput`` and ``DutyBroken``.
        """
        now = open_for_change(connection, tenant_id)
        start, end = None if starts_at is None else to_us(starts_at), to_us(ends_at)
        if end > now + LONGEST_DAYS * _DAY_US:
            raise InvalidInput(detail=f"a grant to an operator ends within {LONGEST_DAYS} days")
        if not _owns(connection, tenant_id, check_member(granted_by), now):
            raise InvalidInput(detail="only a member who owns the tenant grants a role to an operator")
        return self._giving.give(
            connection,
            tenant_id,
            Holder("operator", check_member(operator_id)),
            role,
            reason=reason,
            granted_by=granted_by,
            now=now,
            start=start,
            end=end,
        )


def _owns(connection: Connection, tenant_id: str, member_id: str, now: int) -> bool:
    if member_status(connection, tenant_id, member_id) != ACTIVE:
        return False
    mine = and_(
        grant.c.tenant_id == tenant_id,
        grant.c.member_id == member_id,
        grant.c.role == OWNER,
        grant.c.revoked_at.is_(None),
        grant.c.waits.is_(False),
    )
    columns = (grant.c.role, grant.c.starts_at, grant.c.ends_at)
    return any(Limited(*row).holds(now) for row in connection.execute(select(*columns).where(mine)))
