"""Reading the directory: the grants as administrators see them, and a tenant's roster in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, literal, null, select, union_all
from sqlalchemy.exc import SQLAlchemyError

from ..database import version
from ..errors import PolicyUnavailable, TenantUnknown
from .clock import from_us
from .duties import SECOND_FACTOR
from .models import duty, grant, member, tenant
from .records import Grant
from .roster import Limited, Roster

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine, Row, Select
    from sqlalchemy.sql.expression import FromClause


def grants_of(connection: Connection, tenant_id: str) -> list[Grant]:
    """The tenant's grants, to members and to operators, the ended ones too, oldest first."""
    by_age = (grant.c.granted_at, grant.c.id)
    rows = connection.execute(select(grant).where(grant.c.tenant_id == tenant_id).order_by(*by_age))
    return [
        Grant(
            row.id,
            row.operator_id if row.member_id is None else row.member_id,
            row.role,
            row.reason,
            row.granted_by,
            from_us(row.granted_at),
            _moment(row.starts_at),
            _moment(row.ends_at),
            _moment(row.revoked_at),
            row.waits,
            row.approved_by,
            _moment(row.approved_at),
            row.member_id is None,
            row.emergency,
            row.reviewed_by,
            _moment(row.reviewed_at),
        )
        for row in rows
    ]


def load(engine: Engine, tenant_id: str) -> Roster:
    """The tenant's roster with its version, from one statement and so from one moment.

    Raises ``TenantUnknown``, and ``PolicyUnavailable`` if the database cannot be read.
    """
    in_force = and_(grant.c.revoked_at.is_(None), grant.c.waits.is_(False))
    of_member = and_(grant.c.tenant_id == member.c.tenant_id, grant.c.member_id == member.c.id, in_force)
    of_operator = and_(grant.c.tenant_id == tenant.c.id, grant.c.operator_id.is_not(None), in_force)
    second = and_(duty.c.tenant_id == tenant.c.id, duty.c.kind == SECOND_FACTOR)
    known = tenant.join(version, version.c.tenant_id == tenant.c.id)
    limits = (grant.c.starts_at, grant.c.ends_at, grant.c.emergency)
    members = known.outerjoin(member, member.c.tenant_id == tenant.c.id).outerjoin(grant, of_member)
    statement = union_all(
        _part("member", tenant_id, members, member.c.id, member.c.status, grant.c.role, *limits),
        _part(
            "operator", tenant_id, known.join(grant, of_operator), grant.c.operator_id, null(), grant.c.role, *limits
        ),
        _part("duty", tenant_id, known.join(duty, second), null(), null(), duty.c.role, null(), null(), null()),
    )
    try:
        with engine.connect() as connection:
            rows = connection.execute(statement).all()
    except SQLAlchemyError as error:
        raise PolicyUnavailable from error
    if not rows:
        raise TenantUnknown
    kinds: dict[str, list[Row[tuple[object, ...]]]] = {"member": [], "operator": [], "duty": []}
    for row in rows:
        kinds[row.kind].append(row)
    return Roster.of(
        tenant_id,
        rows[0].version,
        rows[0].tenant_status,
        {row.id: row.status for row in kinds["member"] if row.id is not None},
        [(row.id, _limited(row)) for row in kinds["member"] if row.role is not None],
        operators=[(row.id, _limited(row)) for row in kinds["operator"]],
        second_factor=[row.role for row in kinds["duty"]],
    )


def _part(kind: str, tenant_id: str, source: FromClause, *columns: object) -> Select[tuple[object, ...]]:
    names = ("id", "status", "role", "starts_at", "ends_at", "emergency")
    labelled = [column.label(name) for name, column in zip(names, columns, strict=True)]  # type: ignore[attr-defined]
    facts = (literal(kind).label("kind"), version.c.version, tenant.c.status.label("tenant_status"))
    return select(*facts, *labelled).select_from(source).where(tenant.c.id == tenant_id)


def _limited(row: Row[tuple[object, ...]]) -> Limited:
    return Limited(row.role, row.starts_at, row.ends_at, bool(row.emergency))


def _moment(at: int | None) -> datetime | None:
    return None if at is None else from_us(at)
