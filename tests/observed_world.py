"""A small application that was never written for Amanah, behind a guard that observes.

Loaded by the conftest of the folders that use it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, String, create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route as Handler
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient

from amanah import Actor, Guard, Identity, Personal, declare, public, route, sign_in
from amanah.audit.queue_table import QueueTable
from amanah.database import core, trail
from amanah.guard import create_keys
from amanah.settings import Settings
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

assert QueueTable  # its module holds the table that the trail's metadata needs

BILLING = "essential.service.payment_processing"


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        metadata = MetaData()

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[int] = mapped_column(primary_key=True)
        company: Mapped[int]
        name: Mapped[str] = mapped_column(String(80))
        born: Mapped[datetime]

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        company: Mapped[int]
        total: Mapped[int]

    class Secret(Base):
        __tablename__ = "secret"
        id: Mapped[int] = mapped_column(primary_key=True)
        company: Mapped[int]
        words: Mapped[str | None] = mapped_column(String(80))

    class Unit(Base):
        __tablename__ = "unit"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(String(10))

    return SimpleNamespace(Base=Base, Patient=Patient, Order=Order, Secret=Secret, Unit=Unit)


@dataclass
class ObservedWorld:
    """Companies 1 and 2. ``boss`` may do everything, ``clerk`` read orders, ``masker`` read patients without names."""

    url: str
    folder: Path
    m: SimpleNamespace = field(default_factory=models)
    guards: list[Any] = field(default_factory=list)
    identify: Any = None
    beside: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Keys, tables and some rows."""
        self.settings = Settings.in_folder(self.folder / "state")
        create_keys(self.settings)
        self.plain = create_engine(self.url)

    def guard(self, enforce: Any = (), *, days: int = 30, sealed: bool = False, **options: Any) -> Guard:
        """A guard that observes this application (once: it ties the models to itself)."""
        m = self.m
        columns = {"words": Personal(category="user.content", sealed=sealed)}
        self.engine = create_engine(self.url)
        made = Guard.observing(
            until=datetime.now(UTC).date() + timedelta(days=days),
            enforce=enforce,
            metadata=m.Base.metadata,
            engine=[self.engine, *self.beside],
            identify=self.identify or _identify,
            tenant_column="company",
            settings=self.settings,
            declarations=[
                declare(
                    "patient",
                    subject="id",
                    columns={
                        "name": Personal(category="user.name", sealed=False),
                        "born": Personal(category="user.demographic.date_of_birth", sealed=False),
                    },
                ),
                declare("secret", columns=columns),
            ],
            routes=[
                route("GET /patients", "patient", "read", ["billing"]),
                route("GET /orders", "orders", "read", ["billing"]),
                route("GET /secrets", "secret", "read", ["billing"]),
                route("GET /mixed", "orders", "read", ["billing"]),
                public("GET /health"),
                sign_in("GET /login"),
            ],
            **options,
        )
        self.guards.append(made)
        self.made = made
        core.create_all(made.engine)
        trail.create_all(made.trail_engine)
        m.Base.metadata.create_all(self.plain)
        return made

    def again(self, enforce: Any = (), **options: Any) -> None:
        """The application stops, and starts anew with another guard."""
        self.made.close()
        self.engine.dispose()
        self.m = models()
        self.guard(enforce, **options).start()

    def people(self) -> ObservedWorld:
        """Both companies with their roles, and some rows."""
        for tenant in ("1", "2"):
            self.made.create_tenant(tenant, tenant, template="blank", admin="owner")
            with self.made.engine.begin() as connection:
                for role, obj, *actions in (
                    ("boss", "*", "read", "create", "update", "delete"),
                    ("clerk", "orders", "read"),
                    ("masker", "patient", "read"),
                ):
                    self.made.policies.add_role(connection, tenant, role)
                    self.made.directory.add_member(connection, tenant, role)
                    self.made.directory.grant(connection, tenant, role, role, reason="test", granted_by="owner")
                    rules = [(role, obj, action, BILLING, "allow") for action in actions]
                    self.made.policies.add_rules(connection, tenant, rules)
        self.sql("INSERT INTO patient (id, company, name, born) VALUES (1, 1, 'Budi', '1990-01-05 00:00:00.000000')")
        self.sql("INSERT INTO patient (id, company, name, born) VALUES (2, 2, 'Siti', '1991-01-05 00:00:00.000000')")
        self.sql("INSERT INTO orders (id, company, total) VALUES (1, 1, 100)")
        self.sql("INSERT INTO orders (id, company, total) VALUES (2, 2, 200)")
        self.sql("INSERT INTO unit (id, code) VALUES (1, 'kg')")
        return self

    def sql(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """By an engine that nobody protects."""
        with self.plain.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    def client(self, **options: Any) -> TestClient:
        """A browser without a certificate's trouble: plain HTTP, as these apps are used behind their proxies."""
        return TestClient(self.made.wrap(self.app()), **options)

    def app(self) -> Starlette:
        """The application: every handler as its author wrote it."""
        m = self.m

        def listed(request: Any) -> JSONResponse:
            model = {"patients": m.Patient, "orders": m.Order, "secrets": m.Secret, "undeclared": m.Order}[
                request.url.path.strip("/")
            ]
            with Session(self.engine) as session:
                return JSONResponse([row.id for row in session.scalars(select(model).order_by(model.id))])

        def names(_request: Any) -> JSONResponse:
            with Session(self.engine) as session:
                return JSONResponse(list(session.scalars(select(m.Patient.name).order_by(m.Patient.name))))

        def mixed(_request: Any) -> JSONResponse:
            with Session(self.engine) as session:
                orders = len(session.scalars(select(m.Order)).all())
                patients = len(session.scalars(select(m.Patient)).all())
            return JSONResponse([orders, patients])

        def raw(_request: Any) -> JSONResponse:
            with self.engine.connect() as connection:
                return JSONResponse([row[0] for row in connection.execute(text("SELECT name FROM patient ORDER BY 1"))])

        def write(_request: Any) -> JSONResponse:
            with Session(self.engine) as session:
                session.add(m.Order(id=9, company=2, total=1))
                session.add(m.Unit(id=9, code="m"))
                session.commit()
            return JSONResponse({"done": True})

        def health(_request: Any) -> PlainTextResponse:
            return PlainTextResponse("ok", headers={"cache-control": "max-age=5"})

        async def live(socket: Any) -> None:
            await socket.accept()
            with Session(self.engine) as session:
                await socket.send_json([row.id for row in session.scalars(select(m.Order).order_by(m.Order.id))])
            await socket.close()

        handlers = {"names": names, "mixed": mixed, "raw": raw, "write": write, "health": health, "login": listed}
        handlers |= dict.fromkeys(("patients", "orders", "secrets", "undeclared"), listed)
        routes = [Handler(f"/{name}", handler) for name, handler in handlers.items()]
        return Starlette(routes=[*routes, WebSocketRoute("/live", live)])

    @contextmanager
    def unguarded_session(self) -> Iterator[Session]:
        """A Session of the protected engine outside any access, as in a script."""
        with Session(self.engine) as session:
            yield session

    def seen(self) -> list[dict[str, Any]]:
        """What would have been refused, as it is in the trail's queue."""
        self.made.notebook.flush()
        self.made.writer.record(_last(self.made))
        return [entry for entry in self.entries() if entry["outcome"] == "would_refuse"]

    def codes(self) -> set[str]:
        """Its codes, but for plain HTTP, which these requests come over."""
        return {entry["refusal"] for entry in self.seen()} - {"https-required"}

    def entries(self) -> list[dict[str, Any]]:
        """Every entry that waits or has its place, oldest first."""
        with self.made.trail_engine.connect() as connection:
            bodies = [
                *connection.execute(text("SELECT body FROM amanah_queued")).scalars(),
                *connection.execute(text("SELECT body FROM amanah_entry")).scalars(),
            ]
        with self.made.engine.connect() as connection:
            bodies += connection.execute(text("SELECT body FROM amanah_staged")).scalars()
        return sorted((spelled_out(body) for body in dict.fromkeys(bodies)), key=lambda one: one["at"])

    def close(self) -> None:
        """Stop the threads and let go of the databases."""
        for one in self.guards:
            one.close()
        self.engine.dispose()
        self.plain.dispose()


def _last(guard: Guard) -> Any:
    """An entry behind all that was handed over before: when it is durable, so are they."""
    from amanah.audit.entries import Entry, new_event_id, now_us

    return Entry(id=new_event_id(), at=now_us(), tenant="platform", access=new_event_id(), kind="admin")


def _identify(connection: Any) -> Any:
    """``X-User: company/member``."""
    named = connection.headers.get("x-user")
    if named is None:
        return None
    tenant, member = named.split("/")
    return Identity(tenant, Actor(member))
