"""The notes of one access."""

from __future__ import annotations

from typing import Any

from amanah.audit.entries import What
from amanah.middleware.notes import Notes
from amanah.middleware.pieces import ROWS_PER_WHAT


def test_notes_are_handed_over_once_and_sorted(empty_books: Any) -> None:
    """Cells of one row and one sight become one line; what was only touched is named; afterwards nothing is pending."""
    table = empty_books.guard.register.tables["customer"]
    notes, row = Notes(), (table, "budi", "budi")
    assert not notes.pending
    notes.touched("customer", "read")
    notes.touched("invoice", "read")
    notes.opened(table.fields["name"], row, masked=False)
    notes.opened(table.fields["name"], row, masked=False)
    notes.opened(table.fields["phone"], row, masked=True)
    notes.add(What("tag", "create_undone", rows=("t",)))
    assert notes.pending
    assert notes.drain() == (
        What("tag", "create_undone", rows=("t",)),
        What("customer", "read", ("name",), ("phone",), ("budi",), ("budi",), 1),
        What("invoice", "read"),
    )
    assert not notes.pending
    assert notes.drain() == ()


def test_a_long_reading_becomes_several_lines(empty_books: Any) -> None:
    """An entry stays small however much was read."""
    field = empty_books.guard.register.tables["customer"].fields["name"]
    notes = Notes()
    for number in range(ROWS_PER_WHAT + 1):
        notes.opened(field, (field.table, str(number), ""), masked=False)
    assert [w.count for w in notes.drain()] == [ROWS_PER_WHAT, 1]
