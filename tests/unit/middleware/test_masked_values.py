"""Masks as an application sees them: through the gate, on both databases."""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Date, Enum, Float, String, Uuid, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Coordinate, Personal, Point, declare
from amanah.errors import FieldProbed, MaskedWrite
from tests import sql_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHONE = "0812 3456 7890"
NORMAL = b"+6281234567890"
SURABAYA = Coordinate(-7.257472, 112.75209)
SHOWN = ("phone", "spare", "device", "name", "born", "where", "latitude", "choice")


def models() -> SimpleNamespace:
    """One table; each column has another mask."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        phone: Mapped[str | None] = mapped_column(String(20))
        spare: Mapped[str | None] = mapped_column(String(20))
        device: Mapped[uuid.UUID | None] = mapped_column(Uuid)
        name: Mapped[str | None] = mapped_column(String(40))
        born: Mapped[dt.date | None] = mapped_column(Date)
        where: Mapped[Coordinate | None] = mapped_column(Point)
        latitude: Mapped[float | None] = mapped_column(Float)
        choice: Mapped[str | None] = mapped_column(Enum("sehat", "sakit", name="choice"))
        home: Mapped[Coordinate] = mapped_column(Point, default=SURABAYA)  # withheld from everybody who sees masks

    return SimpleNamespace(Base=Base, Person=Person)


def declared() -> list[Any]:
    """Most of them sealed, some governed."""
    phone, place = "user.contact.phone_number", "user.location.precise"
    columns = {
        "phone": Personal(category=phone, mask="hash", normalise="phone"),
        "spare": Personal(category=phone, mask="hash", normalise="phone", sealed=False),
        "device": Personal(category="user.device.device_id", mask="hash"),
        "name": Personal(category="user.name", mask="constant:Pelanggan"),
        "born": Personal(category="user.demographic.date_of_birth", mask="constant:1900-01-01", sealed=False),
        "where": Personal(category=place),
        "latitude": Personal(category=place, sealed=False),
        "choice": Personal(category="user.health_and_medical", mask="constant:sehat"),
        "home": Personal(category=place, sealed=False),
    }
    return [declare("person", subject="id", columns=columns)]


@pytest.fixture
def masked(database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Two tenants; Budi and Sari share a number, and Tono of the other tenant has it, too."""
    world = sql_world.build(database_url, tmp_path, made=models(), declared=declared())
    known = {"born"}  # of the world's own policy
    rules = [
        ("masker", f"person.{name}", "read_masked", sql_world.BILLING, "allow") for name in SHOWN if name not in known
    ]
    with world.guard.engine.begin() as connection:
        for tenant in ("a", "b"):
            world.guard.policies.add_rules(connection, tenant, rules)
    person = world.m.Person
    facts = {
        "device": uuid.UUID(int=7),
        "born": dt.date(1990, 5, 17),
        "where": SURABAYA,
        "latitude": -7.257472,
        "choice": "sakit",
    }
    for tenant, people in {"a": ((1, PHONE), (2, "+62 81234567890"), (3, "0813 1111")), "b": ((4, PHONE),)}.items():
        with world.session(tenant) as session:
            session.add_all(
                person(id=number, phone=phone, spare=phone, name=f"Budi {number}", **facts) for number, phone in people
            )
            session.commit()
    yield world
    world.close()


def seen(world: Any, number: int, tenant: str = "a") -> Any:
    with world.session(tenant, actor="masker") as session:
        found = session.get_one(world.m.Person, number)
        session.expunge(found)
        return found


def test_a_pseudonym_is_the_same_for_equal_values_of_a_column_only(masked: Any) -> None:
    """Two spellings of a number have one; another number, another column and another tenant have others.

    It is no digest that can be tried without the tenant's key, and no part of a search token or of what is stored.
    """
    budi, sari, other, theirs = seen(masked, 1), seen(masked, 2), seen(masked, 3), seen(masked, 4, "b")
    assert re.fullmatch("#[a-z2-7]{12}", budi.phone)
    assert budi.phone == sari.phone == seen(masked, 1).phone
    assert len({budi.phone, other.phone, budi.spare, theirs.phone}) == 4
    assert budi.device == sari.device != theirs.device
    assert (type(budi.device), budi.device.version, budi.device.variant) == (uuid.UUID, 8, uuid.RFC_4122)

    bits = base64.b32decode(budi.phone[1:].upper() + "====")[:7]
    assert bits == masked.guard.keyring.cipher("a").token("mask:person.phone", NORMAL)[:7]
    assert bits != masked.guard.keyring.cipher("a").token("person.phone", NORMAL)[:7]
    assert bits not in b"".join(bytes(cell) for cell in masked.stored("SELECT phone, device FROM person")[0])


def test_masks_are_of_their_columns_kind(masked: Any) -> None:
    """A constant, a district of about 11 km, one of the choices; and a place for what is withheld."""
    budi = seen(masked, 1)
    assert (budi.name, budi.born, budi.choice) == ("Pelanggan", dt.date(1900, 1, 1), "sehat")
    assert budi.where == Coordinate(-7.3, 112.8)
    assert budi.latitude == -7.3
    assert budi.home == Coordinate(0, 0)


def test_what_was_shown_can_be_written_back_and_changes_nothing(masked: Any) -> None:
    """Every mask can be computed again from the value under the same tenant; anything else is refused.

    And who sees masks may not choose rows by the column, neither by a number nor by what is shown.
    """
    person = masked.m.Person
    one = person.__table__.update().where(person.__table__.c.id == 1)
    with masked.session(actor="masker") as session:
        shown = {name: getattr(session.get_one(person, 1), name) for name in (*SHOWN, "home")}
        session.execute(one.values(shown))
        session.commit()
    with masked.session() as session:
        found = session.get_one(person, 1)
        assert (found.phone, found.where, found.choice, found.home) == (PHONE, SURABAYA, "sakit", SURABAYA)
    others = {"phone": seen(masked, 4, "b").phone, "where": Coordinate(-7.4, 112.8), "born": dt.date(1990, 5, 17)}
    with masked.session(actor="masker") as session:
        for name, value in others.items():
            with pytest.raises(MaskedWrite):
                session.execute(one.values({name: value}))
        for value in (PHONE, shown["spare"]):
            with pytest.raises(FieldProbed):
                session.scalars(select(person.id).where(person.spare == value)).all()
