"""Tables of an application in use, full of plain values, on their way to being sealed beside themselves.

Keys are integers, UUIDs, text and several columns; rows belong to their tenant by a column, by a parent, by a parent's
parent. Loaded with ``from tests import sealing_world``.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Date, ForeignKey, LargeBinary, Numeric, String, Uuid, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Personal, declare
from amanah.adoption.sealing import backfill
from amanah.adoption.sealing_targets import chosen
from amanah.adoption.sealing_verified import verify
from tests import sql_world, via_world

if TYPE_CHECKING:
    from pathlib import Path

    from amanah.middleware.siblings import Step

UUIDS = [uuid.UUID(int=number) for number in (3, 1, 2)]


def new_uuid(number: int) -> uuid.UUID:
    """One that is none of `UUIDS`."""
    return uuid.UUID(int=100 + number)


def models() -> SimpleNamespace:
    """The application's tables, as one finds them."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str | None] = mapped_column(String(64))
        phone: Mapped[str | None] = mapped_column(String(20))
        born: Mapped[dt.date | None] = mapped_column(Date)
        score: Mapped[int | None]
        fee: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
        profile: Mapped[Any | None] = mapped_column(JSON)
        photo: Mapped[bytes | None] = mapped_column(LargeBinary)
        seen_at: Mapped[dt.datetime | None]

    class Visit(Base):
        __tablename__ = "visit"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
        patient_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"))
        complaint: Mapped[str | None] = mapped_column(String(80))

    class Remark(Base):
        __tablename__ = "remark"
        visit_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("visit.id"), primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        words: Mapped[str | None] = mapped_column(String(80))

    class Account(Base):
        __tablename__ = "account"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        login: Mapped[str] = mapped_column(String(20), primary_key=True)
        email: Mapped[str | None] = mapped_column(String(80).with_variant(String(80, collation="NOCASE"), "sqlite"))

    class Letter(Base):
        """Its key is made by the database, so its values are bound to no row."""

        __tablename__ = "letter"
        id: Mapped[str] = mapped_column(String(40), primary_key=True, server_default=text("'new'"))
        tenant_id: Mapped[str] = mapped_column(String(64))
        body: Mapped[str | None] = mapped_column(String(80))

    names = dict(locals())
    return SimpleNamespace(**names)


def declared(step: Step | None) -> list[Any]:
    """Everything personal, in one ``step``; None: governed."""

    def personal(category: str, **more: Any) -> Personal:
        if step is None:
            return Personal(category=category, sealed=False)
        return Personal(category=category, sealing=step, **more)

    return [
        declare(
            "patient",
            resource="customer",
            subject="id",
            columns={
                "phone": personal("user.contact.phone_number", search="exact", normalise="phone", domain="phone"),
                "born": personal("user.demographic.date_of_birth"),
                "score": personal("user.demographic", search="exact"),
                "fee": personal("user.financial"),
                "profile": personal("user.demographic"),
                "photo": personal("user.biometric"),
                "seen_at": personal("user.behavior"),
            },
        ),
        declare("visit", resource="customer", via="patient_id", columns={"complaint": personal("user.content")}),
        declare("remark", resource="customer", via="visit_id", columns={"words": personal("user.content")}),
        declare(
            "account",
            resource="customer",
            columns={"email": personal("user.contact.email", search="exact", normalise="email", platform=True)},
        ),
        declare("letter", resource="customer", columns={"body": personal("user.content")}),
    ]


class SealingWorld:
    """One database, and one guard after the other over it, as deployments follow each other."""

    def __init__(self, url: str, folder: Path, step: Step | None = "write_both", *, existing: bool = False) -> None:
        """With the columns beside those in use, as the first migration adds them. ``existing``: it is there already."""
        self.url, self.folder = url, folder
        self.world: Any = None
        self.existing = existing
        self.raw = models()
        self.deploy(step)

    def deploy(self, step: Step | None) -> SealingWorld:
        """Stop what runs, and start with the next declaration."""
        if self.world is not None:
            self.world.close()
        first, self.existing = not self.existing, True
        self.world = sql_world.build(
            self.url, self.folder, made=models(), declared=declared(step), tenants=("a", "b") if first else ()
        )
        via_world.check_foreign_keys(self.world.engine)
        return self

    @property
    def guard(self) -> Any:
        """The guard of what is deployed now."""
        return self.world.guard

    def insert(self, model: str, *rows: dict[str, Any]) -> None:
        """As an application does that knows nothing of Amanah."""
        with self.world.plain.begin() as connection:
            connection.execute(insert(getattr(self.raw, model).__table__), list(rows))

    def sql(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Through an engine that nobody protects."""
        return self.world.stored(statement, **parameters)  # type: ignore[no-any-return]

    def fill(self) -> SealingWorld:
        """Rows of both tenants, of each kind."""
        self.insert(
            "Patient",
            patient(1, "a", phone="0812 3456 7890", profile={"blood": "O", "allergies": ["ink"]}),
            patient(2, "a", phone="+62 813-1111", score=-5, fee=Decimal("0.10"), photo=b"\x00\xff'"),
            patient(3, "a", phone=None, born=None, score=None, fee=None, profile=None, photo=None, seen_at=None),
            patient(4, "b", phone="0812 3456 7890", profile=[1, 2.5, "é"]),
        )
        self.insert(
            "Visit",
            {"id": UUIDS[0], "patient_id": 1, "complaint": "batuk"},
            {"id": UUIDS[1], "patient_id": 2, "complaint": "it's 100% %s"},
            {"id": UUIDS[2], "patient_id": 4, "complaint": "demam"},
        )
        self.insert(
            "Remark",
            {"visit_id": UUIDS[0], "number": 1, "words": "satu"},
            {"visit_id": UUIDS[0], "number": 2, "words": "dua"},
            {"visit_id": UUIDS[2], "number": 1, "words": "tiga"},
        )
        self.insert(
            "Account",
            {"tenant_id": "a", "login": "budi", "email": "Budi@Example.com"},
            {"tenant_id": "b", "login": "budi", "email": "budi@example.com"},
        )
        self.insert("Letter", {"id": "x", "tenant_id": "a", "body": "surat"})
        return self

    def encrypt(self, *names: str, **more: Any) -> dict[str, Any]:
        """The results of a backfill, by column."""
        fields = chosen(self.guard, names, ("write_both",))
        return {f"{r.table}.{r.column}": r for r in backfill(self.guard, fields, operator="operator:ops", **more)}

    def verify(self, *names: str, **more: Any) -> dict[str, Any]:
        """What is found to be missing or different, by column."""
        fields = chosen(self.guard, names, ("write_both", "read_sealed"))
        return {f"{r.table}.{r.column}": r for r in verify(self.guard, fields, operator="operator:ops", **more)}

    def close(self) -> None:
        """Let go."""
        self.world.close()


def patient(key: int, tenant: str | None, **values: Any) -> dict[str, Any]:
    """A row."""
    return {
        "id": key,
        "tenant_id": tenant,
        "phone": f"0812{key:08}",
        "born": dt.date(1990, 1, 2),
        "score": 7,
        "fee": Decimal("125000.50"),
        "profile": {"n": key},
        "photo": b"jpeg",
        "seen_at": dt.datetime(2026, 5, 6, 7, 8, 9, 100),  # noqa: DTZ001 - the column has no zone
        **values,
    }
