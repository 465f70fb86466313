"""Seals of rows are under data keys as well: they move, and keep a version from being retired."""

from __future__ import annotations

from decimal import Decimal

import pytest

from amanah.errors import KeyStillUsed
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import retire
from tests.rekeying_world import OPS, new_data_keys

BILL = "bill.amanah_seal"


def test_the_seals_of_rows_move_to_the_newest_key(till):
    """Those that hold; a row that was edited keeps its old seal, is named, and blocks the retirement of its key."""
    books, guard = till, till.guard
    new_data_keys(guard)
    with pytest.raises(KeyStillUsed) as told:
        retire(guard, "b", 2, operator=OPS)
    assert BILL in told.value.facts["columns"]
    books.stored("UPDATE bill SET total = 6 WHERE tenant_id = 'a' AND id = 'one'")
    found = {f"{one.table}.{one.column}": one for one in reencrypt(guard, operator=OPS)}
    assert (found[BILL].moved, found[BILL].left) == (2, 1)
    assert [owner for owner, _ in found[BILL].unopened] == ["a"]
    assert retire(guard, "b", 2, operator=OPS).lost == {}
    with pytest.raises(KeyStillUsed):
        retire(guard, "a", 2, operator=OPS)
    with books.session("b") as session:
        assert session.get(books.m.Bill, ("b", "one")).total == Decimal(900)
    again = {f"{one.table}.{one.column}": one for one in reencrypt(guard, operator=OPS, tenant="b")}
    assert (again[BILL].moved, again[BILL].left) == (0, 0)
