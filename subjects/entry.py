"""The entry of what was done about a person, staged in the transaction that does it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ..audit.entries import Entry, new_event_id, now_us
from ..audit.staging import stage
from ..encryption.netstrings import netstring
from ..middleware.pieces import in_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from ..audit.entries import What
    from ..guard import Guard


def act_entry(
    guard: Guard,
    connection: Connection,
    tenant: str,
    operator: str,
    reason: str,
    detail: Mapping[str, str | int | bool],
    what: Iterable[What],
) -> None:
    """Who, what, whom by their number, and why: the reason is sealed, as reasons are."""
    event = new_event_id()
    sealed = guard.keyring.cipher(tenant).seal("trail.reason", netstring("trail.reason", event), reason.encode())
    entry = Entry(
        id=event,
        at=now_us(),
        tenant=tenant,
        access=new_event_id(),
        kind="admin",
        actor=operator,
        actor_kind="operator",
        outcome="committed",
        what=tuple(what),
        sealed={"reason": base64.b64encode(sealed).decode()},
        detail=detail,
    )
    stage(connection, list(in_pieces(entry)))


__all__ = ["act_entry"]
