"""Customers of whom some consented to be written to, with purchases, cards of another kind of key, and notes on nobody.

Loaded by the conftest.
"""

from __future__ import annotations

import sys
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, String, Uuid, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

BILLING = "essential.service.payment_processing"
LETTERS = "marketing.communications.email"
ADS = "marketing.advertising.first_party"
POST = "x.order.post"
CARD = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
OTHER_CARD = uuid.UUID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
DECLARED = [
    declare("customer", subject="id"),
    declare("purchase", subject="customer_id"),
    declare("wish", via="purchase_id"),
    declare("card", subject="id"),
    declare("badge", subject="id", subject_kind="card"),
    declare("guest", subject="number", subject_kind="guest"),
]


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        name: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        city: Mapped[str | None] = mapped_column(
            Personal(String(40), category="user.contact.address.city", sealed=False)
        )
        group: Mapped[str | None] = mapped_column(String(20))
        purchases: Mapped[list[Purchase]] = relationship(back_populates="customer")

    class Purchase(Base):
        __tablename__ = "purchase"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        customer_id: Mapped[str | None] = mapped_column(ForeignKey("customer.id"))
        item: Mapped[str] = mapped_column(String(40))
        customer: Mapped[Customer] = relationship(back_populates="purchases")

    class Wish(Base):
        __tablename__ = "wish"
        id: Mapped[int] = mapped_column(primary_key=True)
        purchase_id: Mapped[int] = mapped_column(ForeignKey("purchase.id"))
        text: Mapped[str] = mapped_column(String(40))

    class Card(Base):
        __tablename__ = "card"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        owner: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))

    class Badge(Base):
        __tablename__ = "badge"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        owner: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        colour: Mapped[str] = mapped_column(String(20))

    class Guest(Base):
        __tablename__ = "guest"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        number: Mapped[int | None]
        room: Mapped[str | None] = mapped_column(String(20))
        name: Mapped[str | None] = mapped_column(Personal(String, category="user.name", sealed=False))

    class Remark(Base):
        __tablename__ = "remark"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        about: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        text: Mapped[str | None] = mapped_column(String(20))

    class Product(Base):
        __tablename__ = "product"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        label: Mapped[str] = mapped_column(String(40))

    return SimpleNamespace(**locals())


def build(url: str, folder: Path, *, filled: bool = False, **guarded: Any) -> Any:
    """Tenants ``a`` and ``b``; ``boss`` may do everything for billing, letters and ads; with addresses for post."""
    sql_world = sys.modules["sql_world"]
    world = sql_world.build(url, folder, declared=DECLARED, made=models(), guarded=guarded, filled=filled)
    if "sqlite" in url:
        event.listen(world.engine, "connect", lambda made, _record: made.execute("PRAGMA foreign_keys = ON"))
    if not filled:
        for tenant in ("a", "b"):
            with world.guard.engine.begin() as connection:
                policies = world.guard.policies
                policies.add_purpose(connection, tenant, LETTERS, alias="letters", legal_basis="consent")
                policies.add_purpose(connection, tenant, ADS, alias="ads", legal_basis="consent")
                limited = {"legal_basis": "contract", "categories": ["user.contact"]}
                policies.add_purpose(connection, tenant, POST, alias="post", **limited)
                actions = ("read", "create", "update", "delete")
                rules = [("boss", "*", act, purpose, "allow") for act in actions for purpose in (LETTERS, ADS, POST)]
                policies.add_rules(connection, tenant, rules)
    return world


def seed(world: Any) -> None:
    """In ``a``: yes agreed to letters, ads to ads, no to nothing; each has a purchase. In ``b`` a no agreed."""
    m, consents = world.m, world.guard.consents
    with world.session("a") as session:
        for number, name in enumerate(("yes", "no", "ads"), 1):
            session.add(m.Customer(id=name, name=f"name of {name}", city=f"city of {name}", group="old"))
            session.flush()
            session.add(m.Purchase(id=number, customer_id=name, item=f"item of {name}"))
            session.flush()
            session.add(m.Wish(id=number, purchase_id=number, text="gift"))
        session.add(m.Purchase(id=9, customer_id=None, item="of nobody"))
        session.add_all([m.Card(id=CARD, owner="yes"), m.Card(id=OTHER_CARD, owner="no")])
        session.add_all([m.Badge(id=CARD, owner="yes", colour="red"), m.Badge(id=OTHER_CARD, owner="no", colour="red")])
        session.add_all([m.Guest(id=1, number=71, name="yes"), m.Guest(id=2, number=72, name="no")])
        session.add(m.Guest(id=3, number=None, name="nobody"))
        session.add_all([m.Remark(id=1, about="no"), m.Product(id=1, label="tea")])
        session.flush()
        consents.give(session, "customer", "yes", "letters", source="form", evidence="notice:2026-03/form:812")
        consents.give(session, "customer", "ads", "ads", source="form")
        consents.give(session, "card", CARD, "letters", source="form")
        consents.give(session, "guest", 71, "letters", source="phone")
        session.commit()
    with world.session("b") as session:
        session.add(m.Customer(id="theirs", name="theirs", group="old"))
        session.flush()
        consents.give(session, "customer", "no", "letters", source="form")
        session.commit()
