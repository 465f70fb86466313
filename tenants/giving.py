"""How a role is given, whoever gets it: what the role brings, which duties stand against it, and the row.

For members, for operators and in an emergency alike. The caller has locked the tenant (`changes.open_for_change`).
"""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import insert

from ..errors import InvalidInput
from . import duties
from .duties import Held, Holder, wants_second
from .models import grant
from .names import check_member, check_role, check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from .duties import Duty


class Giving:
    """Gives roles of one database's tenants. Holds nothing in memory; safe for threads."""

    def __init__(self, closure: Callable[[Connection, str, str], frozenset[str]] | None) -> None:
        """``closure``: as `Directory` takes it."""
        self._closure = closure

    def brought(self, connection: Connection, tenant_id: str) -> Callable[[str], frozenset[str]]:
        """What a role brings, each asked for once."""
        asked = self._closure
        return cache(lambda role: frozenset({role}) if asked is None else asked(connection, tenant_id, role))

    def check(self, connection: Connection, tenant_id: str, which: Sequence[Duty], more: Held | None, now: int) -> None:
        """Every duty of ``which`` holds, with the grant ``more`` too. Raises ``DutyBroken``."""
        if which:
            grants = duties.held(connection, tenant_id, self.brought(connection, tenant_id), now)
            duties.check_all(which, [*grants, *([more] if more is not None else [])])

    def give(
        self,
        connection: Connection,
        tenant_id: str,
        holder: Holder,
        role: str,
        *,
        reason: str,
        granted_by: str,
        now: int,
        start: int | None = None,
        end: int | None = None,
        emergency: bool = False,
    ) -> str:
        """Write the grant and return its id; times in µs. Raises ``InvalidInput`` and ``DutyBroken``."""
        roles = self.brought(connection, tenant_id)(check_role(role))
        if not roles:
            raise InvalidInput(detail=f"there is no role {role}")
        if end is not None and end <= max(now, start or now):
            raise InvalidInput(detail="the grant would end before it begins")
        grant_id = uuid.uuid4().hex
        bound = duties.read(connection, tenant_id)
        self.check(connection, tenant_id, bound, Held(grant_id, holder, roles, start, end), now)
        values = {
            "tenant_id": tenant_id,
            "id": grant_id,
            f"{holder.kind}_id": holder.id,
            "role": role,
            "reason": check_text(reason, "the reason", reason=True),
            "granted_by": check_member(granted_by),
            "granted_at": now,
            "starts_at": start,
            "ends_at": end,
            "waits": not emergency and wants_second(bound, roles),
            "emergency": emergency,
        }
        connection.execute(insert(grant).values(values))
        return grant_id
