"""Very many rows in entries of the trail, which have a largest size: several `What`, and several entries.

A line of at most 1,000 rows, and six such lines to an entry, stay below it also where keys are long.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..audit.entries import new_event_id

if TYPE_CHECKING:
    from ..audit.entries import Entry, What

ROWS_PER_WHAT: Final = 1000
"""At most so many row keys, or subjects, stand in one `What`."""
_WHATS_PER_ENTRY: Final = 6


def cut(what: What) -> list[What]:
    """The same in as many lines as its rows ask for. Rows that are counted and not named stay with the first line."""
    longest = max(len(what.rows), len(what.subjects))
    if longest <= ROWS_PER_WHAT:
        return [what]
    unnamed = what.count - len(what.rows)
    return [
        replace(
            what,
            rows=(rows := what.rows[start : start + ROWS_PER_WHAT]),
            subjects=what.subjects[start : start + ROWS_PER_WHAT],
            count=len(rows) + (0 if start else unnamed),
        )
        for start in range(0, longest, ROWS_PER_WHAT)
    ]


def in_pieces(entry: Entry) -> list[Entry]:
    """The same entry in as many pieces as its length asks for, each an event of its own under the access's id.

    What is sealed is bound to the first piece's id and stays there, and so do receipts.
    """
    rest = [
        replace(entry, id=new_event_id(), what=entry.what[start : start + _WHATS_PER_ENTRY], sealed={}, wrote=())
        for start in range(_WHATS_PER_ENTRY, len(entry.what), _WHATS_PER_ENTRY)
    ]
    return [replace(entry, what=entry.what[:_WHATS_PER_ENTRY]), *rest] if rest else [entry]
