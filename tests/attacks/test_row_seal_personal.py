"""Attack: put an older value back into its own cell, where the row's seal covers it beside a version."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from sqlalchemy import column, select, update

from amanah.errors import RawSqlRefused, RowTampered, RowUnsealed
from amanah.testing import trail_of
from tests.cards_world import ONE, load


def changed(cards: Any, **values: Any) -> None:
    """The application changes Budi's card."""
    with cards.session() as session:
        one = session.get(cards.m.Card, ("a", "one"))
        for name, value in values.items():
            setattr(one, name, value)
        session.commit()


def older(cards: Any, *names: str) -> dict[str, Any]:
    """What stands in these columns of Budi's card now."""
    (row,) = cards.stored(f"SELECT {', '.join(names)} FROM card WHERE {ONE}")
    return dict(zip(names, row, strict=True))


def put_back(cards: Any, before: dict[str, Any]) -> None:
    """By SQL of one's own."""
    cards.stored(f"UPDATE card SET {', '.join(f'{n} = :{n}' for n in before)} WHERE {ONE}", **before)


@pytest.mark.parametrize("names", [("phone",), ("phone", "phone_ix"), ("city",), ("phone", "city", "since")])
def test_an_older_value_put_back_alone_is_found(cards: Any, names: tuple[str, ...]) -> None:
    """Its envelope opens, and its row is refused, by entity and by each plain column under the seal."""
    m, before = cards.m, older(cards, *names)
    changed(cards, phone="0899 9999", city="Solo")
    assert load(cards)["one"] == ("0899 9999", "Solo", "new", 2)
    put_back(cards, before)
    for statement in (select(m.Card), select(m.Card.version), select(m.Card.status, m.Card.phone)):
        with cards.session() as session, pytest.raises(RowTampered):
            session.execute(statement).all()
    refused = [one for one in trail_of(cards.guard, "a") if "row-tampered" in str(one)]
    assert refused
    if "phone" in names:  # alone it is not checked: the documented limit
        with cards.session() as session:
            assert session.scalar(select(m.Card.phone).where(m.Card.id == "one")) == "0812 0001"


def test_an_older_value_with_its_older_seal_is_found_by_the_version(cards: Any) -> None:
    """The version that stands there is not the one under that seal; only the whole row as it was would hold."""
    before = older(cards, "phone", "phone_ix", "amanah_seal")
    row = older(cards, "version")
    changed(cards, phone="0899 9999")
    put_back(cards, before)
    with pytest.raises(RowTampered):
        load(cards)
    put_back(cards, before | row)
    assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)


def test_what_is_stored_of_a_personal_column_cannot_be_touched(cards: Any) -> None:
    """NULL, emptied, another row's, the stamp of an erasure, governed values, the seal: each is found."""
    blob = "X''" if "sqlite" in cards.url else "''::bytea"
    stamp = "X'03'" if "sqlite" in cards.url else "'\\x03'::bytea"
    kept = older(cards, "phone", "city", "since", "amanah_seal")
    for edit in (
        "phone = NULL",
        f"phone = {blob}",
        f"phone = {stamp}",
        "phone = (SELECT b.phone FROM card b WHERE b.id = 'two')",
        "city = 'Solo'",
        "city = NULL",
        "city = 'Kediri '",
        "since = '2026-01-03'",
        "amanah_seal = NULL",
        "amanah_seal = (SELECT b.amanah_seal FROM card b WHERE b.id = 'two')",
    ):
        cards.stored(f"UPDATE card SET {edit} WHERE {ONE}")
        with cards.session() as session, pytest.raises(RowTampered):
            session.execute(select(cards.m.Card.version)).all()
        put_back(cards, kept)
        load(cards)


def test_an_honest_change_does_not_seal_a_replay(cards: Any) -> None:
    """Whoever changes the row, by any covered column, is refused: the older value is not laundered."""
    m, before = cards.m, older(cards, "phone")
    changed(cards, phone="0899 9999")
    put_back(cards, before)
    mine = update(m.Card).where(m.Card.id == "one")
    for values in ({"status": "gone"}, {"phone": "0877 7777"}, {"city": "Solo"}, {"version": 9}):
        with cards.session() as session, pytest.raises(RowTampered):
            session.execute(mine.values(**values))
    with cards.session() as session:  # what is not covered may change, and seals nothing
        session.execute(mine.values(note="x", memo="y"))
        session.commit()
    with pytest.raises(RowTampered):
        load(cards)
    cards.stored(f"UPDATE card SET amanah_seal = NULL WHERE {ONE}")
    with cards.session() as session, pytest.raises(RowUnsealed):
        session.execute(mine.values(phone="0877 7777"))


def test_who_sees_little_is_refused_a_replayed_row_all_the_same(cards: Any) -> None:
    """Masked and withheld columns are checked by what is stored; the check opens nothing."""
    m, before = cards.m, older(cards, "phone")
    with cards.session(actor="masker") as session:
        one = session.get(m.Card, ("a", "one"))
        assert one.phone != "0812 0001"
        assert one.city is None
    changed(cards, phone="0899 9999")
    put_back(cards, before)
    with cards.session(actor="masker") as session, pytest.raises(RowTampered):
        session.get(m.Card, ("a", "one"))


def test_what_a_subquery_passes_on_is_read_by_nobody(cards: Any) -> None:
    """Beside the row's first column it carries the governed values, also for who does not see them."""
    m = cards.m
    passed = select(m.Card.id, m.Card.status, m.Card.version).subquery("s")
    for first in ("status", "version"):
        name = f"amanah_{hashlib.sha256(first.encode()).hexdigest()[:16]}"
        for spelled in (name, name.upper()):
            with cards.session(actor="masker") as session, pytest.raises(RawSqlRefused):
                session.execute(select(passed.c.id, column(spelled))).all()
