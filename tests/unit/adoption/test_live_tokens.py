"""The doctor finds rows that no search finds, and nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import ForeignKey, String, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Personal, declare
from amanah.adoption.live_tokens import live_tokens
from amanah.encryption.envelope import OVERWRITTEN
from tests import search_world, sql_world, via_world
from tests.search_world import PHONES


@pytest.fixture
def world(worlds, database_url, tmp_path):
    """Guests of ``a``, and one of ``b`` without a telephone."""
    made = search_world.SearchWorld(database_url, tmp_path)
    for number, phone in enumerate(PHONES[:3]):
        made.add(made.one, number, phone)
    with made.one.session("b") as session:
        session.execute(insert(made.one.m.Guest), [{"id": 100, "tenant_id": "b", "email": "b@x.id"}])
        session.commit()
    yield made
    made.close()


def told(world):
    """What the doctor says, as (id, subject)."""
    return {(one.id, one.subject) for one in live_tokens(world.one.guard)}


def test_a_value_without_its_token_is_an_error_until_it_has_one(world):
    """NULL has none and is none; the command that it names computes it."""
    assert told(world) == set()
    world.one.stored("UPDATE guest SET phone_ix = NULL WHERE id = 1")
    world.one.stored("UPDATE guest SET email_ix = NULL WHERE id = 100")
    assert told(world) == {("AMN-D049", "guest.phone"), ("AMN-D049", "guest.email")}
    (one,) = (one for one in live_tokens(world.one.guard) if one.subject == "guest.phone")
    assert (one.level, "amanah keys rotate search" in one.advice()) == ("error", True)
    world.exchange()
    assert told(world) == {("AMN-D049", "guest.email")}
    world.exchange("platform")
    assert told(world) == set()


@pytest.mark.parametrize("owner, column", [("a", "phone"), ("platform", "email")])
def test_only_the_column_that_is_searched_counts(world, owner, column):
    """During an exchange the other one is not complete yet; afterwards it is the one, for this owner alone."""
    world.exchange(owner)
    assert told(world) == set()
    for step in ("read", "done"):
        world.wait()
        assert world.exchange(owner).step == step
        assert told(world) == set()
    world.one.stored(f"UPDATE guest SET {column}_ix2 = NULL WHERE id = 1")
    assert told(world) == {("AMN-D049", f"guest.{column}")}


def test_rows_of_nobody_and_of_who_was_erased_are_not_told(world):
    """No command computes a token for them."""
    world.one.stored("UPDATE guest SET tenant_id = 'nobody', phone_ix = NULL, email_ix = NULL WHERE id = 1")
    world.one.stored("UPDATE guest SET phone_ix = NULL, phone = :gone WHERE id = 2", gone=OVERWRITTEN)
    assert told(world) == set()


def test_columns_that_the_database_lacks_are_told_elsewhere(world):
    """AMN-D022 to AMN-D024 are about these; the look goes on with the others."""
    world.one.stored("UPDATE guest SET mate_ix = NULL, email_ix = NULL")
    world.one.stored("ALTER TABLE guest RENAME COLUMN phone_ix2 TO gone")
    assert told(world) == {("AMN-D049", "guest.email")}
    world.one.stored("ALTER TABLE guest RENAME TO away")
    assert told(world) == set()


class Numbered:
    """Rows that belong to their tenant, a number, by a parent."""

    def __init__(self, url, folder):
        class Base(DeclarativeBase):
            pass

        class Home(Base):
            __tablename__ = "home"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            tenant_id: Mapped[int]

        class Pet(Base):
            __tablename__ = "pet"
            id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
            home_id: Mapped[int] = mapped_column(ForeignKey("home.id"))
            phone: Mapped[str] = mapped_column(Personal(String, category="user.contact.phone_number", search="exact"))

        self.pet, self.home = Pet, Home
        made = type("Models", (), {"Base": Base})
        declared = [declare("home"), declare("pet", resource="customer", via="home_id")]
        self.one = sql_world.build(url, folder, made=made, declared=declared, tenants=("7", "8"))
        via_world.check_foreign_keys(self.one.engine)


def test_a_row_is_its_tenants_by_its_parent(worlds, database_url, tmp_path):
    """And a tenant's column may hold numbers, which the platform's name is none of."""
    world = Numbered(database_url, tmp_path)
    with world.one.session("7") as session:
        session.add_all([world.home(id=1, tenant_id=7), world.pet(id=1, home_id=1, phone="0812")])
        session.commit()
    assert told(world) == set()
    world.one.stored("UPDATE pet SET phone_ix = NULL")
    assert told(world) == {("AMN-D049", "pet.phone")}
    world.one.stored("UPDATE home SET tenant_id = 9")
    assert told(world) == set()
    world.one.close()
