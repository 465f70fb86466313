"""One pass over one tenant's entries, with what was signed alongside: steps 2 to 4 of `verify`.

The kept roots of complete subtrees are compared as they come by (`subtrees`); those that are not there are not missed,
since they are computed from the entries.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, or_, select

from ..errors import TrailDamaged
from .append import FIRST_CHAIN, link_of, next_chain
from .damage import classify
from .models import entry, head, signed_head, subtree
from .report import Finding
from .subtrees import Subtrees
from .tree import TILE, Frontier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection

    from .heads import SignedHead
    from .report import Kind
    from .scan import Page

_PAGE: Final = 500
_WENT_ON: Final = "the database went back, and went on with other entries than were published"


@dataclass(slots=True)
class Reached:
    """How far a trail was verified, for the next time to go on from. ``signed``: size of the last signed head."""

    frontier: Frontier = field(default_factory=Frontier.empty)
    chain: bytes = FIRST_CHAIN
    signed: int = 0

    def copy(self) -> Reached:
        """The same, to go on from."""
        return Reached(Frontier(self.frontier.size, list(self.frontier.hashes)), self.chain, self.signed)


class Walk:
    """One pass over one tenant's entries, what was signed alongside."""

    def __init__(self, connection: Connection, tenant: str, reached: Reached, outside: Iterable[SignedHead]) -> None:
        """Goes on from ``reached``, which grows. ``outside``: heads that only the outside claims."""
        self.connection = connection
        self.tenant = tenant
        self.reached = reached
        self._before = reached.chain
        self.checked = 0
        self.told = 0
        self._begun = reached.frontier.size
        self._kept: dict[tuple[int, int], bytes] = {}
        claimed = sorted((one.size, one.root, False) for one in outside)
        self._claimed_before = [(size, root) for size, root, _ in claimed if size < self._begun]
        self._signed = heapq.merge(
            ((size, root, True) for size, root in _signed_heads(connection, tenant, self._begun)),
            claimed[len(self._claimed_before) :],
            key=lambda item: item[0],
        )
        self._next: tuple[int, bytes, bool] | None = None

    def finding(
        self, kind: Kind, position: int, detail: str, *, last: int | None = None, event_id: str | None = None
    ) -> Finding:
        """A finding about this tenant."""
        return Finding(self.tenant, kind, position, position if last is None else last, event_id, detail)

    def run(self, pages: Iterable[Page], progress: Callable[[int], None]) -> Finding | None:
        """The first thing that is wrong, or None. ``progress`` is told how many entries were checked since."""
        self._advance()
        finding = self._before_begun() or self._heads()
        if finding:
            return finding
        for page in pages:
            finding = self._page(page) or self._subtrees()
            if finding:
                return finding
            progress(len(page.leaves))
        return self._end()

    def _before_begun(self) -> Finding | None:
        """What only the outside claims about the entries that were verified before, and whether those are still here.

        The walk does not come by there again: the roots are computed from what is stored.
        """
        stored = self.connection.scalar(select(head.c.size).where(head.c.tenant_id == self.tenant)) or 0
        if stored < self._begun:
            detail = f"the database went back: {self._begun} entries were verified before, {stored} are here"
            return self.finding("rolled back", stored, detail, last=self._begun - 1)
        tree = Subtrees(self.connection, self.tenant)
        good = 0
        for size, root in self._claimed_before:
            try:
                same = tree.root(0, size) == root
            except TrailDamaged:
                same = False
            if not same:
                return self.finding("rolled back", good, _WENT_ON, last=max(size - 1, 0))
            good = size
            self.checked += 1
        return None

    def _subtrees(self) -> Finding | None:
        """Compare the subtrees that were completed since with those that are kept."""
        if not self._kept:
            return None
        of_level: dict[int, list[int]] = {}
        for level, number in self._kept:
            of_level.setdefault(level, []).append(number)
        ranges = (
            and_(subtree.c.level == level, subtree.c.number.between(numbers[0], numbers[-1]))
            for level, numbers in of_level.items()
        )
        query = select(subtree).where(subtree.c.tenant_id == self.tenant, or_(*ranges))
        for row in self.connection.execute(query.order_by(subtree.c.level, subtree.c.number)):
            if self._kept[row.level, row.number] != row.hash:
                first, last = (n << TILE * row.level for n in (row.number, row.number + 1))
                return self.finding("edited", first, "the kept hash of these entries is not theirs", last=last - 1)
        self._kept.clear()
        return None

    def _page(self, page: Page) -> Finding | None:
        reached = self.reached
        for leaf, link in zip(page.leaves, page.links, strict=True):
            chain = next_chain(reached.chain, leaf)
            if link_of(chain) != link:
                return self._damage("chain")
            complete = reached.frontier.append(leaf)
            if complete:
                for level, hash_ in enumerate(complete, 1):
                    self._kept[level, (reached.frontier.size >> TILE * level) - 1] = hash_
            self._before, reached.chain = reached.chain, chain
            if self._next is not None and self._next[0] <= reached.frontier.size:
                finding = self._heads()
                if finding:
                    return finding
        self.told += page.told
        return self._damage(page.wrong) if page.wrong else None

    def _damage(self, wrong: str) -> Finding:
        position = self.reached.frontier.size
        query = select(entry).where(entry.c.tenant_id == self.tenant, entry.c.position >= position)
        row = self.connection.execute(query.order_by(entry.c.position).limit(1)).first()
        if row is None:  # another connection saw one: it went in between
            return self.finding("deleted", position, "the entry that was recorded here is gone")
        chains = (self._before, self.reached.chain)
        kind, at, detail = classify(self.connection, self.tenant, position, chains, row, wrong)
        return self.finding(kind, at, detail, event_id=row.event_id if at == position else None)

    def _heads(self) -> Finding | None:  # 3
        """Compare every signed head of the size reached."""
        frontier = self.reached.frontier
        while self._next is not None and self._next[0] <= frontier.size:
            size, root, inside = self._next
            if size == frontier.size and root != frontier.root():
                last = max(size - 1, 0)
                pushed = self._pushed_in()
                if pushed:
                    return pushed
                if inside:
                    detail = "the entries do not have the root that was signed"
                    return self.finding("edited", self.reached.signed, detail, last=last)
                return self.finding("rolled back", self.reached.signed, _WENT_ON, last=last)
            self.reached.signed = max(size, self.reached.signed)
            self.checked += 1
            self._advance()
        return None

    def _pushed_in(self) -> Finding | None:
        """Whether the last entry stands before one that followed from the entry before it."""
        size = self.reached.frontier.size
        query = select(entry).where(entry.c.tenant_id == self.tenant, entry.c.position == size)
        row = self.connection.execute(query.limit(1)).first()
        if row is None or link_of(next_chain(self._before, row.leaf_hash)) != row.link:
            return None
        return self.finding("inserted", size - 1, "this entry was never recorded here")

    def _end(self) -> Finding | None:  # 4
        size = self.reached.frontier.size
        stored = self.connection.execute(select(head).where(head.c.tenant_id == self.tenant)).one_or_none()
        known = stored.size if stored else 0
        inside, outside = known, 0
        while self._next is not None:  # heads of more entries than there are
            if self._next[2]:
                inside = max(inside, self._next[0])
            else:
                outside = max(outside, self._next[0])
            self._advance()
        if inside > size:
            return self.finding("truncated", size, f"{inside - size} entries are missing at the end", last=inside - 1)
        if outside > size:
            detail = f"the database went back: {outside} entries were published, {size} are here"
            return self.finding("rolled back", size, detail, last=outside - 1)
        if known < size:
            return self.finding("inserted", known, "the head does not know these entries", last=size - 1)
        if stored and (stored.root, stored.chain) != (self.reached.frontier.root(), self.reached.chain):
            detail = "the entries do not have the head's root"
            return self.finding("edited", self.reached.signed, detail, last=max(size - 1, 0))
        return None

    def _advance(self) -> None:
        self._next = next(self._signed, None)


def _signed_heads(connection: Connection, tenant: str, after: int) -> Iterator[tuple[int, Any]]:
    while True:
        query = select(signed_head.c.size, signed_head.c.root).where(
            signed_head.c.tenant_id == tenant, signed_head.c.size > after
        )
        page = connection.execute(query.order_by(signed_head.c.size).limit(_PAGE)).all()
        yield from ((size, root) for size, root in page)
        if len(page) < _PAGE:
            return
        after = page[-1].size
