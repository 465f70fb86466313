"""Proofs about a stored tree, from some hundred rows of it: that an entry is in it, that it grew and did not change.

A proof is worth what the root is worth that it leads to: one that was signed (`covering`, `newest`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from ..errors import TrailDamaged
from .heads import SignedHead, hashes
from .models import checkpoint, signed_head
from .subtrees import Subtrees
from .tree import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row, Select


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed head of a tenant's tree and the note of the checkpoint ``number`` that covers it."""

    head: SignedHead
    number: int
    note: str


def inclusion(connection: Connection, tenant: str, position: int, size: int) -> list[bytes]:
    """PATH(m, D[n]), RFC 6962, section 2.1.1: that the entry at ``position`` is in the tree of ``size`` entries.

    Raises `IndexError` for a position outside the tree and `TrailDamaged` where the tree has not so many entries.
    """
    if not 0 <= position < size:
        raise IndexError(position)
    tree = Subtrees(connection, tenant)
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if position < middle:
            proof.append(tree.root(middle, end))
            end = middle
        else:
            proof.append(tree.root(start, middle))
            start = middle
    return proof[::-1]


def consistency(connection: Connection, tenant: str, first: int, second: int) -> list[bytes]:
    """PROOF(m, D[n]), RFC 6962, section 2.1.2: that the tree of ``first`` entries begins that of ``second``.

    Raises `IndexError` unless 0 < first <= second, and `TrailDamaged` where the tree has not so many entries.
    """
    if not 0 < first <= second:
        raise IndexError(first)
    tree = Subtrees(connection, tenant)
    proof: list[bytes] = []
    start, end = 0, second
    while end != first:
        middle = start + split(end - start)
        if first <= middle:
            proof.append(tree.root(middle, end))
            end = middle
        else:
            proof.append(tree.root(start, middle))
            start = middle
    return [*([tree.root(start, end)] if start else []), *proof[::-1]]


def covering(connection: Connection, tenant: str, position: int) -> Signed | None:
    """The first signed head that has the entry at ``position``, None where none was signed since.

    Nothing is verified. Raises `TrailDamaged` where its checkpoint is gone.
    """
    query = _of(tenant).where(signed_head.c.size > position)
    row = connection.execute(query.order_by(signed_head.c.size).limit(1)).first()
    return None if row is None else _signed(row)


def newest(connection: Connection, tenant: str) -> Signed | None:
    """The newest signed head, None where nothing of the tenant was signed. As `covering`."""
    row = connection.execute(_of(tenant).order_by(signed_head.c.size.desc()).limit(1)).first()
    return None if row is None else _signed(row)


def heads_between(connection: Connection, tenant: str, after: int, before: int) -> Iterator[Signed]:
    """The signed heads of more than ``after`` and less than ``before`` entries, ascending. As `covering`."""
    query = _of(tenant).where(signed_head.c.size > after, signed_head.c.size < before)
    # Not execution_options(): that would change the connection itself.
    rows = connection.execute(query.order_by(signed_head.c.size), execution_options={"yield_per": 500})
    return (_signed(row) for row in rows)


def _of(tenant: str) -> Select[tuple[str, int, bytes, int, int, bytes, str]]:
    joined = signed_head.outerjoin(checkpoint, checkpoint.c.number == signed_head.c.number)
    return select(signed_head, checkpoint.c.note).select_from(joined).where(signed_head.c.tenant_id == tenant)


def _signed(row: Row[tuple[str, int, bytes, int, int, bytes, str]]) -> Signed:
    if row.note is None:
        raise TrailDamaged(detail=f"checkpoint {row.number} is gone")
    one = SignedHead(row.tenant_id, row.size, bytes(row.root), row.place, hashes(bytes(row.proof)))
    return Signed(one, row.number, row.note)
