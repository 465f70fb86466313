"""Searchable sealed columns of every kind, in two processes of one application: a tenant's, a shared domain, sign-in's.

Loaded with ``from tests import search_world``.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, UniqueConstraint, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from amanah import Personal, declare
from amanah.adoption.search_rotation import exchange
from amanah.audit.entries import now_us
from amanah.encryption.index_keys import index_keys
from tests import sql_world

if TYPE_CHECKING:
    from pathlib import Path

    from amanah.adoption.search_rotation import Exchange

PHONES = [f"0812 0000 {number:04d}" for number in range(12)]


def models() -> SimpleNamespace:
    """A table whose columns are searched, joined, grouped and unique."""

    class Base(DeclarativeBase):
        pass

    class Guest(Base):
        __tablename__ = "guest"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        tenant_id: Mapped[str] = mapped_column(String(64))
        phone: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone", domain="phone")
        )
        mate: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.phone_number", search="exact", normalise="phone", domain="phone")
        )
        email: Mapped[str | None] = mapped_column(
            Personal(String, category="user.contact.email", search="exact", normalise="email", platform=True)
        )
        __table_args__ = (UniqueConstraint("tenant_id", "phone"),)

    names = dict(locals())
    return SimpleNamespace(**names)


class SearchWorld:
    """One database and two processes, ``one`` and ``two``: each has a guard of its own, with the keys that it knows."""

    def __init__(self, url: str, folder: Path) -> None:
        declared = [declare("guest", resource="customer", sign_in=True)]
        self.one = sql_world.build(url, folder, made=models(), declared=declared)
        self.two = sql_world.build(url, folder, made=models(), declared=declared, tenants=())
        self.rows: dict[int, tuple[str, str | None]] = {}
        self.later = 0
        for process in self.processes:
            self.reload(process)

    @property
    def processes(self) -> list[Any]:
        """Both."""
        return [self.one, self.two]

    def add(self, process: Any, number: int, phone: str, mate: str | None = None) -> None:
        """A guest of tenant ``a``, whose e-mail address is ``g<number>@x.id``."""
        row = {"id": number, "tenant_id": "a", "phone": phone, "mate": mate, "email": f"g{number}@x.id"}
        with process.session() as session:
            session.execute(insert(process.m.Guest), [row])
            session.commit()
        self.rows[number] = phone, mate

    def refuses_twice(self, process: Any, phone: str) -> bool:
        """Whether the database refuses a second guest with that number."""
        try:
            self.add(process, 900, phone)
        except IntegrityError:
            return True
        return False

    def wrong_searches(self, process: Any) -> dict[str, Any]:
        """What searches answer otherwise than the values do, by name; empty where all is well."""
        guest = process.m.Guest
        mate = aliased(guest)
        ids = {phone: number for number, (phone, _) in self.rows.items()}
        some = sorted(ids)[:3]
        pairs = sorted((ids[with_], number) for number, (_, with_) in self.rows.items() if with_ in ids)
        counted: dict[str, int] = {}
        for _, with_ in self.rows.values():
            if with_ is not None:
                counted[with_] = counted.get(with_, 0) + 1
        rest = sorted(number for number, (phone, _) in self.rows.items() if phone not in some)
        with process.session() as session:

            def all_of(statement: Any) -> list[Any]:
                return sorted(session.scalars(statement))

            def each(one: Any) -> list[Any]:
                return [session.scalar(select(guest.id).where(*one(number))) for number in self.rows]

            joined = session.execute(select(guest.id, mate.id).join(mate, mate.mate == guest.phone))
            grouped = select(guest.mate, func.count()).where(guest.mate.is_not(None)).group_by(guest.mate)
            everybody = [*self.rows]
            found = {
                "equality": (each(lambda n: [guest.phone == self.rows[n][0]]), everybody),
                "in": (all_of(select(guest.id).where(guest.phone.in_(some))), sorted(ids[one] for one in some)),
                "not in": (all_of(select(guest.id).where(guest.phone.not_in(some))), rest),
                "unequal": (session.scalar(select(func.count()).where(guest.phone != some[0])), len(ids) - 1),
                "join": (sorted(map(tuple, joined)), pairs),
                "group": (dict(map(tuple, session.execute(grouped))), counted),
                "platform": (each(lambda n: [guest.email == f"G{n}@X.id"]), everybody),
                "both": (each(lambda n: [guest.email == f"g{n}@x.id", guest.phone == self.rows[n][0]]), everybody),
            }
        with process.signing_in(), process.engine.connect() as connection:
            table = guest.__table__
            found["sign-in"] = (
                [connection.scalar(select(table.c.id).where(table.c.email == f"g{one}@x.id")) for one in self.rows],
                [*self.rows],
            )
        return {name: answers for name, answers in found.items() if answers[0] != answers[1]}

    def reload(self, process: Any) -> None:
        """As after the keyring's ``ttl``: the keys of now, which it then holds."""
        for owner in ("a", "b", "platform"):
            process.guard.keyring.forget(owner)
            process.guard.keyring.cipher(owner)

    def wait(self) -> None:
        """Two ``ttl`` pass for the command."""
        self.later += int(2 * self.one.guard.keyring.ttl * 1_000_000) + 1

    def exchange(self, owner: str = "a", **options: Any) -> Exchange:
        """One run of the command, in a process of its own."""
        work = {"operator": "operator:test", "clock": lambda: now_us() + self.later, **options}
        return exchange(self.one.guard, owner, **work)

    def versions(self, owner: str = "a") -> tuple[int | None, int, int | None]:
        """The versions of predecessor, reading and successor."""
        with self.one.guard.engine.connect() as connection:
            keys = index_keys(connection, owner)
        before, after = keys.predecessor, keys.successor
        return before and before.version, keys.reading.version, after and after.version

    def empty(self, column: str) -> int:
        """How many cells of a search column hold nothing beside a value."""
        value = column.partition("_ix")[0]
        return self.one.stored(f"SELECT count(*) FROM guest WHERE {value} IS NOT NULL AND {column} IS NULL")[0][0]

    def close(self) -> None:
        """Stop both."""
        for process in self.processes:
            process.close()
