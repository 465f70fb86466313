"""Customers, products, sales invoices with what follows them, and purchases. Money is whole rupiah."""

import datetime as dt

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Owned, UtcDateTime, belongs_to, now


class Customer(Owned, Base):
    """Someone who buys. Phone numbers are kept in the form +628…, e-mail addresses in lower case."""

    __tablename__ = "customer"
    __table_args__ = (
        Index(None, "tenant_id", "phone"),
        Index(None, "tenant_id", "email"),
        Index(None, "tenant_id", "nik"),
    )

    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(254))
    nik: Mapped[str | None] = mapped_column(String(16))  # national identity number
    tax_id: Mapped[str | None] = mapped_column(String(16))  # NPWP
    address: Mapped[str | None] = mapped_column(String(300))
    city: Mapped[str | None] = mapped_column(String(80))
    bank_account: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)


class Product(Owned, Base):
    """Something that is bought and sold."""

    __tablename__ = "product"
    __table_args__ = (UniqueConstraint("tenant_id", "sku"),)

    sku: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    unit: Mapped[str] = mapped_column(String(20))
    price: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class Invoice(Owned, Base):
    """A sales invoice; numbers run without a gap per company and year."""

    __tablename__ = "invoice"
    __table_args__ = (
        belongs_to("customer", "customer_id"),
        UniqueConstraint("tenant_id", "number"),
        Index(None, "tenant_id", "customer_id"),
        Index(None, "tenant_id", "date"),
        CheckConstraint("paid + credited <= total", name="settled"),
    )

    customer_id: Mapped[str] = mapped_column(String(36))
    number: Mapped[str] = mapped_column(String(40))
    date: Mapped[dt.date]
    due: Mapped[dt.date]
    status: Mapped[str] = mapped_column(String(20), default="open")  # open | paid
    net: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)  # PPN
    total: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, default=0)
    credited: Mapped[int] = mapped_column(BigInteger, default=0)
    created_by: Mapped[str | None] = mapped_column(String(36))  # account id
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)

    customer: Mapped[Customer] = relationship(viewonly=True)
    lines: Mapped[list["InvoiceLine"]] = relationship(order_by="InvoiceLine.position", cascade="all, delete-orphan")


class InvoiceLine(Owned, Base):
    """One line of an invoice; name and price are copied, because products change and invoices do not."""

    __tablename__ = "invoice_line"
    __table_args__ = (
        belongs_to("invoice", "invoice_id", ondelete="CASCADE"),
        belongs_to("product", "product_id"),
        Index(None, "tenant_id", "invoice_id"),
        Index(None, "tenant_id", "product_id"),
    )

    invoice_id: Mapped[str] = mapped_column(String(36))
    product_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int]
    description: Mapped[str] = mapped_column(String(120))
    quantity: Mapped[int]
    unit_price: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)


class Payment(Owned, Base):
    """Money received for an invoice."""

    __tablename__ = "payment"
    __table_args__ = (belongs_to("invoice", "invoice_id"), Index(None, "tenant_id", "invoice_id"))

    invoice_id: Mapped[str] = mapped_column(String(36))
    date: Mapped[dt.date]
    method: Mapped[str] = mapped_column(String(20))  # cash | transfer | qris
    amount: Mapped[int] = mapped_column(BigInteger)
    received_by: Mapped[str | None] = mapped_column(String(36))  # account id
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)


class CreditNote(Owned, Base):
    """An amount of an invoice, tax included, that the customer need not pay or gets back."""

    __tablename__ = "credit_note"
    __table_args__ = (
        belongs_to("invoice", "invoice_id"),
        UniqueConstraint("tenant_id", "number"),
        Index(None, "tenant_id", "invoice_id"),
        Index(None, "tenant_id", "date"),
    )

    invoice_id: Mapped[str] = mapped_column(String(36))
    number: Mapped[str] = mapped_column(String(40))
    date: Mapped[dt.date]
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(200))
    created_by: Mapped[str | None] = mapped_column(String(36))  # account id
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)


class Supplier(Owned, Base):
    """A company, or a craftsman, that goods are bought from."""

    __tablename__ = "supplier"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(120))
    city: Mapped[str | None] = mapped_column(String(80))
    bank_account: Mapped[str | None] = mapped_column(String(60))


class Purchase(Owned, Base):
    """A supplier's invoice."""

    __tablename__ = "purchase"
    __table_args__ = (
        belongs_to("supplier", "supplier_id"),
        UniqueConstraint("tenant_id", "number"),
        Index(None, "tenant_id", "supplier_id"),
        Index(None, "tenant_id", "date"),
    )

    supplier_id: Mapped[str] = mapped_column(String(36))
    number: Mapped[str] = mapped_column(String(40))
    supplier_number: Mapped[str | None] = mapped_column(String(60))
    date: Mapped[dt.date]
    due: Mapped[dt.date]
    net: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str | None] = mapped_column(String(36))  # account id
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)

    supplier: Mapped[Supplier] = relationship(viewonly=True)
    lines: Mapped[list["PurchaseLine"]] = relationship(order_by="PurchaseLine.position", cascade="all, delete-orphan")


class PurchaseLine(Owned, Base):
    """One line of a supplier's invoice."""

    __tablename__ = "purchase_line"
    __table_args__ = (
        belongs_to("purchase", "purchase_id", ondelete="CASCADE"),
        belongs_to("product", "product_id"),
        Index(None, "tenant_id", "purchase_id"),
        Index(None, "tenant_id", "product_id"),
    )

    purchase_id: Mapped[str] = mapped_column(String(36))
    product_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int]
    description: Mapped[str] = mapped_column(String(120))
    quantity: Mapped[int]
    unit_cost: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
