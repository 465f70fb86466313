"""Sealing rows that are there, accepting one, and moving seals to a newer key."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from amanah.adoption.row_sealing import accept_row, renew_row_seals, seal_rows, sealed_tables
from amanah.errors import InvalidInput, RowsSealedBefore, RowTampered, RowUnsealed, SiblingsMissing
from amanah.testing import trail_of

WHO = {"operator": "operator:test"}


def load(till: Any, tenant: str = "a") -> int:
    """How many bills and lines there are; each is checked."""
    with till.session(tenant) as session:
        return len(session.scalars(select(till.m.Bill)).all()) + len(session.scalars(select(till.m.Line)).all())


def acts(till: Any, tenant: str) -> list[dict[str, Any]]:
    """What operators did, oldest first."""
    done = [one.detail for one in trail_of(till.guard, tenant) if one.kind == "admin"]
    return [dict(one) for one in reversed(done) if "row" in str(one.get("act"))]


def test_rows_that_are_there_are_sealed_as_they_are(till: Any) -> None:
    """In batches, tenant by tenant, with an entry before and after; a second run finds nothing to do."""
    till.stored("UPDATE bill SET amanah_seal = NULL")
    till.stored("UPDATE line SET amanah_seal = NULL")
    with pytest.raises(RowUnsealed):
        load(till)
    tables = sealed_tables(till.guard, ["bill", "line"])
    done = seal_rows(till.guard, tables, batch=2, **WHO)
    assert [(one.table, one.done, one.whole) for one in done] == [("bill", 3, True), ("line", 3, True)]
    assert load(till) == 5
    assert load(till, "b") == 1
    assert [one.done for one in seal_rows(till.guard, tables, batch=2, **WHO)] == [0, 0]
    found = acts(till, "b")
    assert [one["act"] for one in found] == ["seal-rows.begin", "seal-rows.end"]
    assert found[1]["done"] == 1
    assert found[1]["table"] == "bill"


def test_a_seal_taken_away_is_not_put_back_unasked(till: Any) -> None:
    """Rows without a seal beside rows with one: refused, and only ``again`` seals them; a killed run goes on so."""
    till.stored("UPDATE bill SET amanah_seal = NULL, total = 1 WHERE tenant_id = 'a' AND id = 'one'")
    tables = sealed_tables(till.guard, ["bill"])
    with pytest.raises(RowsSealedBefore):
        seal_rows(till.guard, tables, **WHO)
    assert not acts(till, "a")
    assert [one.done for one in seal_rows(till.guard, tables, tenant="b", **WHO)] == [0]
    assert [one.done for one in seal_rows(till.guard, tables, again=True, **WHO)] == [1]
    assert load(till) == 5


def test_one_row_is_accepted_by_name(till: Any) -> None:
    """Its edit stands from then on, the trail says whose word it was, and other rows stay refused."""
    till.stored("UPDATE bill SET total = 1 WHERE tenant_id = 'a'")
    (bill,) = sealed_tables(till.guard, ["bill"])
    with pytest.raises(RowTampered):
        load(till)
    assert accept_row(till.guard, bill, "one", tenant="a", **WHO)
    assert not accept_row(till.guard, bill, "none", tenant="a", **WHO)
    with pytest.raises(InvalidInput):
        accept_row(till.guard, bill, "one/two", tenant="a", **WHO)
    with till.session() as session:
        assert session.get(till.m.Bill, ("a", "one")).total == 1
        with pytest.raises(RowTampered):
            session.get(till.m.Bill, ("a", "two"))
    assert acts(till, "a")[1] == {"act": "accept-row.end", "table": "bill", "row": "one", "done": True}


def test_seals_move_to_a_newer_key_and_broken_ones_stay(till: Any) -> None:
    """What holds is sealed under the newest data key; what does not is told by name and left as it is."""
    from amanah.encryption.keyring import Keyring

    till.stored("UPDATE bill SET total = 1 WHERE tenant_id = 'a' AND id = 'one'")
    with till.guard.engine.begin() as connection:
        till.guard.keyring.rotate_data_key(connection, "a")
    settled = till.guard.keyring = Keyring(till.guard.engine, till.guard.provider, ttl=0.000001)
    assert settled.cipher("a").sealing_version > 1
    till.guard.admission._keyring = till.guard.admission._tenants._keyring = settled
    (bill, line) = sealed_tables(till.guard, ["bill", "line"])
    before = till.stored("SELECT amanah_seal FROM bill WHERE tenant_id = 'a' AND id = 'one'")
    done = renew_row_seals(till.guard, [bill, line], batch=1, **WHO)
    assert [one.done for one in done] == [1, 3]
    assert done[0].broken == [("a", "one")]
    assert till.stored("SELECT amanah_seal FROM bill WHERE tenant_id = 'a' AND id = 'one'") == before
    versions = till.stored("SELECT amanah_seal FROM line")
    assert {bytes(seal)[4] for (seal,) in versions} == {settled.cipher("a").sealing_version}
    assert [one.done for one in renew_row_seals(till.guard, [bill, line], **WHO)] == [0, 0]


def test_what_cannot_be_done_is_told_before_anything_is(till: Any) -> None:
    """A table that is not sealed, a column that is not there, a tenant without keys."""
    with pytest.raises(InvalidInput):
        sealed_tables(till.guard, ["bill", "nothing"])
    assert [one.table.name for one in sealed_tables(till.guard, [])] == ["bill", "line", "notice", "receipt"]
    till.stored("DELETE FROM line")
    till.stored("UPDATE bill SET amanah_seal = NULL, tenant_id = 'nobody' WHERE tenant_id = 'b'")
    (done,) = seal_rows(till.guard, sealed_tables(till.guard, ["bill"]), **WHO)
    assert done.without_keys == {"nobody": 1}
    assert not done.whole
    till.stored("ALTER TABLE line DROP COLUMN amanah_seal")
    with pytest.raises(SiblingsMissing, match=r"line\.amanah_seal"):
        seal_rows(till.guard, sealed_tables(till.guard, []), **WHO)


def test_a_value_that_is_none_of_its_column_is_not_sealed(till: Any) -> None:
    """It is named, and the other rows are sealed."""
    if "sqlite" not in till.url:
        pytest.skip("PostgreSQL's columns take their own types only")
    till.stored("UPDATE bill SET amanah_seal = NULL")
    till.stored("UPDATE bill SET total = 'much' WHERE tenant_id = 'a' AND id = 'one'")
    (done,) = seal_rows(till.guard, sealed_tables(till.guard, ["bill"]), **WHO)
    assert done.done == 2
    assert done.broken == [("a", "one")]
