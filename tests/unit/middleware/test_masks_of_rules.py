"""Masks that rules name, as an application sees them: through the gate, on both databases."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import String, insert, select, text

from amanah.access_policies import models
from amanah.access_policies.masks import TELLS
from amanah.database import bump
from amanah.encryption.codecs import codec_for
from amanah.errors import FieldWithheld, InvalidInput, MaskedWrite
from amanah.middleware import masks
from amanah.middleware.access import Sight
from tests import sql_world

if TYPE_CHECKING:
    from collections.abc import Callable

BILLING = sql_world.BILLING
PHONE = "0812 3456 7890"


@pytest.fixture
def seeded(books: Any) -> Any:
    """`books` with Sari, whose columns are all filled."""
    with books.session() as session:
        person = books.m.Person(id=7, tenant_id="a", name="Sari", mobile=PHONE, born=dt.date(1990, 5, 17))
        session.add_all([books.m.Customer(id="sari", name="Sari", phone=PHONE, city="Surabaya"), person])
        session.commit()
    return books


def add(books: Any, field: str, mask: str, role: str = "masker") -> str:
    """Let a role see a field masked, by this mask."""
    with books.guard.engine.begin() as connection:
        rule: str = books.guard.policies.add_rule(
            connection, "a", role=role, object=field, action="read_masked", purpose=BILLING, mask=mask
        )
    return rule


def seen(books: Any, actor: str = "masker") -> tuple[Any, Any]:
    """Telephone number (sealed) and city (governed) of Sari."""
    with books.session("a", actor) as session:
        found = session.get_one(books.m.Customer, ("a", "sari"))
        return found.phone, found.city


def test_a_rules_mask_is_shown_in_place_of_the_columns_own(seeded: Any) -> None:
    """From the next access on, for sealed and for governed columns, and for nobody else."""
    assert seen(seeded) == ("•••• 7890", "••••")
    add(seeded, "customer.phone", "dots")
    add(seeded, "customer.city", "empty")
    assert seen(seeded) == ("••••", "")
    assert seen(seeded, "viewer") == (PHONE, "Surabaya")


def test_an_access_that_is_open_keeps_its_mask(seeded: Any) -> None:
    """What an access shows does not change while it lasts."""
    phone = select(seeded.m.Customer.__table__.c.phone).where(seeded.m.Customer.__table__.c.id == "sari")
    with seeded.access(actor="masker"), seeded.engine.connect() as connection:
        assert connection.execute(phone).scalar_one() == "•••• 7890"
        add(seeded, "customer.phone", "dots")
        assert connection.execute(phone).scalar_one() == "•••• 7890"
    assert seen(seeded)[0] == "••••"


def test_a_pseudonym_by_a_rule_tells_equal_values_and_no_more(seeded: Any) -> None:
    """The keyed mask works as it does where a column declares it."""
    add(seeded, "customer.phone", "hash")
    add(seeded, "person.mobile", "hash")
    with seeded.session("a", "masker") as session:
        shown = session.get_one(seeded.m.Person, 7).mobile
    assert (seen(seeded)[0][0], shown[0], len(shown)) == ("#", "#", 13)
    assert shown != seen(seeded)[0]


def test_a_declared_report_shows_the_rules_mask(seeded: Any) -> None:
    """Raw SQL that the application declared goes the same way."""
    sql = "SELECT city AS city, phone AS phone FROM customer WHERE id = 'sari'"
    seeded.guard.declared_sql("cities", sql, {"city": "customer.city", "phone": "customer.phone"})
    add(seeded, "customer.phone", "hash")
    with seeded.session("a", "masker") as session:
        row = session.execute(text(sql)).mappings().one()
    assert (row["city"], row["phone"][0]) == ("••••", "#")


def test_what_was_shown_by_a_rules_mask_can_be_written_back(seeded: Any) -> None:
    """An edit form changes nothing by it; the column's own mask, which was not shown, is a change and refused."""
    add(seeded, "customer.phone", "hash")
    customer = seeded.m.Customer.__table__
    one = customer.update().where(customer.c.tenant_id == "a", customer.c.id == "sari")
    shown = seen(seeded)[0]
    with seeded.session("a", "masker") as session:
        session.execute(one.values(phone=shown))
        with pytest.raises(MaskedWrite):
            session.execute(one.values(phone="•••• 7890"))
        session.commit()
    assert seen(seeded, "boss")[0] == PHONE


