"""What the sequencer found wrong with what waited, as entries of the log.

Such an entry is the same, to the byte, however often the same is found: a sequencer that was killed finds it again.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ..database import PLATFORM
from ..errors import TrailDamaged
from .entries import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row

    from .streams import Waiting

_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")
_TENANT: Final = re.compile(r"[a-z0-9-]{1,64}")


def rejected(row: Row[Any] | Waiting) -> Entry:
    """It stands in the place of a waiting ``row`` that is no entry, or that nobody of ours wrote so."""
    body = row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogatepass")
    event_id = str(row.event_id)
    detail: dict[str, str | int] = {"act": "staging.rejected", "sha256": sha256(body).hexdigest(), "bytes": len(body)}
    if _HEX_ID.fullmatch(event_id):
        detail["event"] = event_id
    return _found(row.tenant_id, row.at, f"{event_id} {row.tenant_id}", detail)


def hole(stream: str, first: int, last: int, at: int) -> Entry:
    """Entries of a stream are missing. Whose they were nobody knows any more: it is the platform's entry."""
    detail: dict[str, str | int] = {"act": "staging.deleted", "stream": stream, "first": first, "last": last}
    return _found(PLATFORM, at, "", detail)


def missing(one: Entry, event_id: str, leaf_hash: str) -> Entry:
    """``one`` has the receipt of a committed change, and the change's entry is nowhere."""
    detail = {"act": "staging.deleted", "event": event_id, "leaf_hash": leaf_hash, "access": one.access}
    return _found(one.tenant, one.at, "", detail)


def _found(tenant: object, at: object, where: str, detail: Mapping[str, str | int]) -> Entry:
    name = f"{where} {sorted(detail.items())}".encode("utf-8", "surrogatepass")
    return Entry(
        id=sha256(name).hexdigest()[:32],
        at=at if isinstance(at, int) and 0 <= at < 1 << 63 else 0,
        tenant=str(tenant) if _TENANT.fullmatch(str(tenant)) else PLATFORM,
        access="",
        kind="admin",
        actor="sequencer",
        actor_kind="service",
        outcome="failed",
        refusal=TrailDamaged.code,
        detail=detail,
    )
