"""A shop whose tables belong to their tenant in three ways: by a column (a number), by a parent, and the tenant itself.

Loaded by the conftest.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, String, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = [
    declare("company", tenant="id"),
    declare("line", via="order_id"),
    declare("part", via="line_id"),
    declare("serial", via="part_id"),
    declare("sticker", via="serial_id"),
    declare("order_tag", via="order_id"),
    declare("account", sign_in=True),
    declare("attempt", via="account_id", sign_in=True),
    declare("visit", via="account_id"),
    declare("complaint", via="order_id", sign_in=True),
]


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Company(Base):
        __tablename__ = "company"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str] = mapped_column(String(40))

    class Order(Base):
        __tablename__ = "order"
        id: Mapped[int] = mapped_column(primary_key=True)
        company_id: Mapped[int]
        number: Mapped[str] = mapped_column(String(20))
        lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")

    class Line(Base):
        __tablename__ = "line"
        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), index=True)
        product: Mapped[str] = mapped_column(String(40))
        quantity: Mapped[int] = mapped_column(default=1)
        remark: Mapped[str | None] = mapped_column(Personal(String, category="user.content", search="exact"))
        packer: Mapped[str | None] = mapped_column(Personal(String(40), category="user.name", sealed=False))
        order: Mapped[Order] = relationship(back_populates="lines")
        parts: Mapped[list[Part]] = relationship(cascade="all, delete-orphan")

    class Part(Base):
        __tablename__ = "part"
        id: Mapped[int] = mapped_column(primary_key=True)
        line_id: Mapped[int] = mapped_column(ForeignKey("line.id", ondelete="CASCADE"))
        name: Mapped[str] = mapped_column(String(40))

    class Serial(Base):
        __tablename__ = "serial"
        id: Mapped[str] = mapped_column(String(40), primary_key=True)
        part_id: Mapped[int] = mapped_column(ForeignKey("part.id", ondelete="CASCADE"))

    class Sticker(Base):
        __tablename__ = "sticker"
        id: Mapped[int] = mapped_column(primary_key=True)
        serial_id: Mapped[str] = mapped_column(ForeignKey("serial.id", ondelete="CASCADE"))
        text: Mapped[str] = mapped_column(String(40))

    class OrderTag(Base):
        """Its parent is part of its key."""

        __tablename__ = "order_tag"
        order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"), primary_key=True)
        tag: Mapped[str] = mapped_column(String(20), primary_key=True)
        weight: Mapped[int] = mapped_column(default=1)
        why: Mapped[str | None] = mapped_column(Personal(String, category="user.content"))

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        company_id: Mapped[int]
        name: Mapped[str] = mapped_column(String(40))

    class Attempt(Base):
        __tablename__ = "attempt"
        id: Mapped[int] = mapped_column(primary_key=True)
        account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
        went: Mapped[str] = mapped_column(String(10))

    class Visit(Base):
        """Not for sign-in, unlike its parent."""

        __tablename__ = "visit"
        id: Mapped[int] = mapped_column(primary_key=True)
        account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))

    class Complaint(Base):
        """For sign-in, unlike its parent."""

        __tablename__ = "complaint"
        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))

    names = dict(locals())
    return SimpleNamespace(**names)


def check_foreign_keys(engine: Any) -> None:
    """SQLite checks foreign keys only when it is told to."""

    def on_connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA foreign_keys = ON")

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", on_connect)


def build(url: str, folder: Path, *, filled: bool = False) -> Any:
    """Tenants ``1`` and ``2``, each with two orders of two lines, and what hangs on them."""
    world = sys.modules["sql_world"].build(
        url,
        folder,
        declared=DECLARED,
        made=models(),
        tenants=("1", "2"),
        guarded={"tenant_column": "company_id"},
        filled=filled,
    )
    check_foreign_keys(world.engine)
    if not filled:
        _seed(world)
    return world


def _seed(world: Any) -> None:
    m = world.m
    for tenant, goods in (("1", ("ink", "paper")), ("2", ("gold", "silver"))):
        with world.session(tenant) as session:
            session.add(m.Company(name=f"Company {tenant}"))
            account = m.Account(name=f"account {tenant}")
            session.add(account)
            for number, product in enumerate(goods, int(tenant) * 10):
                part = m.Part(name=f"part of {product}")
                line = m.Line(
                    product=product, remark=f"remark on {product}", packer=f"packer of {product}", parts=[part]
                )
                session.add(m.Order(id=number, number=f"F{number}", lines=[line]))
                session.flush()
                session.add(m.Serial(id=f"serial of {product}", part_id=part.id))
                session.flush()
                session.add(m.Sticker(serial_id=f"serial of {product}", text=f"sticker of {product}"))
                session.add(m.OrderTag(order_id=number, tag="new", why=product))
            session.flush()
            session.add(m.Attempt(account_id=account.id, went="well"))
            session.commit()
