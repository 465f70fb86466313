"""Members' cards whose rows are sealed over personal columns, too: sealed, governed, with a version.

Loaded by the conftest.
"""

from __future__ import annotations

import datetime as dt
import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = [declare("card", subject="person", subject_kind="person")]
ONE = "tenant_id = 'a' AND id = 'one'"


_days = count(1)


def another_day() -> dt.date:
    """A default that is called once for each row, or its seal does not hold."""
    return dt.date(2026, 1, 1) + dt.timedelta(next(_days))


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Card(Base):
        __tablename__ = "card"
        __sealed_rows__ = ("version", "status", "phone", "city", "since")
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        person: Mapped[str | None] = mapped_column(String(36))
        phone: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone")
        )
        city: Mapped[str | None] = mapped_column(
            Personal(String(80), category="user.contact.address.city", sealed=False)
        )
        since: Mapped[dt.date] = mapped_column(
            Personal(Date, category="user.demographic", sealed=False), default=another_day
        )
        memo: Mapped[str | None] = mapped_column(Personal(String, category="user.content"))
        status: Mapped[str] = mapped_column(String(20), default="new")
        version: Mapped[int] = mapped_column()
        note: Mapped[str | None] = mapped_column(String(80))
        __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    class Badge(Base):
        """Its keys are the database's numbers, and it is about nobody."""

        __tablename__ = "badge"
        __sealed_rows__ = ("level", "holder")
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        holder: Mapped[str | None] = mapped_column(Personal(String, category="user.name"), default="nobody")
        level: Mapped[int] = mapped_column(default=1)

    names = dict(locals())
    return SimpleNamespace(**names)


def build(url: str, folder: Path) -> Any:
    """A `sql_world.SqlWorld` of these tables, without data. ``masker`` sees a card's phone masked, and no city."""
    made = sys.modules["sql_world"].build(url, folder, declared=DECLARED, made=models())
    billing = sys.modules["sql_world"].BILLING
    rules = [("masker", "card", "read"), ("masker", "card", "update"), ("masker", "card.phone", "read_masked")]
    with made.guard.engine.begin() as connection:
        made.guard.policies.add_rules(connection, "a", [(*rule, billing, "allow") for rule in rules])
    return made


def seed(world: Any) -> None:
    """A card of Budi's, one of Siti's and one of nobody's in ``a``, and one in ``b``; a badge each."""
    m = world.m
    with world.session() as session:
        session.add(m.Card(id="one", person="budi", phone="0812 0001", city="Kediri", memo="likes tea"))
        session.add(m.Card(id="two", person="siti", phone="0812 0002", city="Medan"))
        session.add(m.Card(id="three", phone="0812 0003"))
        session.add(m.Badge(holder="Budi Santoso"))
        session.commit()
    with world.session("b") as session:
        session.add(m.Card(id="one", person="budi", phone="0812 0009", city="Blora"))
        session.add(m.Badge())
        session.commit()


def load(world: Any, tenant: str = "a") -> dict[str, Any]:
    """All cards, each checked, by id: phone, city, status, version."""
    m = world.m
    with world.session(tenant) as session:
        session.scalars(select(m.Badge)).all()
        found = session.scalars(select(m.Card)).all()
        return {one.id: (one.phone, one.city, one.status, one.version) for one in found}
