"""Attack: open or collect a category of personal data for which the purpose is not registered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from amanah.errors import CategoryUnregistered, FieldProbed, MaskedWrite, SealedWriteRefused

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def posting(stall: Any) -> Iterator[Session]:
    """A Session of the boss, whose rules allow everything, for a purpose that is registered for addresses."""
    with stall.access("a", purpose="post"), Session(stall.engine) as session:
        yield session


def test_a_column_of_another_category_is_withheld_whatever_rules_say(stall: Any) -> None:
    """In an entity it is not there; by name it is refused; the purpose's own category is open."""
    m = stall.m
    with posting(stall) as session:
        one = session.get_one(m.Customer, "yes")
        assert (one.name, one.city) == (None, "city of yes")
        assert session.scalars(select(m.Customer.city).where(m.Customer.id == "yes")).all() == ["city of yes"]
    with stall.session("a") as session:
        assert session.get_one(m.Customer, "yes").name == "name of yes"
    for statement in (
        select(m.Customer.name),
        select(m.Customer.id, m.Customer.name).where(m.Customer.id == "yes"),
        select(m.Guest.name),
    ):
        with posting(stall) as session, pytest.raises(CategoryUnregistered):
            session.execute(statement)


def test_no_row_is_chosen_by_a_column_of_another_category(stall: Any) -> None:
    """Governed columns could be compared and ordered by; to search is to read."""
    m = stall.m
    for statement in (
        select(m.Guest.id).where(m.Guest.name == "yes"),
        select(m.Guest.id).order_by(m.Guest.name),
        select(func.max(m.Guest.name)),
    ):
        with posting(stall) as session, pytest.raises((FieldProbed, CategoryUnregistered)):
            session.execute(statement)


def test_no_value_of_another_category_is_collected(stall: Any) -> None:
    """By the Session, by a Core table, many at once, by an expression; what leaves it out, or says NULL, is written."""
    m = stall.m
    customer, guest = m.Customer.__table__, m.Guest.__table__
    attacks = [
        lambda s: (s.add(m.Customer(id="new", name="Ratna")), s.flush()),
        lambda s: s.execute(insert(customer).values(id="new", name="Ratna")),
        lambda s: s.execute(insert(customer), [{"id": "n1", "city": "x"}, {"id": "n2", "city": "x", "name": "Ratna"}]),
        lambda s: s.execute(insert(customer).values([{"id": "n1", "name": None}, {"id": "n2", "name": "Ratna"}])),
        lambda s: s.execute(insert(m.Customer), [{"id": "n1", "name": "Ratna"}]),
        lambda s: s.execute(insert(guest).values(id=9, name=func.lower("RATNA"))),
    ]
    for attack in attacks:
        with posting(stall) as session, pytest.raises((CategoryUnregistered, SealedWriteRefused)):
            attack(session)
    with posting(stall) as session:
        session.add_all([m.Customer(id="new", city="Kediri"), m.Customer(id="none", name=None, city="Blitar")])
        session.commit()
    assert len(stall.stored("SELECT id FROM customer WHERE name IS NULL AND city IN ('Kediri', 'Blitar')")) == 2


def test_no_value_of_another_category_is_changed(stall: Any) -> None:
    """A column that the access does not see stays as it is; the purpose's own category may be changed."""
    m = stall.m
    customer = m.Customer.__table__
    with posting(stall) as session, pytest.raises(MaskedWrite):
        session.execute(update(customer).where(customer.c.id == "yes").values(name="Ratna"))
    with posting(stall) as session:
        session.get_one(m.Customer, "yes").city = "Tuban"
        session.commit()
    with stall.session("a") as session:
        one = session.get_one(m.Customer, "yes")
        assert (one.name, one.city) == ("name of yes", "Tuban")
