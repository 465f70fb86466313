"""The clinic: patients, guardians of children, doctors, visits and the waiting queue of a day."""

import datetime as dt

from sqlalchemy import Boolean, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Owned, UtcDateTime, belongs_to, now


class Patient(Owned, Base):
    """A person whom the clinic treats."""

    __tablename__ = "patient"
    __table_args__ = (
        UniqueConstraint("tenant_id", "record_number"),
        UniqueConstraint("tenant_id", "nik"),
        Index(None, "tenant_id", "phone"),
        Index(None, "tenant_id", "bpjs_number"),
    )

    record_number: Mapped[str] = mapped_column(String(20))  # the number on the folder
    name: Mapped[str] = mapped_column(String(120))
    nik: Mapped[str | None] = mapped_column(String(16))  # national identity number
    bpjs_number: Mapped[str | None] = mapped_column(String(13))  # national health insurance
    birth_date: Mapped[dt.date]
    gender: Mapped[str] = mapped_column(String(10))  # female | male
    phone: Mapped[str | None] = mapped_column(String(20))
    address: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)

    guardians: Mapped[list["Guardian"]] = relationship(order_by="Guardian.id", cascade="all, delete-orphan")


class Guardian(Owned, Base):
    """The adult who answers for a child."""

    __tablename__ = "guardian"
    __table_args__ = (belongs_to("patient", "patient_id", ondelete="CASCADE"), Index(None, "tenant_id", "patient_id"))

    patient_id: Mapped[str] = mapped_column(String(36))
    relation: Mapped[str] = mapped_column(String(20))  # mother | father | guardian
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str | None] = mapped_column(String(20))
    nik: Mapped[str | None] = mapped_column(String(16))


class Doctor(Owned, Base):
    """A doctor who works at the clinic."""

    __tablename__ = "doctor"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(120))
    speciality: Mapped[str] = mapped_column(String(60))
    room: Mapped[str | None] = mapped_column(String(20))
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class Visit(Owned, Base):
    """One visit of a patient to a doctor."""

    __tablename__ = "visit"
    __table_args__ = (
        belongs_to("patient", "patient_id"),
        belongs_to("doctor", "doctor_id"),
        Index(None, "tenant_id", "patient_id"),
        Index(None, "tenant_id", "doctor_id"),
        Index(None, "tenant_id", "date"),
    )

    patient_id: Mapped[str] = mapped_column(String(36))
    doctor_id: Mapped[str] = mapped_column(String(36))
    date: Mapped[dt.date]
    status: Mapped[str] = mapped_column(String(20), default="open")  # open | closed
    complaint: Mapped[str | None] = mapped_column(Text)
    diagnosis: Mapped[str | None] = mapped_column(Text)
    prescription: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)

    patient: Mapped[Patient] = relationship(viewonly=True)
    doctor: Mapped[Doctor] = relationship(viewonly=True)


class QueueTicket(Owned, Base):
    """A place in the waiting queue of one day."""

    __tablename__ = "queue_ticket"
    __table_args__ = (
        belongs_to("patient", "patient_id"),
        belongs_to("doctor", "doctor_id"),
        UniqueConstraint("tenant_id", "date", "number"),
        Index(None, "tenant_id", "patient_id"),
    )

    date: Mapped[dt.date]
    number: Mapped[int]
    patient_id: Mapped[str] = mapped_column(String(36))
    doctor_id: Mapped[str | None] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(20), default="waiting")  # waiting | called | done
    taken_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)
    called_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    patient: Mapped[Patient] = relationship(viewonly=True)
