"""A clinic whose tables are about patients: sealed, searched, governed, held, and on the way to being sealed."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy evaluates the annotations
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Date, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Hold, Personal, declare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAW = "Permenkes 24/2022 art. 39"


def models() -> SimpleNamespace:
    """Made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        name: Mapped[str] = mapped_column(String(80))
        phone: Mapped[str | None] = mapped_column(String(30))
        born: Mapped[dt.date | None] = mapped_column(Date)
        city: Mapped[str | None] = mapped_column(String(40))
        nickname: Mapped[str] = mapped_column(String(20))

    class Visit(Base):
        __tablename__ = "visit"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        patient_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"))
        complaint: Mapped[str | None] = mapped_column(String(200))
        diagnosis: Mapped[str | None] = mapped_column(String(200))

    return SimpleNamespace(Base=Base, Patient=Patient, Visit=Visit)


def declared() -> list[Any]:
    """One column of each fate."""
    return [
        declare(
            "patient",
            subject="id",
            columns={
                "name": Personal(category="user.name"),
                "phone": Personal(category="user.contact.phone_number", search="exact", normalise="phone"),
                "born": Personal(category="user.demographic.date_of_birth"),
                "city": Personal(category="user.contact.address.city", sealed=False),
                "nickname": Personal(category="user.name", sealed=False),
            },
        ),
        declare(
            "visit",
            subject="patient_id",
            columns={
                "complaint": Personal(category="x.user.health_and_medical.complaint"),
                "diagnosis": Personal(category="x.user.health_and_medical.diagnosis", held=Hold(25, LAW)),
            },
        ),
    ]


@pytest.fixture
def clinic(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Two patients in ``a`` with a visit each, a visit about nobody, and a patient of the same number in ``b``."""
    sql_world = sys.modules["sql_world"]
    made = sql_world.build(database_url, tmp_path, declared=declared(), made=models())
    m = made.m
    with made.session() as session:
        for number, name in ((1, "Budi"), (2, "Siti")):
            session.add(
                m.Patient(id=number, name=name, phone=f"0812 000{number}", city="Kediri", nickname=name.lower())
            )
            session.flush()
            session.add(m.Visit(id=number, patient_id=number, complaint=f"pain {number}", diagnosis=f"flu {number}"))
        session.add(m.Visit(id=9, complaint="walk-in"))
        session.commit()
    with made.session("b") as session:
        session.add(m.Patient(id=3, name="Tono", phone="0812 0001", city="Medan", nickname="ton"))
        session.commit()
    yield made
    made.close()
