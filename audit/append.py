"""One step of the sequencer: give waiting rows their place in their tenants' trees, in one transaction.

1. Rows are grouped by tenant; each body must be the canonical encoding of an entry that agrees with its row, by a
   strict reading or by the MAC of a writer, who encodes only so. What is not cannot be an entry: in its place goes one
   that says so, with the hash of what was found.
2. What is in the log already (same event, same bytes) is left out: the sequencer died between its commit and the
   deletion.
3. The head is read; where it is behind what was published, nothing is appended (`TrailRolledBack`).
4. Leaf hashes extend the tree; entries are inserted at the following positions, with what they are found by.
5. The head is moved on condition that nobody else moved it. Lease or not, only one sequencer can win.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from json import loads
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from ..errors import TrailDamaged, TrailRolledBack
from . import bulk
from .entries import decode, now_us
from .findings import rejected
from .models import entry, head, subtree, term
from .months import month_of
from .packing import pack
from .subtrees import kept
from .tally import tallied
from .terms import facts, terms_of
from .tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection, Row

    from ..errors import AmanahError
    from .streams import Waiting
    from .tally import Found

FIRST_CHAIN: Final = bytes(32)
"""What stands before the first entry's chain."""

_LINK_BYTES: Final = 8


class Encoded(NamedTuple):
    """An entry that is to be appended: its canonical bytes, and the JSON in them."""

    id: str
    at: int
    tenant: str
    body: bytes
    values: dict[str, Any]


class HeadMoved(Exception):
    """Another sequencer appended at the same time; the transaction must be rolled back."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a tenant's tree stands. ``number``: the tenant's within this trail; ``month``: of its last entry."""

    number: int
    frontier: Frontier
    chain: bytes
    month: int

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
        return cls(row.number, frontier, row.chain, row.month)

    @classmethod
    def first(cls, connection: Connection, tenant: str, month: int) -> Head:
        """The head of a tenant that has no entries, stored now.

        On SQLite, where numbers count, one writes at a time. Where they do not, two tenants may get the same one.
        """
        number = (connection.scalar(select(func.max(head.c.number))) or 0) + 1
        empty = cls(number, Frontier.empty(), FIRST_CHAIN, month)
        connection.execute(head.insert().values(tenant_id=tenant, number=number, **empty.values()))
        return empty

    def values(self) -> dict[str, Any]:
        """What is stored of it, besides its tenant and number."""
        frontier = self.frontier
        return {
            "size": frontier.size,
            "root": frontier.root(),
            "frontier": frontier.encode(),
            "chain": self.chain,
            "month": self.month,
        }


def next_chain(chain: bytes, leaf: bytes) -> bytes:
    """SHA-256(previous chain || leaf hash): tells verification at which entry a change begins."""
    return sha256(chain + leaf).digest()


def link_of(chain: bytes) -> int:
    """What an entry keeps of the chain that ends with it: 8 bytes, for they prove nothing and only tell the place."""
    return int.from_bytes(chain[:_LINK_BYTES], "big", signed=True)


def append(
    connection: Connection,
    rows: Iterable[Row[Any] | Waiting],
    published: Callable[[str], int],
    refused: dict[str, AmanahError],
) -> tuple[dict[str, int], list[Row[Any] | Waiting]]:
    """Append the waiting ``rows`` of any tenants: the new size of each tenant's tree, and the rows that were left.

    ``published`` tells the size up to which a tenant's tree is known to have been. Tenants that must be left alone
    are added to ``refused`` with the reason, `TrailRolledBack` or `TrailDamaged`. Raises `HeadMoved`; the caller then
    rolls back.
    """
    by_tenant: dict[str, list[tuple[Encoded, Row[Any] | Waiting]]] = {}
    for row in rows:  # 1
        encoded = _encoded(row)
        by_tenant.setdefault(encoded.tenant, []).append((encoded, row))
    sizes: dict[str, int] = {}
    left: list[Row[Any] | Waiting] = []
    for tenant, items in sorted(by_tenant.items()):
        items.sort(key=_time)  # of several writers at once the earliest comes first
        try:
            if tenant not in refused:
                sizes[tenant] = _append_to(connection, tenant, [one for one, _ in items], published(tenant))
                continue
        except (TrailRolledBack, TrailDamaged) as error:  # before anything of this tenant was written
            refused[tenant] = error
        left.extend(row for _, row in items)
    return sizes, left


def _append_to(connection: Connection, tenant: str, entries: Sequence[Encoded], published: int) -> int:
    now = Head.read(connection, tenant)  # 3
    size = now.frontier.size if now else 0
    if size < published:
        raise TrailRolledBack(tenant=tenant)
    beyond = select(entry.c.position).where(entry.c.tenant_id == tenant, entry.c.position >= size).limit(1)
    if connection.execute(beyond).first():
        if now is None and Head.read(connection, tenant) is not None:
            raise HeadMoved  # a head that is not there cannot be locked: another one has just made the first entries
        raise TrailDamaged(detail=f"the trail of {tenant} holds entries that its head does not know")
    month = max(now.month if now else 0, month_of(now_us()))
    if now is None:
        now = Head.first(connection, tenant, month)
    known = bulk.known(connection, tenant, [one.id for one in entries]) if size else set()  # 2
    chain, frontier = now.chain, now.frontier
    rows: list[bulk.Placed] = []
    found: list[Found] = []
    complete: list[dict[str, Any]] = []
    for one in entries:  # 4
        leaf = leaf_hash(one.body)
        if (one.id, leaf) in known:
            continue
        known.add((one.id, leaf))
        chain = next_chain(chain, leaf)
        said = set(facts(one.values))
        numbers = terms_of(tenant, said)
        found.append((frontier.size, one.at, said))
        row = (tenant, frontier.size, month, one.at, link_of(chain), one.id, leaf, pack(one.body), numbers)
        rows.append(bulk.Placed(*row))
        complete += kept(tenant, frontier.size, frontier.append(leaf))
    if rows:
        bulk.place(connection, rows)
        if complete:
            connection.execute(subtree.insert(), complete)
        if connection.dialect.name == "sqlite":
            index = [
                {"tenant": now.number, "term": each, "position": row.position} for row in rows for each in row.terms
            ]
            connection.execute(term.insert(), index)
        tallied(connection, tenant, found)
        moved = connection.execute(  # 5
            head.update()
            .where(head.c.tenant_id == tenant, head.c.size == size)
            .values(**Head(now.number, frontier, chain, month).values())
        )
        if moved.rowcount != 1:
            raise HeadMoved
    return frontier.size


def _time(item: tuple[Encoded, object]) -> int:
    return item[0].at


def _encoded(row: Row[Any] | Waiting) -> Encoded:
    """What is appended for ``row``: itself, or what was found in its place. SQLite's columns hold any type."""
    body = row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogatepass")
    try:
        if not getattr(row, "proven", False):
            decode(body)
        values = loads(body)
        if (values["id"], values["tenant"], values["at"]) == (row.event_id, row.tenant_id, row.at):
            return Encoded(row.event_id, row.at, row.tenant_id, body, values)
    except TrailDamaged:
        pass
    found = rejected(row)
    body = found.encode()
    return Encoded(found.id, found.at, found.tenant, body, loads(body))
