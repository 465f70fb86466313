"""Companies and the people who sign in."""

import datetime as dt

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Owned, UtcDateTime, belongs_to, now


class Company(Base):
    """A company that uses ICONIX. This table is shared; every other row carries a company's id as tenant_id."""

    __tablename__ = "company"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(20))  # trading | clinic
    city: Mapped[str] = mapped_column(String(80))


class Account(Owned, Base):
    """A person's login at one company. The same person may have one at several companies."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("tenant_id", "email"),
        Index(None, "email"),  # at sign-in the company is not known yet
    )

    tenant_id: Mapped[str] = mapped_column(ForeignKey("company.id"), primary_key=True, sort_order=-20)
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(30))  # which menus are shown
    locale: Mapped[str] = mapped_column(String(5), default="id")
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class LoginToken(Owned, Base):
    """A signed-in session of the pages, or a bearer token of the mobile app. Only the token's hash is kept."""

    __tablename__ = "login_token"
    __table_args__ = (
        belongs_to("account", "account_id", ondelete="CASCADE"),
        Index(None, "token_hash"),
        Index(None, "tenant_id", "account_id"),
    )

    account_id: Mapped[str] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(10))  # bearer | session
    token_hash: Mapped[str] = mapped_column(String(64))
    csrf: Mapped[str | None] = mapped_column(String(64))
    purpose: Mapped[str | None] = mapped_column(String(80))  # what the person is working on, as chosen in the menu
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)


class NumberSeries(Base):
    """The next number of a series of documents (invoices of a year, tickets of a day) of one company."""

    __tablename__ = "number_series"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    series: Mapped[str] = mapped_column(String(60), primary_key=True)
    next: Mapped[int] = mapped_column(default=1)
