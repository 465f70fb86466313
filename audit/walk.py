"""One pass over one tenant's entries, with the checkpoints alongside: steps 2 to 4 of `verify`."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from ..errors import TrailDamaged
from .append import FIRST_CHAIN, next_chain, searchable
from .damage import body_bytes, classify, rows
from .entries import decode
from .models import checkpoint, head
from .report import Finding
from .tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from .checkpoints import Checkpoint, VerifierKey
    from .report import Kind

_PAGE: Final = 500


class Walk:
    """One pass over one tenant's entries, checkpoints alongside."""

    def __init__(self, connection: Connection, tenant: str, verifier: VerifierKey, outside: Iterator[str]) -> None:
        self.connection = connection
        self.tenant = tenant
        self.frontier = Frontier.empty()
        self.chain = FIRST_CHAIN
        self.checked = 0
        self.signed = 0
        origin = verifier.origin(tenant)
        self._signed = heapq.merge(
            _opened(verifier, origin, _notes(connection, tenant), inside=True),
            _opened(verifier, origin, outside, inside=False),
            key=lambda item: item[0].size,
        )
        self._next: tuple[Checkpoint, bool] | None = None

    def finding(
        self, kind: Kind, position: int, detail: str, *, last: int | None = None, event_id: str | None = None
    ) -> Finding:
        """A finding about this tenant."""
        return Finding(self.tenant, kind, position, position if last is None else last, event_id, detail)

    def run(self) -> Finding | None:
        """The first thing that is wrong, or None."""
        try:
            self._advance()
            return self._checkpoints() or self._entries() or self._end()
        except TrailDamaged as forged:  # by a checkpoint; entries never raise here
            return self.finding("forged", self.frontier.size, str(forged.facts["detail"]))

    def _entries(self) -> Finding | None:
        for row in rows(self.connection, self.tenant):
            wrong = self._wrong(row)
            if wrong:
                kind, detail = classify(self.connection, self.tenant, self.frontier.size, self.chain, row, wrong)
                return self.finding(kind, self.frontier.size, detail, event_id=row.event_id)
            self.frontier.append(row.leaf_hash)
            self.chain = row.chain
            finding = self._checkpoints()
            if finding:
                return finding
        return None

    def _wrong(self, row: Row[Any]) -> str | None:  # 2
        """What is wrong with this row in itself or in its place: "position", "body", "columns", "leaf" or "chain"."""
        if row.position != self.frontier.size:
            return "position"
        body = body_bytes(row)
        if leaf_hash(body) != row.leaf_hash:
            return "leaf"
        try:
            one = decode(body)
        except TrailDamaged:
            return "body"
        if one.tenant != self.tenant:
            return "body"
        if any(getattr(row, name) != value for name, value in searchable(one).items()):
            return "columns"
        return None if row.chain == next_chain(self.chain, row.leaf_hash) else "chain"

    def _checkpoints(self) -> Finding | None:  # 3
        """Check every checkpoint of the size reached."""
        while self._next is not None and self._next[0].size <= self.frontier.size:
            signed = self._next[0]
            if signed.size < self.frontier.size:
                return self.finding("forged", signed.size, "the checkpoints are not in the order of their sizes")
            if signed.root != self.frontier.root():
                return self.finding(
                    "edited",
                    self.signed,
                    "the entries do not have the root that was signed",
                    last=max(signed.size - 1, 0),
                )
            self.signed = signed.size
            self.checked += 1
            self._advance()
        return None

    def _end(self) -> Finding | None:  # 4
        size = self.frontier.size
        stored = self.connection.execute(select(head).where(head.c.tenant_id == self.tenant)).one_or_none()
        known = stored.size if stored else 0
        inside = known
        outside = 0
        while self._next is not None:  # checkpoints that know of more entries than there are
            if self._next[1]:
                inside = max(inside, self._next[0].size)
            else:
                outside = max(outside, self._next[0].size)
            self._advance()
        if inside > size:
            return self.finding("truncated", size, f"{inside - size} entries are missing at the end", last=inside - 1)
        if outside > size:
            detail = f"the database went back: {outside} entries were published, {size} are here"
            return self.finding("rolled back", size, detail, last=outside - 1)
        if known < size:
            return self.finding("inserted", known, "the head does not know these entries", last=size - 1)
        if stored and (stored.root, stored.chain) != (self.frontier.root(), self.chain):
            return self.finding("edited", self.signed, "the entries do not have the head's root", last=max(size - 1, 0))
        return None

    def _advance(self) -> None:
        self._next = next(self._signed, None)


def _opened(
    verifier: VerifierKey, origin: str, notes: Iterator[str], *, inside: bool
) -> Iterator[tuple[Checkpoint, bool]]:
    for note in notes:
        yield verifier.checkpoint(note, origin), inside


def _notes(connection: Connection, tenant: str) -> Iterator[str]:
    size = -1
    while True:
        query = select(checkpoint.c.size, checkpoint.c.note).where(
            checkpoint.c.tenant_id == tenant, checkpoint.c.size > size
        )
        page = connection.execute(query.order_by(checkpoint.c.size).limit(_PAGE)).all()
        yield from (note for _, note in page)
        if len(page) < _PAGE:
            return
        size = page[-1].size
