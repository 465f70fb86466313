"""Break-glass: a member takes a role for a while, because somebody would come to harm if they waited for it.

1. Before: the tenant says which role may be taken, by members who hold which role, for how many minutes at most.
2. In the emergency: a member takes it, with a reason. It is a grant that ends by itself, marked as taken.
3. After: somebody else reviews it, once it is over.

Invariants:

- What nobody allowed cannot be taken: no role is allowed by default, and the owner's role never is.
- A role that was taken lets nobody take another one.
- Separation of duties holds, except that no second person is waited for: that is what break-glass is there for, and why
  it is reviewed.
- Who took a role, or gave it to them, does not review it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, delete, insert, select, update

from ..database import version_of
from ..errors import EmergencyNotAllowed, EmergencyTaken, InvalidInput
from .changes import member_status, open_for_change
from .duties import Holder
from .models import emergency as table
from .models import grant
from .names import OWNER, check_member, check_role
from .roster import ACTIVE, Limited

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

    from .giving import Giving

ANYBODY: Final = "*"
LONGEST: Final = 24 * 60
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class Emergency:
    """``role`` may be taken for ``minutes`` by members who hold ``holder`` (also by inheritance), or ``*``: by all."""

    role: str
    holder: str
    minutes: int


class Taken(NamedTuple):
    """``grant``: its id. ``ends_at``: µs since the epoch. ``version``: of the tenant, from which on it counts."""

    grant: str
    ends_at: int
    version: int


class Emergencies:
    """What may be taken in an emergency, and what was. Holds nothing in memory; safe for threads."""

    def __init__(self, giving: Giving) -> None:
        self._giving = giving

    # 1.
    def allow(self, connection: Connection, tenant_id: str, one: Emergency) -> None:
        """Let ``one`` be taken from now on; for the same role and holder it counts instead. Raises ``InvalidInput``."""
        open_for_change(connection, tenant_id)
        brought = self._giving.brought(connection, tenant_id)
        for name in (one.role, *([] if one.holder == ANYBODY else [one.holder])):
            if not brought(check_role(name)):
                raise InvalidInput(detail=f"there is no role {name}")
        if OWNER in brought(one.role):
            raise InvalidInput(detail=f"the role {OWNER} is not taken in an emergency, nor one that inherits it")
        if not 0 < one.minutes <= LONGEST:
            raise InvalidInput(detail=f"for how many minutes is a number from 1 to {LONGEST}")
        connection.execute(delete(table).where(_same(tenant_id, one.role, one.holder)))
        values = {"tenant_id": tenant_id, "role": one.role, "holder": one.holder, "minutes": one.minutes}
        connection.execute(insert(table).values(values))

    def forbid(self, connection: Connection, tenant_id: str, role: str, holder: str) -> None:
        """Let it be taken no longer; what was taken goes on until its end. Raises ``InvalidInput``."""
        open_for_change(connection, tenant_id)
        if not connection.execute(delete(table).where(_same(tenant_id, role, holder))).rowcount:
            raise InvalidInput(detail=f"this cannot be taken anyway: {role} by {holder}")

    @staticmethod
    def allowed(connection: Connection, tenant_id: str) -> list[Emergency]:
        """What may be taken, by role and holder."""
        columns = (table.c.role, table.c.holder, table.c.minutes)
        query = select(*columns).where(table.c.tenant_id == tenant_id).order_by(table.c.role, table.c.holder)
        return [Emergency(row.role, row.holder, row.minutes) for row in connection.execute(query)]

    # 2.
    def take(
        self,
        connection: Connection,
        tenant_id: str,
        member_id: str,
        role: str,
        *,
        reason: str,
        by: str,
        roles: Iterable[str] | None = None,
    ) -> Taken:
        """Give ``member_id`` the role at once, for as long as the tenant allows, with the longest of what fits.

        ``by``: who does it, the member or somebody for them. ``roles``: which the member holds otherwise, where that is
        known; None: those that were granted. Raises `EmergencyNotAllowed`, `EmergencyTaken` while they hold the role
        already, `DutyBroken`, and ``InvalidInput``.
        """
        now = open_for_change(connection, tenant_id)
        if member_status(connection, tenant_id, check_member(member_id)) != ACTIVE:
            raise InvalidInput(detail="there is no such active member")
        granted, taken = _held(connection, tenant_id, member_id, now)
        brought = self._giving.brought(connection, tenant_id)
        own = {name for one in (granted if roles is None else roles) for name in brought(one)}
        fitting = [
            one.minutes
            for one in self.allowed(connection, tenant_id)
            if one.role == check_role(role) and (one.holder == ANYBODY or one.holder in own)
        ]
        if not fitting or OWNER in brought(role):  # what it inherits may have changed since it was allowed
            raise EmergencyNotAllowed(role=role)
        if role in own or role in taken:
            raise EmergencyTaken(role=role)
        end = now + max(fitting) * _MINUTE_US
        grant_id = self._giving.give(
            connection,
            tenant_id,
            Holder("member", member_id),
            role,
            reason=reason,
            granted_by=by,
            now=now,
            end=end,
            emergency=True,
        )
        return Taken(grant_id, end, version_of(connection, tenant_id))

    # 3.
    @staticmethod
    def review(connection: Connection, tenant_id: str, grant_id: str, *, reviewed_by: str) -> None:
        """Note that somebody else looked at what was done under it. Raises ``InvalidInput``, also while it holds."""
        now = open_for_change(connection, tenant_id)
        mine = and_(grant.c.tenant_id == tenant_id, grant.c.id == grant_id, grant.c.emergency.is_(True))
        row = connection.execute(select(grant).where(mine, grant.c.reviewed_at.is_(None))).first()
        if row is None:
            raise InvalidInput(detail="there is no such grant that waits for a review")
        if check_member(reviewed_by) in (row.member_id, row.granted_by):
            raise InvalidInput(detail="the reviewer is another person than who took the role or gave it")
        if row.revoked_at is None and row.ends_at > now:
            raise InvalidInput(detail="it is still in force: revoke it, or review it when it is over")
        connection.execute(update(grant).where(mine).values(reviewed_by=reviewed_by, reviewed_at=now))


def _same(tenant_id: str, role: str, holder: str) -> ColumnElement[bool]:
    return and_(table.c.tenant_id == tenant_id, table.c.role == role, table.c.holder == holder)


def _held(connection: Connection, tenant_id: str, member_id: str, now: int) -> tuple[set[str], set[str]]:
    """The roles that were granted, and those that were taken, and are in force."""
    columns = (grant.c.role, grant.c.starts_at, grant.c.ends_at, grant.c.emergency)
    mine = and_(
        grant.c.tenant_id == tenant_id,
        grant.c.member_id == member_id,
        grant.c.revoked_at.is_(None),
        grant.c.waits.is_(False),
    )
    found = [Limited(*row) for row in connection.execute(select(*columns).where(mine))]
    holding = [one for one in found if one.holds(now)]
    return {one.role for one in holding if not one.emergency}, {one.role for one in holding if one.emergency}
