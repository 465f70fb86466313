"""Values that stand under their row's seal: each is moved together with the seal, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from amanah.adoption import sealing_swaps
from amanah.adoption.row_sealing import accept_row, seal_rows, sealed_tables
from amanah.errors import KeyStillUsed, RowTampered, RowUnsealed
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import retire
from tests.cards_world import ONE, load
from tests.rekeying_world import OPS, new_data_keys


def moved(cards: Any, *names: str, **options: Any) -> dict[str, Any]:
    """What `reencrypt` says, by column."""
    found = reencrypt(cards.guard, names, operator=OPS, **options)
    return {f"{one.table}.{one.column}": one for one in found}


@pytest.mark.parametrize("batch", [1, 100])
def test_values_move_with_the_seals_of_their_rows(cards: Any, batch: int) -> None:
    """Everything reads as before, the old key is free, and a second run finds nothing."""
    before = load(cards), load(cards, "b")
    new_data_keys(cards.guard)
    done = moved(cards, batch=batch)
    assert (done["card.phone"].moved, done["card.memo"].moved, done["badge.holder"].moved) == (4, 1, 2)
    assert all(one.whole for one in done.values())
    assert (load(cards), load(cards, "b")) == before
    for tenant in ("a", "b"):
        retire(cards.guard, tenant, 2, operator=OPS)
    assert (load(cards), load(cards, "b")) == before
    assert not any(one.moved for one in moved(cards).values())


def test_a_column_alone_moves_with_the_seal_too(cards: Any) -> None:
    """Named by itself; a column that is not under the seal leaves it as it is."""
    new_data_keys(cards.guard)
    seals = cards.stored("SELECT amanah_seal FROM card ORDER BY tenant_id, id")
    assert moved(cards, "card.memo")["card.memo"].moved == 1
    assert cards.stored("SELECT amanah_seal FROM card ORDER BY tenant_id, id") == seals
    assert moved(cards, "card.phone")["card.phone"].moved == 4
    assert cards.stored("SELECT amanah_seal FROM card ORDER BY tenant_id, id") != seals
    assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)


def test_a_row_whose_seal_does_not_hold_stays_as_it_is(cards: Any) -> None:
    """A replayed value is not moved and not sealed anew; it is named, and keeps the old key from being retired."""
    (before,) = cards.stored(f"SELECT phone FROM card WHERE {ONE}")
    with cards.session() as session:
        session.execute(update(cards.m.Card).where(cards.m.Card.id == "one").values(phone="0899 1"))
        session.commit()
    cards.stored(f"UPDATE card SET phone = :phone WHERE {ONE}", phone=before[0])
    if "sqlite" in cards.url:  # what is no text at all is no value of the column, and stops nothing
        cards.stored("UPDATE card SET status = X'FF' WHERE tenant_id = 'a' AND id = 'two'")
    else:
        cards.stored("UPDATE card SET status = 'x' WHERE tenant_id = 'a' AND id = 'two'")
    kept = cards.stored(f"SELECT * FROM card WHERE {ONE}")
    new_data_keys(cards.guard)
    done = moved(cards)
    assert cards.stored(f"SELECT * FROM card WHERE {ONE}") == kept
    assert (done["card.phone"].moved, done["card.phone"].left) == (2, 2)
    assert sorted(done["card.phone"].unopened) == [("a", "one"), ("a", "two")]
    assert sorted(done["card.amanah_seal"].unopened) == [("a", "one"), ("a", "two")]
    with pytest.raises(RowTampered):
        load(cards)
    with pytest.raises(KeyStillUsed):
        retire(cards.guard, "a", 2, operator=OPS)
    (card,) = sealed_tables(cards.guard, ["card"])
    assert accept_row(cards.guard, card, "one", tenant="a", operator=OPS)
    assert moved(cards)["card.phone"].moved == 1


def test_a_row_without_a_seal_is_moved_and_gets_none(cards: Any) -> None:
    """Its values are the row's own; whether it is sealed is for `amanah seal-rows`, which covers them."""
    cards.stored("UPDATE card SET amanah_seal = NULL")
    new_data_keys(cards.guard)
    assert moved(cards)["card.phone"].moved == 4
    assert cards.stored("SELECT DISTINCT amanah_seal FROM card") == [(None,)]
    with pytest.raises(RowUnsealed):
        load(cards)
    (done,) = seal_rows(cards.guard, sealed_tables(cards.guard, ["card"]), operator=OPS)
    assert (done.done, done.whole) == (4, True)
    assert load(cards)["two"] == ("0812 0002", "Medan", "new", 1)
    cards.stored("UPDATE card SET phone = NULL WHERE tenant_id = 'a' AND id = 'two'")
    with pytest.raises(RowTampered):
        load(cards)


@pytest.mark.parametrize("change", [{"status": "paid"}, {"phone": "0899 1"}, {"city": "Solo"}])
def test_a_write_that_comes_between_wins(cards: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]) -> None:
    """Also one of another column under the seal: the seal that was seen is not there any more."""
    store = sealing_swaps.Swapper.store
    written: list[None] = []

    def late(self: Any, swaps: Any) -> Any:
        if not written:
            written.append(None)
            with cards.session() as session:
                session.execute(update(cards.m.Card).where(cards.m.Card.id == "one").values(**change))
                session.commit()
        return store(self, swaps)

    monkeypatch.setattr(sealing_swaps.Swapper, "store", late)
    new_data_keys(cards.guard)
    done = moved(cards, "card", tenant="a")
    assert all(one.whole for one in done.values())
    phone, city, status, _ = load(cards)["one"]
    assert {"phone": phone, "city": city, "status": status} == {
        "phone": "0812 0001",
        "city": "Kediri",
        "status": "new",
    } | change
