"""What one connection has changed and not yet committed.

Kept by the Connection object and not by the DBAPI connection behind it, which the pool hands to the next one: what was
never committed or rolled back must not turn up in somebody else's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .pieces import cut, in_pieces

if TYPE_CHECKING:
    from ..audit.entries import Entry, What
    from .access import Access


@dataclass(slots=True)
class Write:
    """A change that is not committed yet, and how many savepoints were open when it was made."""

    access: Access
    what: What
    depth: int


class Pending:
    """The changes of one open transaction, by savepoint."""

    __slots__ = ("context", "looked_at", "prepared", "savepoints", "writes")

    def __init__(self) -> None:
        """Nothing changed yet."""
        self.writes: list[Write] = []
        self.savepoints: list[str] = []
        self.prepared: Any = None
        """The last INSERT or UPDATE that `writes.prepare` let pass …"""
        self.looked_at: frozenset[str] = frozenset()
        """… and the columns that it looked at."""
        self.context: Any = None
        """The last execution that was noted: a long INSERT is sent in several batches."""

    def add(self, access: Access, what: What) -> None:
        """Take in a change."""
        self.writes.append(Write(access, what, len(self.savepoints)))

    def last(self) -> Write | None:
        """The latest change."""
        return self.writes[-1] if self.writes else None

    def entries(self) -> list[tuple[Access, Entry]]:
        """One entry per access with what it wrote, beside the access; several where it wrote very many rows."""
        by_access: dict[str, list[Write]] = {}
        for write in self.writes:
            by_access.setdefault(write.access.id, []).append(write)
        return [
            (group[0].access, piece)
            for group in by_access.values()
            for piece in in_pieces(group[0].access.entry("write", "committed", what=_together([w.what for w in group])))
        ]

    def undo(self, name: str | None = None) -> None:
        """The savepoint ``name`` (None: the transaction) was rolled back. That it was tried is noted."""
        depth = self._depth(name) if name is not None else 0
        for write in self.writes:
            if write.depth >= depth and not write.access.closed:
                write.access.notes.add(replace(write.what, action=f"{write.what.action}_undone"))
        self.writes = [w for w in self.writes if w.depth < depth]
        self.savepoints = self.savepoints[: max(0, depth - 1)]

    def release(self, name: str) -> None:
        """What was written since the savepoint ``name`` now belongs to the level above."""
        depth = self._depth(name) - 1
        self.savepoints = self.savepoints[:depth]
        for write in self.writes:
            write.depth = min(write.depth, depth)

    def _depth(self, name: str) -> int:
        """The depth of what was written right after the savepoint ``name``."""
        return self.savepoints.index(name) + 1 if name in self.savepoints else 1


def _together(parts: list[What]) -> tuple[What, ...]:
    """Join what says the same of different rows: a flush of a hundred rows is one line of the entry."""
    joined: dict[tuple[Any, ...], list[What]] = {}
    for part in parts:
        joined.setdefault((part.resource, part.action, part.columns), []).append(part)
    lines = (
        replace(
            group[0],
            rows=tuple(row for part in group for row in part.rows),
            subjects=tuple(dict.fromkeys(subject for part in group for subject in part.subjects)),
            count=sum(part.count for part in group),
        )
        for group in joined.values()
    )
    return tuple(part for line in lines for part in cut(line))
