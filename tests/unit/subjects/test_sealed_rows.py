"""Persons whose rows are sealed over what is erased or moved."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from amanah import is_erased
from amanah.errors import RowTampered, RowUnsealed
from amanah.subjects import erase as module
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.merge import merge
from tests.cards_world import ONE, load

OPS = {"operator": "operator:test", "reason": "asked for it"}


def erased(cards: Any) -> Any:
    """Erase Budi; the certificate."""
    return erase(cards.guard, plan_of(cards.guard, "a", "person", "budi"), **OPS)


def seal(cards: Any) -> Any:
    """Of Budi's card."""
    return cards.stored(f"SELECT amanah_seal FROM card WHERE {ONE}")[0][0]


def test_an_erased_row_holds_and_is_changed_as_ever(cards: Any) -> None:
    """Its seal is over what was overwritten and emptied; what it was, put back, is found."""
    names = ("phone", "city", "since")
    before = cards.stored(f"SELECT {', '.join(names)} FROM card WHERE {ONE}")[0]
    erased(cards)
    phone, city, *rest = load(cards)["one"]
    assert is_erased(phone)
    assert (city, rest) == (None, ["new", 1])
    erased(cards)
    with cards.session() as session:
        written_back = {"phone": session.get(cards.m.Card, ("a", "one")).phone, "status": "gone"}
        session.execute(update(cards.m.Card).where(cards.m.Card.id == "one").values(**written_back))
        session.commit()
    assert load(cards)["one"][2] == "gone"
    assert load(cards)["two"] == ("0812 0002", "Medan", "new", 1)
    cards.stored(f"UPDATE card SET city = :city WHERE {ONE}", city=before[1])
    with pytest.raises(RowTampered):
        load(cards)


@pytest.mark.parametrize(
    "edit, error",
    [
        ("status = 'paid'", RowTampered),
        ("amanah_seal = NULL", RowUnsealed),
        ("amanah_seal = 'text'", RowTampered),
        ("amanah_seal = {other}", RowTampered),
        ("status = X'FF'", RowTampered),
    ],
)
def test_an_erasure_is_not_stopped_by_a_seal_that_does_not_hold(cards: Any, edit: str, error: Any) -> None:
    """The row is overwritten, its seal stays what it was, and it is refused as before; others are sealed anew."""
    cards.stored("UPDATE card SET person = 'budi' WHERE tenant_id = 'a' AND id = 'three'")  # not under the seal
    other = "(SELECT c.amanah_seal FROM card c WHERE c.id = 'two')"
    if "FF" in edit and "sqlite" not in cards.url:
        pytest.skip("PostgreSQL's columns take their own types only")
    cards.stored(f"UPDATE card SET {edit.format(other=other)} WHERE {ONE}")
    kept = seal(cards)
    assert erased(cards).lines
    assert seal(cards) == kept
    phone, city = cards.stored(f"SELECT phone, city FROM card WHERE {ONE}")[0]
    assert len(phone) == 1
    assert city is None
    with cards.session() as session, pytest.raises(error):
        session.get(cards.m.Card, ("a", "one"))
    with cards.session() as session:
        assert is_erased(session.get(cards.m.Card, ("a", "three")).phone)


def test_a_row_that_comes_between_is_erased_and_holds(cards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes one about the person after the others were locked."""
    if "sqlite" in cards.url:
        pytest.skip("one writer at a time")
    holds = module._holds
    come: list[None] = []

    def late(*arguments: Any) -> bool:
        if not come:
            come.append(None)
            cards.stored("UPDATE card SET person = 'budi' WHERE tenant_id = 'a' AND id = 'three'")
        return holds(*arguments)

    monkeypatch.setattr(module, "_holds", late)
    erased(cards)
    found = load(cards)
    assert is_erased(found["one"][0])
    assert is_erased(found["three"][0])
    assert cards.stored("SELECT length(phone) FROM card WHERE tenant_id = 'a' AND id = 'three'") == [(1,)]


def test_a_merged_row_is_sealed_over_its_new_values(cards: Any) -> None:
    """By the operator's merge and by the application's reseal: it holds, and opens under the other one's secret."""
    assert merge(cards.guard, "a", "person", "budi", "siti", **OPS) == {"card": 1}
    assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)
    for person in (None, "budi"):
        with cards.session() as session:
            cards.guard.reseal(session, "card", key={"id": "one"}, to={"person": person})
            session.commit()
        assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)
    cards.stored(f"UPDATE card SET phone = NULL WHERE {ONE}")
    with pytest.raises(RowTampered):
        load(cards)


def test_a_row_whose_seal_does_not_hold_is_not_moved(cards: Any) -> None:
    """Neither by merge nor by reseal: its new seal would make the edit honest. All of it is rolled back."""
    for edit, error in (("status = 'paid'", RowTampered), ("amanah_seal = NULL", RowUnsealed)):
        cards.stored(f"UPDATE card SET {edit} WHERE {ONE}")
        kept = cards.stored("SELECT * FROM card ORDER BY tenant_id, id")
        with pytest.raises(error):
            merge(cards.guard, "a", "person", "budi", "siti", **OPS)
        with cards.session() as session, pytest.raises(error):
            cards.guard.reseal(session, "card", key={"id": "one"}, to={"person": "siti"})
        assert cards.stored("SELECT * FROM card ORDER BY tenant_id, id") == kept
