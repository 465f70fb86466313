"""Attack: come into an application whose data is all one tenant's as somebody of another."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, String, delete, insert, select, text, union_all, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah.errors import (
    AccessRequired,
    ConfigurationError,
    MaskedWrite,
    RawSqlRefused,
    SealedWriteRefused,
    SubjectSecretMissing,
    Tampered,
    TenantCrossed,
    TenantForeign,
)
from amanah.middleware.access import Access, Actor, open_access
from amanah.middleware.compiler import GuardedCompiler
from amanah.middleware.declare import declare, shared
from amanah.middleware.fixed_tenant import only
from amanah.middleware.identify import Identity
from amanah.middleware.personal import Personal
from amanah.middleware.routes import RouteTable, route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from amanah.middleware.identify import Identify

BILLING = "essential.service.payment_processing"


def _models() -> SimpleNamespace:
    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(40))
        phone: Mapped[str] = mapped_column(String(20), unique=True)
        note: Mapped[str | None] = mapped_column(String(40))
        scripts: Mapped[list[Script]] = relationship()

    class Script(Base):
        __tablename__ = "script"
        id: Mapped[int] = mapped_column(primary_key=True)
        patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
        text: Mapped[str] = mapped_column(String(40))

    class Account(Base):
        __tablename__ = "account"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(40))

    class Drug(Base):
        __tablename__ = "drug"
        id: Mapped[int] = mapped_column(primary_key=True)

    return SimpleNamespace(**locals())


@pytest.fixture
def apotek(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Tenant ``apotek`` has a patient with a prescription; tenant ``toko`` exists as well, and has nothing here."""
    made = sys.modules["sql_world"].build(
        database_url,
        tmp_path,
        made=_models(),
        declared=[
            declare(
                "patient",
                subject="id",
                columns={
                    "name": Personal(category="user.name"),
                    "phone": Personal(category="user.contact.phone_number", search="exact", normalise="phone"),
                },
            ),
            declare("account", sign_in=True),
            *shared("drug"),
        ],
        tenants=("apotek", "toko"),
        guarded={
            "fixed_tenant": "apotek",
            "identify": lambda connection: Identity(connection.headers["x-tenant"], Actor("boss")),
            "routes": [route("GET /scripts", "script", "read", [BILLING])],
        },
    )
    with made.session("apotek") as session:
        session.add(made.m.Patient(name="Budi", phone="0812", note="first", scripts=[made.m.Script(text="syrup")]))
        session.add(made.m.Account(name="cashier"))
        session.commit()
    yield made
    made.close()


def test_the_application_works_as_ever_for_its_one_tenant(apotek: Any) -> None:
    """No column more; reading, searching, writing, upserts and lazy loads; sealed for the tenant, and on its trail."""
    m = apotek.m
    upsert = sqlite.insert if "sqlite" in apotek.url else postgresql.insert
    assert [c.name for c in m.Patient.__table__.c] == ["id", "name", "phone", "note", "phone_ix", "phone_ix2"]
    assert bytes(apotek.stored("SELECT name FROM patient")[0][0])[:1] == b"\x02"
    with apotek.session("apotek") as session:
        found = session.scalars(select(m.Patient).where(m.Patient.phone == "+62 812")).one()
        assert (found.name, [s.text for s in found.scripts]) == ("Budi", ["syrup"])
        found.name = "Budi S"
        session.execute(update(m.Script).where(m.Script.patient_id == m.Patient.id).values(text="drops"))
        account = upsert(m.Account).values(id=1, name="boss")
        session.execute(account.on_conflict_do_update(index_elements=["id"], set_={"name": "boss"}))
        session.commit()
        assert session.scalars(union_all(select(m.Account.name), select(m.Script.text))).all() == ["boss", "drops"]
        session.execute(delete(m.Script))
        session.commit()
    assert apotek.stored("SELECT count(*) FROM script") == [(0,)]
    assert {entry["tenant"] for entry in apotek.staged()} == {"apotek"}
    assert next(c["subjects"] for c in apotek.changes() if c["resource"] == "patient") == ["1"]


