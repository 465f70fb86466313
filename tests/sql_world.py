"""The SQL gate with everything real behind it: a guard, two tenants with a policy, keys, trail and a small application.

Loaded by the conftest of the folders that use it.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy evaluates the annotations
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Column,
    Date,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    Uuid,
    create_engine,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from amanah.audit.queue_table import QueueTable
from amanah.database import core, trail
from amanah.guard import Guard, create_keys
from amanah.middleware.access import Access, open_access
from amanah.middleware.declare import declare, shared
from amanah.middleware.personal import Personal
from amanah.settings import Settings
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

assert QueueTable  # its module holds the table that the trail's metadata needs

BILLING = "essential.service.payment_processing"
RESOURCES = ("customer", "invoice", "person", "ticket", "device", "tag", "staff", "party", "payment", "account")


def new_id() -> str:
    """A key made by the client."""
    return str(uuid.uuid4())


def code_from(context: Any) -> str:
    """A default that looks at the row's other values."""
    return "T-" + context.get_current_parameters()["serial"]


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Named:
        """A mixin with a personal column, used by two tables."""

        name: Mapped[str] = mapped_column(Personal(String, category="user.name"))

    class Customer(Named, Base):
        __tablename__ = "customer"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        phone: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone", domain="phone")
        )
        email: Mapped[str | None] = mapped_column(Personal(String, category="user.contact.email", search="exact"))
        city: Mapped[str | None] = mapped_column(
            Personal(String(80), category="user.contact.address.city", sealed=False)
        )
        religion: Mapped[str | None] = mapped_column(
            Personal(String(40), category="user.demographic", sealed=False, mask="dots")
        )
        note: Mapped[str | None] = mapped_column(String(200))
        invoices: Mapped[list[Invoice]] = relationship(back_populates="customer")
        tags: Mapped[list[Tag]] = relationship(secondary="customer_tag")

    class Invoice(Base):
        __tablename__ = "invoice"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        customer_id: Mapped[str] = mapped_column(String(36))
        total: Mapped[int]
        customer: Mapped[Customer] = relationship(back_populates="invoices")
        __table_args__ = (ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),)

    class Person(Named, Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        mobile: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone", domain="phone")
        )
        born: Mapped[dt.date | None] = mapped_column(Personal(Date, category="user.demographic.date_of_birth"))

    class Ticket(Base):
        __tablename__ = "ticket"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        title: Mapped[str] = mapped_column(String(80))

    class Device(Base):
        __tablename__ = "device"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        tenant_id: Mapped[str] = mapped_column(String(64))
        serial: Mapped[str] = mapped_column(String(20))
        code: Mapped[str] = mapped_column(String(40), default=code_from)
        owner: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))

    class Tag(Base):
        __tablename__ = "tag"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        label: Mapped[str] = mapped_column(String(40))

    Table(
        "customer_tag",
        Base.metadata,
        Column("tenant_id", String(64), primary_key=True),
        Column("customer_id", String(36), primary_key=True),
        Column("tag_id", String(36), primary_key=True),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customer.tenant_id", "customer.id"]),
        ForeignKeyConstraint(["tenant_id", "tag_id"], ["tag.tenant_id", "tag.id"]),
    )

    class Staff(Base):
        """Attributes that are named otherwise than their columns."""

        __tablename__ = "staff"
        org: Mapped[str] = mapped_column("tenant_id", String(64), primary_key=True)
        number: Mapped[str] = mapped_column("id", String(36), primary_key=True, default=new_id)
        cell: Mapped[str | None] = mapped_column("phone", Personal(String, category="user.contact.phone_number"))
        title: Mapped[str | None] = mapped_column("job", String(40))

        @hybrid_property
        def company(self) -> str:
            return self.org

        @company.inplace.update_expression
        @classmethod
        def _set_company(cls, value: Any) -> list[tuple[Any, Any]]:
            return [(cls.org, value)]

    class Party(Base):
        """Joined-table inheritance."""

        __tablename__ = "party"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        kind: Mapped[str] = mapped_column(String(20))
        alias: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "party"}  # noqa: RUF012

    class Human(Party):
        __tablename__ = "human"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        nik: Mapped[str | None] = mapped_column(
            Personal(String, category="user.government_id", search="exact", normalise="digits")
        )
        __table_args__ = (ForeignKeyConstraint(["tenant_id", "id"], ["party.tenant_id", "party.id"]),)
        __mapper_args__ = {"polymorphic_identity": "human"}  # noqa: RUF012

    class Payment(Base):
        """Single-table inheritance."""

        __tablename__ = "payment"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        kind: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "cash"}  # noqa: RUF012

    class Card(Payment):
        number: Mapped[str | None] = mapped_column(Personal(String, category="user.financial.bank_account"))
        __mapper_args__ = {"polymorphic_identity": "card"}  # noqa: RUF012

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
        tenant_id: Mapped[str] = mapped_column(String(64))
        email: Mapped[str] = mapped_column(
            Personal(String, category="user.contact.email", search="exact", normalise="email", platform=True)
        )
        secret: Mapped[str] = mapped_column(String(80))

    class Country(Base):
        __tablename__ = "country"
        code: Mapped[str] = mapped_column(String(2), primary_key=True)
        called: Mapped[str] = mapped_column(String(40))

    class Loose(Base):
        __tablename__ = "loose"
        id: Mapped[int] = mapped_column(Integer, primary_key=True)

    names = dict(locals())
    return SimpleNamespace(**names)


