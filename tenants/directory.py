"""The directory: who belongs to which tenant, with which roles.

Every write takes the caller's connection, checks first and bumps the tenant's version in the same transaction, so that
the next request of every process sees it. The bump also locks the tenant's version row: two administrators who each
take away one of the last two owners come one after the other, and the second is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, insert, select, update

from ..database import bump, time_of, version_of
from ..errors import InvalidInput
from . import duties, reading
from .changes import CLOSED, REMOVED, SUSPENDED, is_member, member_status, open_for_change
from .clock import from_us, to_us
from .duties import Duty, Held, Holder
from .emergencies import Emergencies
from .giving import Giving
from .models import grant, member, tenant
from .names import OWNER, check_member, check_role, check_tenant, check_text
from .operators import Operators
from .records import Grant, Member, Tenant
from .roster import ACTIVE, Limited, Roster

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, Engine

_LONGEST_LAPSE: Final = 3650


class Directory:
    """Tenants, members and grants of one database. Holds nothing in memory; safe for threads.

    ``emergencies``: roles that members take themselves. ``operators``: grants to operators of the platform.
    """

    def __init__(
        self, engine: Engine, *, closure: Callable[[Connection, str, str], frozenset[str]] | None = None
    ) -> None:
        """``closure(connection, tenant_id, role)``: a role with all that it inherits; empty: the policy has none such.

        Without it every role is known, and inherits nothing.
        """
        self._engine = engine
        self._giving = Giving(closure)
        self.emergencies = Emergencies(self._giving)
        self.operators = Operators(self._giving)

    # -- tenants -----------------------------------------------------------------------------------------------------

    def create_tenant(self, connection: Connection, tenant_id: str, name: str, template: str = "blank") -> None:
        """Add an active tenant. ``template`` is noted; installing it is the policies' part. Raises ``InvalidInput``."""
        check_tenant(tenant_id)
        if connection.execute(select(tenant.c.id).where(tenant.c.id == tenant_id)).first():
            raise InvalidInput(detail=f"there is a tenant {tenant_id} already")
        values = {
            "id": tenant_id,
            "name": check_text(name, "the tenant's name"),
            "status": ACTIVE,
            "template": check_role(template),
            "created_at": time_of(connection),
        }
        connection.execute(insert(tenant).values(values))
        bump(connection, tenant_id)

    def suspend(self, connection: Connection, tenant_id: str) -> None:
        """Stop every access of the tenant until it is resumed."""
        self._set_status(connection, tenant_id, SUSPENDED)

    def resume(self, connection: Connection, tenant_id: str) -> None:
        """Let a suspended tenant work again."""
        self._set_status(connection, tenant_id, ACTIVE)

    def close(self, connection: Connection, tenant_id: str) -> None:
        """End the tenant for good; its data and its trail stay where they are."""
        self._set_status(connection, tenant_id, CLOSED)

    def _set_status(self, connection: Connection, tenant_id: str, status: str) -> None:
        open_for_change(connection, tenant_id)
        connection.execute(update(tenant).where(tenant.c.id == tenant_id).values(status=status))

    def lapse_after(self, connection: Connection, tenant_id: str, days: int | None) -> None:
        """After how many days without use grants lapse; None: never, as in the beginning. Raises ``InvalidInput``."""
        open_for_change(connection, tenant_id)
        if days is not None and not 0 < days <= _LONGEST_LAPSE:
            raise InvalidInput(detail=f"after how many days is a number from 1 to {_LONGEST_LAPSE}")
        connection.execute(update(tenant).where(tenant.c.id == tenant_id).values(lapse_days=days))

    # -- members -----------------------------------------------------------------------------------------------------

    def add_member(self, connection: Connection, tenant_id: str, member_id: str, display: str = "") -> None:
        """Make somebody an active member, without any role. A removed or suspended one becomes active again.

        Raises ``InvalidInput`` for an active member. The grants of a removed member were revoked and stay so.
        """
        check_member(member_id)
        label = check_text(display, "the member's label") if display else ""
        now = open_for_change(connection, tenant_id)
        status = member_status(connection, tenant_id, member_id)
        if status == ACTIVE:
            raise InvalidInput(detail="this is an active member already")
        if status is None:
            values = {"tenant_id": tenant_id, "id": member_id, "display": label, "status": ACTIVE, "added_at": now}
            connection.execute(insert(member).values(values))
        else:
            changes = {"status": ACTIVE, **({"display": label} if label else {})}
            connection.execute(update(member).where(is_member(tenant_id, member_id)).values(changes))

    def suspend_member(self, connection: Connection, tenant_id: str, member_id: str) -> None:
        """Take all roles away until the member is added again. Raises ``InvalidInput`` for the last owner."""
        self._leave(connection, tenant_id, member_id, SUSPENDED)

    def remove_member(self, connection: Connection, tenant_id: str, member_id: str) -> None:
        """End the membership and revoke every grant of it. Raises ``InvalidInput`` for the last owner."""
        now = self._leave(connection, tenant_id, member_id, REMOVED)
        mine = and_(grant.c.tenant_id == tenant_id, grant.c.member_id == member_id, grant.c.revoked_at.is_(None))
        connection.execute(update(grant).where(mine).values(revoked_at=now))

    def _leave(self, connection: Connection, tenant_id: str, member_id: str, status: str) -> int:
        now = open_for_change(connection, tenant_id)
        if member_status(connection, tenant_id, member_id) in (None, REMOVED):
            raise InvalidInput(detail="there is no such member")
        self._keep_an_owner(connection, tenant_id, now, member_id=member_id)
        connection.execute(update(member).where(is_member(tenant_id, member_id)).values(status=status))
        return now

    # -- grants ------------------------------------------------------------------------------------------------------

    def grant(
        self,
        connection: Connection,
        tenant_id: str,
        member_id: str,
        role: str,
        *,
        reason: str,
        granted_by: str,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> str:
        """Give an active member a role and return the grant's id (32 hex digits). Raises ``InvalidInput``.

        In force while ``starts_at <= now < ends_at``; both need a time zone. Nobody grants to themselves, except where
        the platform appoints: ``granted_by`` is then no member's id. A role that wants a second person waits for
        `approve`. Raises ``DutyBroken`` where a duty of the tenant stands against it.
        """
        check_role(role)
        now = open_for_change(connection, tenant_id)
        if member_status(connection, tenant_id, check_member(member_id)) != ACTIVE:
            raise InvalidInput(detail="there is no such active member")
        if member_id == check_member(granted_by):
            raise InvalidInput(detail="nobody can grant a role to themselves")
        start, end = (None if instant is None else to_us(instant) for instant in (starts_at, ends_at))
        return self._giving.give(
            connection,
            tenant_id,
            Holder("member", member_id),
            role,
            reason=reason,
            granted_by=granted_by,
            now=now,
            start=start,
            end=end,
        )

    def approve(self, connection: Connection, tenant_id: str, grant_id: str, *, approved_by: str) -> None:
        """Let a grant that waits come into force: the word of a second person, neither who gave it nor who gets it.

        Raises ``InvalidInput``, and ``DutyBroken`` where a duty has come to stand against it meanwhile.
        """
        now = open_for_change(connection, tenant_id)
        mine = and_(grant.c.tenant_id == tenant_id, grant.c.id == grant_id, grant.c.revoked_at.is_(None))
        row = connection.execute(select(grant).where(mine, grant.c.waits.is_(True))).first()
        if row is None or (row.ends_at is not None and row.ends_at <= now):
            raise InvalidInput(detail="there is no such grant that waits for a second person")
        holder = duties.holder_of(row.member_id, row.operator_id)
        if check_member(approved_by) in (row.granted_by, holder.id):
            raise InvalidInput(detail="the second person is another one than who gave the role and who gets it")
        if holder.kind == "member" and member_status(connection, tenant_id, holder.id) != ACTIVE:
            raise InvalidInput(detail="there is no such active member")
        roles = self._giving.brought(connection, tenant_id)(row.role)
        candidate = Held(row.id, holder, roles, row.starts_at, row.ends_at)
        self._giving.check(connection, tenant_id, self.duties(connection, tenant_id), candidate, now)
        connection.execute(update(grant).where(mine).values(waits=False, approved_by=approved_by, approved_at=now))

    def revoke(self, connection: Connection, tenant_id: str, grant_id: str) -> None:
        """End a grant now, or one that waits.

        Raises ``InvalidInput`` if it is not there, already revoked, or the last owner's, and ``DutyBroken`` where
        another role of the member requires it.
        """
        now = open_for_change(connection, tenant_id)
        mine = and_(grant.c.tenant_id == tenant_id, grant.c.id == grant_id, grant.c.revoked_at.is_(None))
        if connection.execute(select(grant.c.id).where(mine)).first() is None:
            raise InvalidInput(detail="there is no such grant in force")
        self._keep_an_owner(connection, tenant_id, now, grant_id=grant_id)
        connection.execute(update(grant).where(mine).values(revoked_at=now))
        self._giving.check(connection, tenant_id, self.duties(connection, tenant_id), None, now)

    # -- duties ------------------------------------------------------------------------------------------------------

    def duties(self, connection: Connection, tenant_id: str) -> list[Duty]:
        """The tenant's duties, by role."""
        return duties.read(connection, tenant_id)

    def add_duty(self, connection: Connection, tenant_id: str, duty: Duty) -> None:
        """Let a duty hold from now on. Raises ``InvalidInput``, and ``DutyBroken`` where it does not hold now."""
        now = open_for_change(connection, tenant_id)
        duties.check(duty, self._giving.brought(connection, tenant_id))
        self._giving.check(connection, tenant_id, [duty], None, now)
        duties.write(connection, tenant_id, duty)

    def remove_duty(self, connection: Connection, tenant_id: str, duty: Duty) -> None:
        """End a duty. Grants that wait for a second person go on waiting. Raises ``InvalidInput``."""
        open_for_change(connection, tenant_id)
        duties.remove(connection, tenant_id, duty)

    @staticmethod
    def _keep_an_owner(
        connection: Connection, tenant_id: str, now: int, *, member_id: str = "", grant_id: str = ""
    ) -> None:
        """Refuse what would leave nobody who owns the tenant, now or once the temporary owners' time is over."""
        columns = (grant.c.id, grant.c.member_id, grant.c.starts_at, grant.c.ends_at)
        active = and_(member.c.tenant_id == grant.c.tenant_id, member.c.id == grant.c.member_id)
        mine = and_(
            grant.c.tenant_id == tenant_id,
            grant.c.role == OWNER,
            grant.c.revoked_at.is_(None),
            grant.c.waits.is_(False),
            member.c.status == ACTIVE,
        )
        rows = connection.execute(select(*columns).join_from(grant, member, active).where(mine)).all()
        holding = [row for row in rows if Limited(OWNER, row.starts_at, row.ends_at).holds(now)]
        lasting = [row for row in holding if row.ends_at is None]
        for owners in (holding, lasting):
            left = [row for row in owners if row.id != grant_id and row.member_id != member_id]
            if owners and not left:
                raise InvalidInput(detail="this would take away the last owner; make somebody else an owner first")

    # -- reading -----------------------------------------------------------------------------------------------------

    def tenants(self, connection: Connection) -> list[Tenant]:
        """Every tenant, by id."""
        rows = connection.execute(select(tenant).order_by(tenant.c.id))
        return [
            Tenant(row.id, row.name, row.status, row.template, from_us(row.created_at), row.lapse_days) for row in rows
        ]

    def is_empty(self) -> bool:
        """Whether nobody has created a tenant yet."""
        with self._engine.connect() as connection:
            return connection.execute(select(tenant.c.id).limit(1)).first() is None

    def members(self, connection: Connection, tenant_id: str) -> list[Member]:
        """The tenant's members, the suspended and removed ones too, by id."""
        columns = (member.c.id, member.c.display, member.c.status, member.c.added_at)
        rows = connection.execute(select(*columns).where(member.c.tenant_id == tenant_id).order_by(member.c.id))
        return [Member(row.id, row.display, row.status, from_us(row.added_at)) for row in rows]

    def grants(self, connection: Connection, tenant_id: str) -> list[Grant]:
        """The tenant's grants, to members and to operators, the ended ones too, oldest first."""
        return reading.grants_of(connection, tenant_id)

    def version(self, connection: Connection, tenant_id: str) -> int:
        """The tenant's version in this transaction: the token by which a client reads its own writes.

        A request that names it (``Amanah-Policy-Version``) is answered by nobody who has not seen it.
        """
        return version_of(connection, tenant_id)

    def load(self, tenant_id: str) -> Roster:
        """The tenant's roster with its version, from one statement and so from one moment.

        Raises ``TenantUnknown``, and ``PolicyUnavailable`` if the database cannot be read.
        """
        return reading.load(self._engine, tenant_id)
