"""An id as people type it finds the person whose key is stored in another spelling."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import pytest
from sqlalchemy import select

from amanah import is_erased
from amanah.audit.entries import new_event_id, now_us
from amanah.errors import InvalidInput, SubjectUnknown
from amanah.middleware.consents import subject_text
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.ledger import Erasure, Ledger
from amanah.subjects.merge import merge
from amanah.subjects.replay import outstanding, replay, unknown


@pytest.fixture
def card(stall: Any) -> uuid.UUID:
    """The key of a card about whose holder there are two rows, and a live consent."""
    return sys.modules["consent_world"].CARD


def spellings(key: uuid.UUID) -> list[str]:
    """With dashes, without, in capitals, in braces, as a URN."""
    return [str(key), key.hex, str(key).upper(), f"{{{key}}}", key.urn]


def owners(stall: Any, key: uuid.UUID) -> list[Any]:
    """Whose card and badge it is."""
    m = stall.m
    with stall.session("a") as session:
        return [session.scalars(select(one.owner).where(one.id == key)).one() for one in (m.Card, m.Badge)]


def test_each_spelling_of_a_uuid_is_the_same_person(stall: Any, card: uuid.UUID) -> None:
    """To the plan of an erasure and to consents; a number with zeros before it is that number."""
    for typed in spellings(card):
        made = plan_of(stall.guard, "a", "card", typed)
        assert (made.subject, [line.rows for line in made.lines]) == (card.hex, [1, 1])
        assert subject_text(stall.guard.register, "card", typed) == card.hex
    assert plan_of(stall.guard, "a", "guest", "0071").subject == "71"
    for kind, nobody in (("card", str(uuid.UUID(int=7))), ("card", "seven"), ("guest", "7-1"), ("nobody", "1")):
        with pytest.raises(SubjectUnknown):
            plan_of(stall.guard, "a", kind, nobody)


def test_an_erasure_by_an_id_with_dashes_erases(stall: Any, card: uuid.UUID) -> None:
    """The secret that is destroyed is the person's own, their consents are withdrawn, and nothing is left over."""
    erase(stall.guard, plan_of(stall.guard, "a", "card", str(card)), operator="o", reason="r")
    assert all(is_erased(owner) for owner in owners(stall, card))
    assert stall.stored("SELECT subject FROM amanah_subject WHERE erased_at IS NOT NULL") == [(card.hex,)]
    because = "SELECT withdrawn_because FROM amanah_consent WHERE kind = 'card'"
    assert stall.stored(because) == [("erased",)]
    assert [one.subject for one in Ledger(stall.guard.settings.erasure_ledger, stall.guard.signer).read()] == [card.hex]
    with stall.guard.engine.connect() as connection:
        assert (outstanding(stall.guard, connection), unknown(stall.guard, connection)) == ([], [])


def test_an_erasure_that_was_written_down_as_it_was_typed_is_carried_out(stall: Any, card: uuid.UUID) -> None:
    """A ledger from before has the id with dashes: the person is found, erased once, and then known."""
    line = Erasure(id=new_event_id(), at=now_us(), tenant="a", kind="card", subject=str(card))
    Ledger(stall.guard.settings.erasure_ledger, stall.guard.signer).append(line)
    with stall.guard.engine.connect() as connection:
        assert [one.subject for one in unknown(stall.guard, connection)] == [card.hex]
    assert len(list(replay(stall.guard, operator="o"))) == 1
    assert all(is_erased(owner) for owner in owners(stall, card))
    assert list(replay(stall.guard, operator="o")) == []


def test_nobody_is_merged_with_another_spelling_of_themselves(stall: Any, card: uuid.UUID) -> None:
    """It would be the same person twice."""
    for typed in spellings(card):
        with pytest.raises(InvalidInput):
            merge(stall.guard, "a", "card", str(card), typed, operator="o", reason="r")
