"""One step of the sequencer: give waiting rows their place in their tenants' trees, in one transaction.

1. Rows are grouped by tenant; each body must be the canonical encoding of an entry that agrees with its row. What is
   not cannot be an entry: in its place goes one that says so, with the hash of what was found.
2. What is in the log already (same event, same bytes) is left out: the sequencer died between its commit and the
   deletion.
3. The head is read; where it is behind what was published, nothing is appended (`TrailRolledBack`).
4. Leaf hashes extend the tree; entries are inserted at the following positions.
5. The head is moved on condition that nobody else moved it. Lease or not, only one sequencer can win.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import select

from ..database import PLATFORM
from ..errors import TrailDamaged, TrailRolledBack
from .entries import Entry, decode
from .models import entry, head
from .tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection, Row

FIRST_CHAIN: Final = bytes(32)
"""What stands before the first entry's chain."""

Waiting: TypeAlias = "tuple[Entry, bytes]"
_COLUMN: Final = 200
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")
_TENANT: Final = re.compile(r"[a-z0-9-]{1,64}")


class HeadMoved(Exception):
    """Another sequencer appended at the same time; the transaction must be rolled back."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a tenant's tree stands."""

    frontier: Frontier
    chain: bytes

    @classmethod
    def read(cls, connection: Connection, tenant: str) -> Head | None:
        """The stored head, locked against others where the database can. None for a tenant without entries.

        Raises `TrailDamaged` where what is stored contradicts itself.
        """
        row = connection.execute(select(head).where(head.c.tenant_id == tenant).with_for_update()).one_or_none()
        if row is None:
            return None
        try:
            frontier = Frontier.decode(row.size, row.frontier)
        except ValueError:
            raise TrailDamaged(detail=f"the head of {tenant} is damaged") from None
        if frontier.root() != row.root:
            raise TrailDamaged(detail=f"the head of {tenant} is damaged")
        return cls(frontier, row.chain)


def next_chain(chain: bytes, leaf: bytes) -> bytes:
    """SHA-256(previous chain || leaf hash): tells verification at which entry a change begins."""
    return sha256(chain + leaf).digest()


def append(connection: Connection, rows: Iterable[Row[Any]], published: Callable[[str], int]) -> dict[str, int]:
    """Append the staging ``rows`` of any tenants; the new size of each tenant's tree.

    ``published`` tells the size up to which a tenant's tree is known to have been. Raises `TrailRolledBack`,
    `TrailDamaged` and `HeadMoved`; the caller then rolls back.
    """
    tenants: dict[str, list[Waiting]] = {}
    for one, body in sorted(map(_entry, rows), key=lambda waiting: waiting[0].at):  # 1
        tenants.setdefault(one.tenant, []).append((one, body))
    # Always in the same order, or two sequencers could wait for each other's heads.
    return {tenant: _append(connection, tenant, tenants[tenant], published(tenant)) for tenant in sorted(tenants)}


def _append(connection: Connection, tenant: str, entries: Sequence[Waiting], published: int) -> int:
    stored = Head.read(connection, tenant)
    frontier = stored.frontier if stored else Frontier.empty()
    chain = stored.chain if stored else FIRST_CHAIN
    old_size = frontier.size
    if old_size < published:  # 3
        raise TrailRolledBack(tenant=tenant)
    beyond = select(entry.c.position).where(entry.c.tenant_id == tenant, entry.c.position >= old_size).limit(1)
    if connection.execute(beyond).first():
        if stored is None and Head.read(connection, tenant) is not None:
            raise HeadMoved  # a head that is not there cannot be locked: another one has just made the first entries
        raise TrailDamaged(detail=f"the trail of {tenant} holds entries that its head does not know")
    known = {
        (event_id, leaf)
        for event_id, leaf in connection.execute(  # 2
            select(entry.c.event_id, entry.c.leaf_hash).where(
                entry.c.tenant_id == tenant, entry.c.event_id.in_([one.id for one, _ in entries])
            )
        )
    }
    values = []
    for one, body in entries:  # 4
        leaf = leaf_hash(body)
        if (one.id, leaf) in known:
            continue
        known.add((one.id, leaf))
        chain = next_chain(chain, leaf)
        values.append(_values(one, body, frontier.size, leaf, chain))
        frontier.append(leaf)
    if values:
        connection.execute(entry.insert(), values)
        _move_head(connection, tenant, old_size if stored else None, frontier, chain)  # 5
    return frontier.size


def _values(one: Entry, body: bytes, position: int, leaf: bytes, chain: bytes) -> dict[str, Any]:
    return {
        "tenant_id": one.tenant,
        "position": position,
        **searchable(one),
        "body": body.decode("ascii"),
        "leaf_hash": leaf,
        "chain": chain,
    }


def searchable(one: Entry) -> dict[str, Any]:
    """The columns that repeat what the body says, so that the database can search."""
    return {
        "event_id": one.id,
        "at": one.at,
        "kind": one.kind,
        "outcome": one.outcome,
        "actor": column_text(one.actor),
        "access": column_text(one.access),
        "purpose": column_text(one.purpose),
    }


def column_text(text: str | None) -> str | None:
    """What a text column and an index of any database can hold of ``text``; the body has the whole."""
    return None if text is None else text[:_COLUMN].replace("\0", "").encode("utf-8", "replace").decode()


def _move_head(connection: Connection, tenant: str, old_size: int | None, frontier: Frontier, chain: bytes) -> None:
    values = {"size": frontier.size, "root": frontier.root(), "frontier": frontier.encode(), "chain": chain}
    if old_size is None:
        connection.execute(head.insert().values(tenant_id=tenant, **values))
        return
    moved = connection.execute(
        head.update().where(head.c.tenant_id == tenant, head.c.size == old_size).values(**values)
    )
    if moved.rowcount != 1:
        raise HeadMoved


def _entry(row: Row[Any]) -> Waiting:
    """The row's entry and its bytes, or an entry that tells what was found instead. SQLite's columns hold any type."""
    body = row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogatepass")
    event_id, tenant = str(row.event_id), str(row.tenant_id)
    try:
        one = decode(body)
    except TrailDamaged:
        pass
    else:
        if (one.id, one.tenant, one.at) == (event_id, tenant, row.at):
            return one, body
    found = Entry(
        id=event_id if _HEX_ID.fullmatch(event_id) else _hash(event_id.encode("utf-8", "surrogatepass"))[:32],
        at=row.at if isinstance(row.at, int) and 0 <= row.at < 1 << 63 else 0,
        tenant=tenant if _TENANT.fullmatch(tenant) else PLATFORM,
        access="",
        kind="admin",
        actor="sequencer",
        actor_kind="service",
        outcome="failed",
        refusal=TrailDamaged.code,
        detail={"act": "staging.rejected", "sha256": _hash(body), "bytes": len(body)},
    )
    return found, found.encode()


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()
