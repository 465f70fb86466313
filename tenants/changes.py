"""What every change of a tenant begins with: its lock, the database's time, and who somebody is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, select

from ..database import bump, time_of
from ..errors import InvalidInput, TenantUnknown
from .models import member, tenant

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

SUSPENDED: Final = "suspended"
CLOSED: Final = "closed"
REMOVED: Final = "removed"


def open_for_change(connection: Connection, tenant_id: str) -> int:
    """Lock the tenant by raising its version; the time from then on, in µs, by the database's clock.

    Raises ``TenantUnknown``, and ``InvalidInput`` if it is closed.
    """
    status = select(tenant.c.status).where(tenant.c.id == tenant_id)
    if connection.execute(status).first() is None:
        raise TenantUnknown
    bump(connection, tenant_id)
    if connection.execute(status).scalar_one() == CLOSED:
        raise InvalidInput(detail=f"the tenant {tenant_id} is closed")
    return time_of(connection)


def is_member(tenant_id: str, member_id: str) -> ColumnElement[bool]:
    """The condition on a row of the members."""
    return and_(member.c.tenant_id == tenant_id, member.c.id == member_id)


def member_status(connection: Connection, tenant_id: str, member_id: str) -> str | None:
    """active, suspended or removed; None for who was never a member."""
    found = connection.execute(select(member.c.status).where(is_member(tenant_id, member_id))).scalar()
    return None if found is None else str(found)
