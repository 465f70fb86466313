"""A small application with a column of each kind that can be sealed, as the attack kit's target.

Loaded with ``from tests import attack_world``.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Date, ForeignKey, LargeBinary, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Hold, Personal, declare
from amanah.testing import AttackTarget
from tests import sql_world, via_world

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        __table_args__ = (UniqueConstraint("tenant_id", "phone"),)
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=sql_world.new_id)
        phone: Mapped[str] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone")
        )
        born: Mapped[dt.date | None] = mapped_column(Personal(Date, category="user.demographic.date_of_birth"))
        tax: Mapped[str | None] = mapped_column(
            Personal(String, category="x.user.government_id.tax_id", held=Hold(10, "UU KUP art. 28(11)"))
        )

    class Visit(Base):
        __tablename__ = "visit"
        __sealed_rows__ = ("fee", "status", "photo", "nurse")
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        fee: Mapped[Decimal] = mapped_column(Numeric(12, 2))
        status: Mapped[str] = mapped_column(String(20))
        photo: Mapped[bytes | None] = mapped_column(Personal(LargeBinary, category="user.biometric"))
        nurse: Mapped[str | None] = mapped_column(Personal(String(40), category="user.name", sealed=False))

    class Remark(Base):
        __tablename__ = "remark"
        id: Mapped[int] = mapped_column(primary_key=True)
        visit_id: Mapped[int] = mapped_column(ForeignKey("visit.id"))
        words: Mapped[str] = mapped_column(Personal(String, category="user.content"))

    class Letter(Base):
        """In use before it was sealed."""

        __tablename__ = "letter"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        addressee: Mapped[str | None] = mapped_column(String(80))
        body: Mapped[str | None] = mapped_column(String(80))

    class Slip(Base):
        """Its key is made by the database, so its values are bound to no row."""

        __tablename__ = "slip"
        id: Mapped[str] = mapped_column(String(40), primary_key=True, server_default=text("'new'"))
        tenant_id: Mapped[str] = mapped_column(String(64))
        body: Mapped[str] = mapped_column(Personal(String, category="user.content"))

    names = dict(locals())
    return SimpleNamespace(**names)


def declared() -> list[Any]:
    """What is said beside the models."""
    name, content = "user.name", "user.content"
    return [
        declare("patient", subject="id"),
        declare("remark", via="visit_id"),
        declare(
            "letter",
            columns={
                "addressee": Personal(category=name, sealing="read_sealed", search="exact"),
                "body": Personal(category=content, sealing="write_both"),
            },
        ),
    ]


def populate(m: Any) -> Any:
    """Two rows of each table for each tenant."""

    def rows(session: Session, tenant: str) -> None:
        for number in (1, 2):
            session.add(
                m.Patient(
                    phone=f"0812 3456 {number}{ord(tenant) if number > 1 else 0:03}",
                    born=dt.date(1990, number, 2),
                    tax=f"09.254.294.{number}-407.000 {tenant}",
                )
            )
            photo = b"\x00photo of " + f"{number}".encode()
            visit = m.Visit(fee=Decimal(number), status=f"paid {number}", photo=photo, nurse=f"Suster {number}")
            session.add(visit)
            session.flush()
            session.add(m.Remark(visit_id=visit.id, words=f"a remark {number} in {tenant}"))
            session.add(m.Slip(id=f"{tenant}{number}", body=f"a slip {number} of {tenant}"))
            session.add(m.Letter(addressee=f"Pak Budi {number} {tenant}", body=f"a letter {number}"))

    return rows


def build(url: str, folder: Path) -> tuple[Any, AttackTarget]:
    """A `sql_world.SqlWorld`, and what the kit is told of it."""
    made = models()
    world = sql_world.build(url, folder, made=made, declared=declared())
    via_world.check_foreign_keys(world.engine)
    return world, target(world)


def target(world: Any, **other: Any) -> AttackTarget:
    """What the kit is told of ``world``."""
    said = {"guard": world.guard, "engine": world.engine, "access": world.access, "populate": populate(world.m)}
    return AttackTarget(**(said | other))
