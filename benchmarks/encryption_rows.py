"""The rows of `encryption.py`: the same table plain, governed, sealed, under subject keys, and by SQLAlchemy-Utils."""

from __future__ import annotations

import os
import uuid
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, create_engine, insert, make_url, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine, StringEncryptedType

import amanah.audit.queue_table  # noqa: F401 - holds a table of the trail's metadata
from amanah import Guard, Personal, declare
from amanah.database import core, trail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from amanah.encryption.cipher import TenantCipher

TENANT = "surabaya"
PURPOSE = "essential.service.payment_processing"
COLUMNS = ("name", "phone", "email", "street", "note")
SUBJECT_FORMAT = 2
VARIANTS = ("plain", "governed", "sealed", "subject keys", "SQLAlchemy-Utils")


def models(type_of: Any) -> SimpleNamespace:
    """Customers with five columns of text; ``type_of(name)`` gives their types."""

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        tenant_id: Mapped[str] = mapped_column(String(64), index=True)
        for column in COLUMNS:
            vars()[column] = mapped_column(column, type_of(column), nullable=True)

    return SimpleNamespace(Base=Base, Customer=Customer)


def row(number: int) -> dict[str, Any]:
    """One customer."""
    return {
        "id": number,
        "tenant_id": TENANT,
        "name": f"Pelanggan Nomor {number}",
        "phone": f"+62812{number:08}",
        "email": f"pelanggan{number}@example.co.id",
        "street": f"Jalan Pahlawan {number}, Surabaya",
        "note": "Mohon dikirim sebelum pukul lima sore",
    }


@dataclass
class World:
    """One database with one variant of the table; ``guard`` is None where nothing protects it."""

    engine: Engine
    m: SimpleNamespace
    guard: Guard | None = None

    @contextmanager
    def access(self) -> Iterator[None]:
        """An access of a member who sees everything in clear; nothing where there is no guard."""
        if self.guard is None:
            yield
            return
        with self.guard.access(tenant=TENANT, actor="boss", purpose=PURPOSE, reason="benchmark"):
            yield

    def load(self) -> int:
        """All rows as entities, in a Session of their own."""
        with Session(self.engine) as session:
            return len(session.scalars(select(self.m.Customer)).all())

    def cipher(self) -> TenantCipher:
        """The tenant's keys."""
        if self.guard is None:
            raise SystemExit("a plain table has no keys")
        return self.guard.keyring.cipher(TENANT)

    def close(self) -> None:
        """Let go."""
        self.engine.dispose()
        if self.guard is not None:
            self.guard.close()


def guarded(url: str, folder: Path, declared: dict[str, Personal], subject: str | None) -> World:
    """A guard over an empty database with one tenant, whose boss may do everything."""
    m = models(lambda _: String(120))
    engine = create_engine(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        guard = Guard.development(
            metadata=m.Base.metadata,
            engine=engine,
            identify=lambda _: None,
            routes=[],
            declarations=[declare("customer", subject=subject, columns=declared)],
            state=folder / "state",
        )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    m.Base.metadata.create_all(guard.engine)
    guard.create_tenant(TENANT, "Surabaya", template="blank", admin="owner")
    with guard.engine.begin() as connection:
        guard.policies.add_role(connection, TENANT, "boss")
        guard.directory.add_member(connection, TENANT, "boss")
        guard.directory.grant(connection, TENANT, "boss", "boss", reason="benchmark", granted_by="owner")
        actions = ("read", "create", "update", "delete")
        guard.policies.add_rules(connection, TENANT, [("boss", "*", action, PURPOSE, "allow") for action in actions])
    return World(engine, m, guard)


def build(variant: str, url: str, folder: Path, rows: int) -> World:
    """A variant with so many rows."""
    if variant in ("plain", "SQLAlchemy-Utils"):
        key = os.urandom(16).hex()
        sealed = variant != "plain"
        m = models(lambda _: StringEncryptedType(String, key, AesGcmEngine) if sealed else String(120))
        world = World(create_engine(url), m)
        m.Base.metadata.create_all(world.engine)
    else:
        governed = variant == "governed"
        declared = {name: Personal(category="user.contact", sealed=not governed) for name in COLUMNS}
        world = guarded(url, folder, declared, "id" if variant == "subject keys" else None)
    with world.access(), Session(world.engine) as session:
        for start in range(1, rows + 1, 1000):
            part = [row(number) for number in range(start, min(start + 1000, rows + 1))]
            session.execute(insert(world.m.Customer), part)
        session.commit()
    return world


def format_of(world: World) -> int | None:
    """The format of the envelopes in the table; None where it holds none."""
    if world.guard is None:
        return None
    with world.guard.engine.connect() as connection:
        cell = connection.execute(text("SELECT phone FROM customer LIMIT 1")).scalar()
    return bytes(cell)[0] if isinstance(cell, bytes | memoryview) else None


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty one; on PostgreSQL in the server that AMANAH_TEST_POSTGRES names."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / f'{uuid.uuid4().hex}.db'}"
        return
    server = make_url(os.environ["AMANAH_TEST_POSTGRES"])
    name = f"encryption_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
