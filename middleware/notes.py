"""What one access has seen and not yet put on record: the notes that every outgoing message waits for.

Opening a cell is the hottest thing that Amanah does, so a note is one dictionary update here; sorting the notes into
the trail's form is left to `Notes.drain`, once per message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..audit.entries import What
from .pieces import ROWS_PER_WHAT, cut

if TYPE_CHECKING:
    from .fields import Field, Protected


class Notes:
    """The notes of one access. Not thread-safe by itself: an access belongs to one request or job."""

    __slots__ = ("_cells", "_extra", "_last", "_touched", "pending")

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.pending = False
        self._cells: dict[tuple[Protected, str, str], list[int]] = {}
        self._last: tuple[tuple[Protected, str, str] | None, list[int]] = (None, [0])
        self._touched: set[tuple[str, str]] = set()
        self._extra: list[What] = []

    def opened(self, field: Field, row: tuple[Protected, str, str], *, masked: bool) -> None:
        """Note that the cell of ``field`` in ``row`` (table, key, subject) was shown, in clear or masked.

        The cells of a row come one after the other, with the very same object for their row.
        """
        last, seen = self._last
        if row is not last:
            seen = self._cells.setdefault(row, [0])
            self._last = (row, seen)  # together: threads that share an access never note one row in another's place
        seen[0] |= field.masked_bit if masked else field.clear_bit
        self.pending = True

    def touched(self, resource: str, action: str) -> None:
        """Note that ``action`` was carried out on ``resource``, whether or not anything personal was seen."""
        pair = (resource, action)
        if pair not in self._touched:
            self._touched.add(pair)
            self.pending = True

    def add(self, what: What) -> None:
        """Note something that is already in the trail's form (a write that was rolled back)."""
        self._extra.append(what)
        self.pending = True

    def drain(self) -> tuple[What, ...]:
        """Hand over all notes in a stable order and start afresh."""
        self.pending = False
        cells, self._cells = self._cells, {}
        self._last = (None, [0])
        touched, self._touched = self._touched, set()
        extra, self._extra = self._extra, []
        groups: dict[tuple[Protected, int], list[tuple[str, str]]] = {}
        for (table, row, subject), (seen,) in cells.items():
            groups.setdefault((table, seen), []).append((row, subject))
        result = [part for what in extra for part in cut(what)]
        noted = set()
        for (table, seen), rows in groups.items():
            noted.add((table.resource, "read"))
            clear, masked = table.columns_seen(seen)
            for start in range(0, len(rows), ROWS_PER_WHAT):
                part = rows[start : start + ROWS_PER_WHAT]
                result.append(
                    What(
                        resource=table.resource,
                        action="read",
                        columns=clear,
                        masked=masked,
                        rows=tuple(row for row, _ in part),
                        subjects=tuple(dict.fromkeys(subject for _, subject in part if subject)),
                        count=len(part),
                    )
                )
        result.extend(What(resource=name, action=action) for name, action in sorted(touched - noted))
        return tuple(result)
