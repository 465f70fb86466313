"""A till whose rows are sealed: bills with a column of each kind, their lines, receipts with numbers of the database.

Loaded by the conftest.
"""

from __future__ import annotations

import datetime as dt
import enum
import sys
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CHAR,
    JSON,
    REAL,
    DateTime,
    Enum,
    Float,
    ForeignKeyConstraint,
    Numeric,
    String,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = [
    declare("bill", sealed_rows=("total", "status", "due", "paid_at", "seen_at", "rate", "ratio", "cancelled")),
    declare("notice", sealed_rows=["said"]),
]


class Method(enum.Enum):
    """How a receipt was paid."""

    CASH = "cash"
    CARD = "card"


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Bill(Base):
        __tablename__ = "bill"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        payer: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        total: Mapped[Decimal] = mapped_column(Numeric(12, 2))
        status: Mapped[str] = mapped_column(String(20), default="open")
        due: Mapped[dt.date | None]
        paid_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
        seen_at: Mapped[dt.datetime | None]
        rate: Mapped[float | None] = mapped_column(Float)
        ratio: Mapped[float | None] = mapped_column(REAL)
        cancelled: Mapped[bool] = mapped_column(default=False)
        note: Mapped[str | None] = mapped_column(String(80))
        lines: Mapped[list[Line]] = relationship(back_populates="bill")

    class Line(Base):
        __tablename__ = "line"
        __sealed_rows__ = ("bill_id", "amount", "product")
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        bill_id: Mapped[str] = mapped_column(String(36))
        amount: Mapped[int]
        product: Mapped[str] = mapped_column("code", String(40))
        bill: Mapped[Bill] = relationship(back_populates="lines")
        __table_args__ = (ForeignKeyConstraint(["tenant_id", "bill_id"], ["bill.tenant_id", "bill.id"]),)

    class Receipt(Base):
        __tablename__ = "receipt"
        __sealed_rows__ = ("number", "method", "branch", "made", "at", "extra", "exact")
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        number: Mapped[int | None]
        method: Mapped[Method] = mapped_column(Enum(Method), default=Method.CASH)
        branch: Mapped[str | None] = mapped_column(CHAR(6))
        made: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
        at: Mapped[dt.time | None]
        extra: Mapped[Any] = mapped_column(JSON, nullable=True)
        exact: Mapped[Decimal | None] = mapped_column(Numeric)

    class Notice(Base):
        __tablename__ = "notice"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        tenant_id: Mapped[str] = mapped_column(String(64))
        said: Mapped[str] = mapped_column(String(40))

    names = dict(locals())
    return SimpleNamespace(**names)


def build(url: str, folder: Path, *, declared: Any = None, **options: Any) -> Any:
    """A `sql_world.SqlWorld` of these tables, without data."""
    return sys.modules["sql_world"].build(
        url, folder, declared=DECLARED if declared is None else declared, made=models(), **options
    )


def seed(world: Any) -> None:
    """Two bills with lines in ``a``, one in ``b``."""
    m = world.m
    moment = dt.datetime(2026, 12, 1, 9, 30, 0, 120000, tzinfo=dt.timezone(dt.timedelta(hours=7)))
    with world.session() as session:
        one = m.Bill(id="one", payer="Budi", total=Decimal(5), due=dt.date(2026, 12, 31), paid_at=moment, rate=0.1)
        two = m.Bill(id="two", total=Decimal("7.50"), ratio=0.123456789, seen_at=moment.replace(tzinfo=None))
        session.add_all([one, two])
        session.flush()
        session.add_all([m.Line(id=f"l{n}", bill_id="one", amount=n, product=f"p{n}") for n in range(3)])
        session.commit()
    with world.session("b") as session:
        session.add(m.Bill(id="one", total=Decimal(900)))
        session.commit()
