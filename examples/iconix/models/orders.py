"""Cash-on-delivery orders: the store they leave from, the courier, the cash and its settlement."""

import datetime as dt

from sqlalchemy import BigInteger, Boolean, Float, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Owned, UtcDateTime, belongs_to, now


class Store(Owned, Base):
    """A shop or warehouse; its place decides the shipping fee."""

    __tablename__ = "store"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(300))
    city: Mapped[str] = mapped_column(String(80))
    latitude: Mapped[float] = mapped_column(Float)  # degrees, WGS 84
    longitude: Mapped[float] = mapped_column(Float)
    base_fee: Mapped[int] = mapped_column(BigInteger)
    fee_per_km: Mapped[int] = mapped_column(BigInteger)
    reach_km: Mapped[int]  # orders from further away are not taken


class Courier(Owned, Base):
    """Somebody who delivers and collects the cash."""

    __tablename__ = "courier"
    __table_args__ = (
        belongs_to("account", "account_id"),
        UniqueConstraint("tenant_id", "code"),
        Index(None, "tenant_id", "account_id"),
    )

    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str | None] = mapped_column(String(20))
    account_id: Mapped[str | None] = mapped_column(String(36))
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class Settlement(Owned, Base):
    """A courier hands in the cash of one day."""

    __tablename__ = "settlement"
    __table_args__ = (belongs_to("courier", "courier_id"), Index(None, "tenant_id", "courier_id", "date"))

    courier_id: Mapped[str] = mapped_column(String(36))
    date: Mapped[dt.date]
    orders: Mapped[int]
    expected: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger)
    settled_by: Mapped[str | None] = mapped_column(String(36))  # account id
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)


class CodOrder(Owned, Base):
    """An order from the mobile app, paid in cash at the door."""

    __tablename__ = "cod_order"
    __table_args__ = (
        belongs_to("store", "store_id"),
        belongs_to("courier", "courier_id"),
        belongs_to("settlement", "settlement_id"),
        UniqueConstraint("tenant_id", "number"),
        Index(None, "tenant_id", "phone"),
        Index(None, "tenant_id", "store_id"),
        Index(None, "tenant_id", "courier_id", "delivered_on"),
        Index(None, "tenant_id", "settlement_id"),
    )

    number: Mapped[str] = mapped_column(String(40))
    store_id: Mapped[str] = mapped_column(String(36))
    courier_id: Mapped[str | None] = mapped_column(String(36))
    settlement_id: Mapped[str | None] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(20), default="placed")  # placed|assigned|delivered|paid|settled
    customer_name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(300))
    latitude: Mapped[float] = mapped_column(Float)  # degrees, WGS 84
    longitude: Mapped[float] = mapped_column(Float)
    goods_total: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    cash_due: Mapped[int] = mapped_column(BigInteger)
    cash_collected: Mapped[int | None] = mapped_column(BigInteger)
    placed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)
    delivered_on: Mapped[dt.date | None]

    lines: Mapped[list["CodOrderLine"]] = relationship(order_by="CodOrderLine.position", cascade="all, delete-orphan")
    courier: Mapped[Courier | None] = relationship(viewonly=True)


class CodOrderLine(Owned, Base):
    """One product of an order."""

    __tablename__ = "cod_order_line"
    __table_args__ = (
        belongs_to("cod_order", "order_id", ondelete="CASCADE"),
        belongs_to("product", "product_id"),
        Index(None, "tenant_id", "order_id"),
        Index(None, "tenant_id", "product_id"),
    )

    order_id: Mapped[str] = mapped_column(String(36))
    product_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int]
    description: Mapped[str] = mapped_column(String(120))
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)


class CodAssignment(Owned, Base):
    """Which courier was given an order, when; the history of a reassigned order stays."""

    __tablename__ = "cod_assignment"
    __table_args__ = (
        belongs_to("cod_order", "order_id", ondelete="CASCADE"),
        belongs_to("courier", "courier_id"),
        Index(None, "tenant_id", "order_id"),
        Index(None, "tenant_id", "courier_id"),
    )

    order_id: Mapped[str] = mapped_column(String(36))
    courier_id: Mapped[str] = mapped_column(String(36))
    assigned_by: Mapped[str | None] = mapped_column(String(36))  # account id
    assigned_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)