def test_an_access_of_another_tenant_is_refused_at_every_statement(apotek: Any) -> None:
    """Reading, writing, deleting, by ORM and Core, alone, joined, in a subquery, a UNION or beside a shared table."""
    m = apotek.m
    refused = (
        select(m.Patient),
        select(m.Patient.__table__.c.note),
        select(m.Script.text).join(m.Patient),
        select(m.Drug.id).where(m.Drug.id.in_(select(m.Patient.id))),
        select(m.Drug.id).join(m.Script, m.Script.id == m.Drug.id, isouter=True),
        union_all(select(m.Drug.id), select(m.Patient.id)),
        select(select(m.Patient.id).cte("x").c.id),
        insert(m.Script).values(patient_id=1, text="x"),
        insert(m.Patient).values(name="x", phone="x"),
        update(m.Script).values(text="x"),
        update(m.Patient).where(m.Patient.id == 1).values(name="x"),
        delete(m.Script),
    )
    with apotek.session("toko") as session:
        assert session.scalars(select(m.Drug.id)).all() == []
        for statement in refused:
            with pytest.raises((TenantForeign, TenantCrossed)):
                session.execute(statement)
            session.rollback()
        with pytest.raises(TenantForeign):
            session.get(m.Patient, 1)
        session.rollback()
        with pytest.raises(RawSqlRefused):
            session.execute(text("SELECT * FROM script"))
    assert apotek.stored("SELECT text FROM script") == [("syrup",)]


def test_a_declared_report_shows_another_tenant_nothing(apotek: Any) -> None:
    """Raw SQL that was declared runs for the one tenant, and finds no row or is refused for any other."""
    sql = "SELECT s.text FROM script s"
    apotek.guard.declared_sql("scripts", sql)
    with apotek.session("apotek") as session:
        assert session.execute(text(sql)).scalars().all() == ["syrup"]
    with apotek.session("toko") as session:
        for run in (lambda: session.execute(text(sql)), lambda: session.connection().exec_driver_sql(sql)):
            with pytest.raises(TenantForeign):
                run()
            session.rollback()


def test_the_wall_stands_behind_the_refusal(apotek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a statement of another tenant get as far as the database, it finds nothing there."""
    m = apotek.m
    monkeypatch.setattr("amanah.middleware.hooks.demand_tenant", lambda *_: None)
    with apotek.session("toko") as session:
        assert session.scalars(select(m.Script.text)).all() == []
        assert session.execute(update(m.Script).values(text="x")).rowcount == 0
        assert session.execute(delete(m.Script)).rowcount == 0
        session.rollback()
    with apotek.session("apotek") as session:
        assert session.scalars(select(m.Script.text)).all() == ["syrup"]
        monkeypatch.setattr(GuardedCompiler, "_owned", lambda *_, **__: "1 = 1")
    with apotek.session("toko") as session, pytest.raises((Tampered, SubjectSecretMissing)):
        session.scalars(select(m.Patient.name).where(m.Patient.id > 0)).all()  # the keys are the last wall


def test_what_is_masked_is_written_back_as_it_was_shown(apotek: Any) -> None:
    """There is no column that an UPDATE without change could set but the row's key."""
    m = apotek.m
    with apotek.guard.engine.begin() as connection:
        for name, action in (("patient", "read"), ("patient", "update"), ("patient.phone", "read_masked")):
            apotek.guard.policies.add_rule(
                connection, "apotek", role="masker", object=name, action=action, purpose=BILLING
            )
    with apotek.session("apotek", "masker") as session:
        patient = session.get_one(m.Patient, 1)
        shown = patient.phone
        assert shown != "0812"
        session.execute(update(m.Patient), [{"id": 1, "phone": shown}])
        session.commit()
        with pytest.raises(MaskedWrite):
            session.execute(update(m.Patient), [{"id": 1, "phone": "0813"}])
    with apotek.session("apotek") as session:
        assert session.get_one(m.Patient, 1).phone == "0812"


def test_sign_in_and_public_routes_reach_what_they_ever_did(apotek: Any) -> None:
    """Sign-in its own tables, public routes none, and nobody anything without an access."""
    m = apotek.m
    with apotek.signing_in(), Session(apotek.engine) as session:
        assert session.scalars(select(m.Account.name)).all() == ["cashier"]
        session.execute(insert(m.Account).values(name="new"))
        session.commit()
        for statement in (select(m.Script.text), insert(m.Script).values(patient_id=1, text="x")):
            with pytest.raises((AccessRequired, TenantCrossed)):
                session.execute(statement)
    with open_access(Access(kind="public")), Session(apotek.engine) as session:
        with pytest.raises(Exception, match="may read account"):
            session.execute(select(m.Account.name))
        with pytest.raises(TenantCrossed):
            session.execute(insert(m.Account).values(name="x"))
    with Session(apotek.engine) as session, pytest.raises(AccessRequired):
        session.execute(select(m.Script.text))


def test_what_one_tenant_compiled_does_not_serve_another(apotek: Any) -> None:
    """The compiled form is shared; who asks is looked at each time."""
    m = apotek.m
    statement = select(m.Script.text)
    for _ in range(2):
        with apotek.session("apotek") as session:
            assert session.scalars(statement).all() == ["syrup"]
        with apotek.session("toko") as session, pytest.raises(TenantForeign):
            session.scalars(statement)


def test_a_key_is_not_taken_from_its_row_by_an_upsert(apotek: Any) -> None:
    """A sealed column or the key in DO UPDATE is refused here as everywhere."""
    m = apotek.m
    upsert = sqlite.insert if "sqlite" in apotek.url else postgresql.insert
    statement = upsert(m.Patient).values(id=1, name="x", phone="x")
    for changes in ({"name": "x"}, {"id": 9}):
        with apotek.session("apotek") as session, pytest.raises(SealedWriteRefused):
            session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes))