def test_an_access_that_narrows_itself_shows_what_rules_let_it_see_masked(seeded: Any) -> None:
    """Whoever sees in clear and is masked for a copy is shown the rule's mask, or the column's own."""
    add(seeded, "customer.phone", "dots", role="boss")
    fields = seeded.guard.register.tables["customer"].fields
    with seeded.access(actor="boss") as access:
        access.narrow(fields.values())
        assert (access.mask(fields["phone"])(PHONE), access.mask(fields["name"])("Sari Dewi")) == ("••••", "S. D.")


def test_a_mask_that_this_process_does_not_know_withholds_the_value(seeded: Any) -> None:
    """Written by another version of the application, or clearer than what is declared now: nothing is shown."""
    for number, mask in ((900, "newer"), (901, "year"), (902, "initials")):
        with seeded.guard.engine.begin() as connection:
            row = {"tenant_id": "a", "number": number, "role": "masker", "object": "customer.phone", "effect": "allow"}
            rest = {"action": "read_masked", "purpose": BILLING, "mask": mask, "since": 1}
            connection.execute(insert(models.rule).values(**row, **rest))
            bump(connection, "a")
        assert seen(seeded)[0] is None
        phone = seeded.guard.register.tables["customer"].fields["phone"]
        with seeded.access(actor="masker") as access:
            assert access.sight(phone) is Sight.WITHHELD
        with seeded.session("a", "masker") as session, pytest.raises(FieldWithheld):
            session.execute(select(seeded.m.Customer.__table__.c.phone)).all()
        with seeded.guard.engine.begin() as connection:
            connection.execute(models.rule.delete().where(models.rule.c.number == number))


@pytest.mark.parametrize(
    ("field", "mask"),
    [
        ("customer.phone", "initials"),  # another part than its own mask shows
        ("customer.phone", "year"),
        ("person.born", "dots"),
        ("customer.religion", "last4"),  # its own shows nothing
        ("customer.religion", "hash"),
        ("customer.nobody", "dots"),
        ("category:user", "dots"),  # there are dates below it
    ],
)
def test_a_guard_refuses_a_mask_that_it_could_not_keep(books: Any, field: str, mask: str) -> None:
    """By the type of each column, and by what its own mask shows."""
    with pytest.raises(InvalidInput):
        add(books, field, mask)


@pytest.mark.parametrize(("field", "mask"), [("person.born", "year"), ("customer.name", "hash"), ("*", "hash")])
def test_a_guard_takes_a_mask_that_fits(books: Any, field: str, mask: str) -> None:
    """The own mask by its name is one; for everything there is none."""
    if field == "*":
        with pytest.raises(InvalidInput):
            add(books, field, mask)
    else:
        assert add(books, field, mask)


def test_the_names_that_rules_know_are_the_masks_that_there_are() -> None:
    """But for the constant, which is a declaration's only."""
    assert set(TELLS) == {*masks.BY_NAME, *masks.OF_A_COLUMN} - {"constant"}


@pytest.mark.parametrize("own", [masks.last4, masks.dots, masks.nothing])
def test_no_mask_shows_more_than_the_columns_own(own: Callable[[Any], Any]) -> None:
    """`instead` is asked for each decision, so it holds also where the policy was written for another declaration."""
    column = masks.MaskedColumn("customer.value", "customer", "user.x", str, codec_for(String()))
    shows = {name for name in (*TELLS, "constant:x", "newer") if masks.instead(column, own, name)}
    assert shows == {"dots", "empty"} | ({"hash", "last4"} if own is masks.last4 else set())
