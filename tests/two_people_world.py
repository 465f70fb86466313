"""A column that is read sealed, in two tenants whose people may ask for it in plain again."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, insert, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah.adoption.requests import look_up
from amanah.adoption.two_people import TwoPeople
from amanah.audit.entries import now_us
from amanah.audit.log import list_entries
from amanah.console.models import credential
from amanah.console.proof import Proven, prove
from amanah.encryption.passwords import hash_password
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "tujuh burung biru"
PHONE = "user.contact.phone_number"


def models() -> SimpleNamespace:
    """Customers: one column at each step."""

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        phone: Mapped[str | None] = mapped_column(
            Personal(String(20), category=PHONE, search="exact", sealing="read_sealed")
        )
        fax: Mapped[str | None] = mapped_column(Personal(String(20), category=PHONE, sealing="read_sealed"))
        pager: Mapped[str | None] = mapped_column(Personal(String(20), category=PHONE, sealing="write_both"))
        city: Mapped[str | None] = mapped_column(Personal(String, category="user.contact.address.city"))

    class Supplier(Base):
        __tablename__ = "supplier"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        phone: Mapped[str | None] = mapped_column(Personal(String(20), category=PHONE, sealing="read_sealed"))
        mobile: Mapped[str | None] = mapped_column(Personal(String(20), category=PHONE, sealing="read_sealed"))

    return SimpleNamespace(Base=Base, Customer=Customer, Supplier=Supplier)


@dataclass
class Office:
    """In each of ``a`` and ``b``: ``owner``, ``second`` and ``third``, who may, and ``boss``, who may not."""

    books: Any
    later: int = 0

    def close(self) -> None:
        """Let go of the databases."""
        self.books.close()

    @property
    def guard(self) -> Any:
        """The guard."""
        return self.books.guard

    def now(self) -> int:
        """The clock, which a test may put forward."""
        return now_us() + self.later

    def two_people(self, operator: str = "operator:ops") -> TwoPeople:
        """The way back, at one terminal."""
        return TwoPeople(self.guard, operator=operator, clock=self.now)

    def person(self, member: str, tenant: str = "a", password: str = PASSWORD) -> Proven:
        """A member who proves who they are."""
        return prove(self.guard, tenant, member, password, clock=self.now)

    def ask(self, *names: str, tenant: str = "a", reason: str = "the courier's new software") -> str:
        """The id of what the owner asked for."""
        person = self.person("owner", tenant)
        return self.two_people().ask(person, names or ("customer.phone",), reason).id

    def approved(self, *names: str, tenant: str = "a") -> str:
        """The id of a request that is good."""
        request_id = self.ask(*names, tenant=tenant)
        self.two_people().approve(request_id, self.person("second", tenant))
        return request_id

    def state(self, request_id: str, tenant: str = "a") -> str:
        """How far it has come."""
        return look_up(self.guard, tenant, request_id).request.state(self.now())

    def entries(self, tenant: str = "a") -> list[Any]:
        """The tenant's trail, oldest first, sequenced now."""
        self.guard.sequencer.run_once()
        found = [one.entry for one in list_entries(self.guard.trail_engine, tenant, limit=1000)]
        return sorted(found, key=lambda entry: entry.at)

    def acts(self, tenant: str = "a") -> list[tuple[str, Any, str | None]]:
        """What the trail says of decrypting: act, actor, and the code of a refusal."""
        told = [(one.detail.get("act", ""), one.actor, one.refusal) for one in self.entries(tenant)]
        return [one for one in told if str(one[0]).startswith(("decrypt.", "terminal."))]

    def emptied(self) -> list[tuple[str, str, str | None]]:
        """Let each tenant's customers lack their plain values, as after a downgrade; what is left in plain."""
        for tenant in ("a", "b"):
            with self.books.session(tenant) as session:
                for number in range(3):
                    phone = f"0812-{tenant}-{number}"
                    session.add(self.books.m.Customer(tenant_id=tenant, id=str(number), phone=phone, fax=phone))
                session.commit()
        with self.books.plain.begin() as connection:
            connection.execute(text("UPDATE customer SET phone = NULL, fax = NULL"))
        return self.plain()

    def plain(self, column: str = "phone") -> list[tuple[str, str, str | None]]:
        """What stands in the plain column."""
        rows = self.books.stored(f"SELECT tenant_id, id, {column} FROM customer ORDER BY tenant_id, id")
        return [(row[0], row[1], row[2]) for row in rows]


@cache
def _kept() -> str:
    """What `set_password` would keep, worked out once: it is meant to take long."""
    return hash_password(PASSWORD)


def build(url: str, folder: Path, *, filled: bool = False) -> Office:
    """An office in the empty database at ``url``. ``filled``: it has everything already."""
    books = sys.modules["sql_world"].build(url, folder, made=models(), declared=[], filled=filled)
    if filled:
        return Office(books)
    with books.guard.engine.begin() as connection:
        for tenant in ("a", "b"):
            for member in ("second", "third"):
                books.guard.directory.add_member(connection, tenant, member)
                books.guard.directory.grant(connection, tenant, member, "admin", reason="test", granted_by="platform")
            kept = {"tenant_id": tenant, "password_hash": _kept(), "set_at": now_us()}
            people = ("owner", "second", "third", "boss")
            connection.execute(insert(credential), [{**kept, "member_id": member} for member in people])
    return Office(books)