def test_a_request_of_another_tenant_ends_at_the_door(apotek: Any) -> None:
    """Its login is good, its role too: this application is not its tenant's."""

    def scripts(_: Any) -> JSONResponse:
        with Session(apotek.engine) as session:
            return JSONResponse(list(session.scalars(select(apotek.m.Script.text))))

    app = apotek.guard.wrap(Starlette(routes=[Route("/scripts", scripts)]))
    with TestClient(app) as client:
        ours, theirs, unknown = (
            client.get("/scripts", headers={"x-tenant": tenant}) for tenant in ("apotek", "toko", "nobody")
        )
    assert (ours.status_code, ours.json()) == (200, ["syrup"])
    for answer in (theirs, unknown):
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant-foreign")
        assert "syrup" not in answer.text


@pytest.mark.anyio
async def test_identify_yields_nobody_of_another_tenant() -> None:
    """At the door already, whether the application's answer is plain or awaited."""

    async def awaited(_: Any) -> Identity | None:
        return Identity("toko", Actor("1"))

    answers: dict[str, Identify] = {"plain": lambda _: Identity("toko", Actor("1")), "awaited": awaited}
    for identify in answers.values():
        asked: Any = only("apotek", identify)
        with pytest.raises(TenantForeign):
            await asked(None)
        anybody: Any = only(None, identify)
        assert anybody is identify
    ours, nobody = Identity("apotek", Actor("1")), None
    for answer in (ours, nobody):
        asked = only("apotek", lambda _, answer=answer: answer)
        assert await asked(None) is answer


def test_pages_beside_the_application_let_in_nobody_of_another_tenant(apotek: Any) -> None:
    """The console asks its own sign-in who it is; whatever stands behind a gate of this guard is limited alike."""
    seen: list[Any] = []

    def page(request: Any) -> JSONResponse:
        seen.append(request)
        return JSONResponse({})

    declared = RouteTable([route("GET /page", "script", "read", [BILLING])])
    inner = Starlette(routes=[Route("/page", page)])
    beside = apotek.guard.guarded(inner, declared, lambda _: Identity("toko", Actor("boss")))
    with TestClient(beside) as client:
        refused = client.get("/page")
    assert (refused.status_code, refused.json()["code"], seen) == (403, "tenant-foreign", [])


@pytest.mark.parametrize("name", ["", "Apotek Sehat", "apotek'--", "platform"])
def test_a_fixed_tenant_has_a_tenants_name(name: str) -> None:
    """What no tenant can be called is a mistake in the configuration."""
    with pytest.raises(ConfigurationError):
        only(name, lambda _: None)