DECLARED = [
    declare("customer", subject="id"),
    declare("customer_tag", resource="customer"),
    declare("human", resource="party"),
    declare("invoice", subject="customer_id"),
    declare("account", sign_in=True),
    *shared("country"),
]


@dataclass
class SqlWorld:
    """Tenants ``a`` and ``b``, each with ``boss`` (everything), ``viewer`` (reads) and ``masker`` (sees little)."""

    guard: Guard
    engine: Any
    plain: Any
    m: SimpleNamespace
    url: str

    @contextmanager
    def access(self, tenant: str = "a", actor: str = "boss", purpose: str = BILLING) -> Iterator[Access]:
        """A real access of a member."""
        with self.guard.access(tenant=tenant, actor=actor, purpose=purpose, reason="test") as access:
            yield access

    @contextmanager
    def session(self, tenant: str = "a", actor: str = "boss", **options: Any) -> Iterator[Session]:
        """A Session of the protected engine under an access."""
        with self.access(tenant, actor), Session(self.engine, **options) as session:
            yield session

    @contextmanager
    def signing_in(self) -> Iterator[Access]:
        """What the HTTP gate opens around `identify`."""
        platform = self.guard.keyring.cipher("platform")
        access = Access(kind="sign_in", purpose="essential.service.authentication", platform=platform)
        with open_access(access):
            yield access

    def refuses(self, errors: Any, name: str, attack: Any, *arguments: Any, **options: Any) -> None:
        """``attack`` raises one of ``errors``; ``name`` says which of many did not."""
        try:
            attack(*arguments, **options)
        except errors:
            return
        pytest.fail(name)

    def stored(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """What the database holds, by an engine that nobody protects."""
        with self.plain.begin() as connection:
            result = connection.execute(text(sql), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    def staged(self, tenant: str | None = None) -> list[dict[str, Any]]:
        """The entries that wait in the business database, oldest first."""
        rows = self.stored("SELECT body FROM amanah_staged ORDER BY at, event_id")
        entries = [spelled_out(row[0]) for row in rows]
        return [e for e in entries if e["kind"] == "write" and tenant in (None, e["tenant"])]

    def changes(self, tenant: str | None = None) -> list[dict[str, Any]]:
        """What those entries say was changed."""
        return [what for entry in self.staged(tenant) for what in entry["what"]]

    def close(self) -> None:
        """Stop the threads and let go of the databases."""
        self.engine.dispose()
        self.plain.dispose()
        self.guard.close()


def build(
    url: str,
    folder: Path,
    *,
    declared: Any = None,
    made: Any = None,
    tenants: tuple[str, ...] = ("a", "b"),
    guarded: Any = None,
    beside: Any = (),
    filled: bool = False,
    **options: Any,
) -> SqlWorld:
    """A world in the empty database at ``url``, without data. ``guarded``: more settings of the guard.

    ``beside``: more engines of it. ``filled``: the database has the tables and tenants already.
    """
    m = made or models()
    settings = Settings.in_folder(folder / "state")
    if not settings.key_file.exists():
        create_keys(settings)
    engine, plain = create_engine(url, **options), create_engine(url)
    with pytest.warns(RuntimeWarning, match="plain HTTP"):
        guard = Guard.development(
            metadata=m.Base.metadata,
            engine=[engine, *beside] if beside else engine,
            declarations=DECLARED if declared is None else declared,
            state=folder / "state",
            **{"identify": lambda _: None, "routes": [], **(guarded or {})},
        )
    if not filled:
        core.create_all(guard.engine)
        trail.create_all(guard.trail_engine)
        m.Base.metadata.create_all(plain)
        for tenant in tenants:
            guard.create_tenant(tenant, tenant.upper(), template="blank", admin="owner")
            with guard.engine.begin() as connection:
                _policy(guard, connection, tenant)
    return SqlWorld(guard, engine, plain, m, url)


def _policy(guard: Guard, connection: Any, tenant: str) -> None:
    for role in ("boss", "viewer", "masker"):
        guard.policies.add_role(connection, tenant, role)
        guard.directory.add_member(connection, tenant, role)
        guard.directory.grant(connection, tenant, role, role, reason="test", granted_by="owner")

    rules = [("boss", "*", action) for action in ("read", "create", "update", "delete")]
    rules += [("viewer", "*", "read")]
    rules += [("masker", resource, action) for resource in RESOURCES for action in ("read", "update", "create")]
    masked = ("customer.phone", "customer.city", "person.born", "person.mobile")
    rules += [("masker", field, "read_masked") for field in masked]
    guard.policies.add_rules(connection, tenant, [(*rule, BILLING, "allow") for rule in rules])


def seed(world: SqlWorld) -> None:
    """Budi and Siti with an invoice each in ``a``; Tono in ``b``, who shares Budi's number."""
    m = world.m
    with world.session() as session:
        budi = m.Customer(
            id="budi",
            name="Budi Santoso",
            phone="0812 3456 7890",
            email="budi@example.com",
            city="Surabaya",
            religion="Islam",
            note="first",
        )
        siti = m.Customer(id="siti", name="Siti Aminah", phone="0813 1111 2222", city="Malang", note="second")
        session.add_all([budi, siti])
        session.flush()
        session.add_all([m.Invoice(customer_id="budi", total=5), m.Invoice(customer_id="siti", total=7)])
        session.commit()
    with world.session("b") as session:
        session.add(m.Customer(id="tono", name="Tono Other", phone="0812 3456 7890", city="Medan", note="theirs"))
        session.flush()
        session.add(m.Invoice(id="their-invoice", customer_id="tono", total=900))
        session.commit()
