"""Attack: take another of the application's engines, one that the first wall was not built for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah.errors import AccessRequired, EngineUnprotected, RawSqlRefused, Tampered
from amanah.middleware.access import Actor
from amanah.middleware.identify import Identity
from amanah.middleware.routes import route

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


@pytest.fixture
def two(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Tenants ``a`` and ``b``; the application has an engine, a second one and an asynchronous one."""
    url = make_url(database_url)
    second = create_engine(url)
    later = create_async_engine(url.set(drivername=DRIVERS[url.get_backend_name()]))
    settings = {
        "identify": lambda connection: Identity(connection.headers["x-tenant"], Actor("boss")),
        "routes": [route("GET /customers", "customer", "read", ["billing"])],
    }
    world = sys.modules["sql_world"]
    made = world.build(database_url, tmp_path, beside=[later, second], guarded=settings)
    world.seed(made)
    made.second, made.later = second, later
    yield made
    second.dispose()
    made.close()


def test_a_handler_that_uses_the_second_engine_reads_its_own_tenant_only(two: Any) -> None:
    """And what it read is on record."""
    m = two.m

    def customers(_: Any) -> JSONResponse:
        with Session(two.second) as session:
            return JSONResponse([one.id for one in session.scalars(select(m.Customer).order_by(m.Customer.id))])

    app = two.guard.wrap(Starlette(routes=[Route("/customers", customers)]))
    with TestClient(app, base_url="https://test") as client:
        answers = {tenant: client.get("/customers", headers={"x-tenant": tenant}) for tenant in ("a", "b")}
        assert {tenant: answer.json() for tenant, answer in answers.items()} == {"a": ["budi", "siti"], "b": ["tono"]}
        with two.guard.trail_engine.connect() as connection:
            seen = [*connection.execute(text("SELECT body FROM amanah_queued")).scalars()]
            seen += connection.execute(text("SELECT body FROM amanah_entry")).scalars()
        assert any('"tono"' in body for body in seen)


def test_the_second_engine_answers_nobody_without_an_access(two: Any) -> None:
    """Nor does it take the driver's own SQL."""
    with Session(two.second) as session, pytest.raises(AccessRequired):
        session.scalars(select(two.m.Customer))
    with two.second.connect() as connection, pytest.raises(RawSqlRefused):
        connection.exec_driver_sql("SELECT * FROM customer")
    with two.second.execution_options(logging_token="x").connect() as connection, pytest.raises(RawSqlRefused):
        connection.execute(text("SELECT * FROM customer"))


def test_what_the_second_engine_writes_is_walled_sealed_and_staged(two: Any) -> None:
    """As if it were the first."""
    m = two.m
    with two.access("b"), Session(two.second) as session:
        assert session.execute(update(m.Customer).values(note="mine")).rowcount == 1
        session.add(m.Customer(id="dewi", name="Dewi"))
        session.commit()
    assert sorted(two.stored("SELECT id FROM customer WHERE note = 'mine'")) == [("tono",)]
    assert b"Dewi" not in bytes(two.stored("SELECT name FROM customer WHERE id = 'dewi'")[0][0])
    assert [change["action"] for change in two.changes("b")][-2:] == ["update", "create"]


@pytest.mark.anyio
async def test_the_asynchronous_engine_beside_it_meets_the_same_gate(two: Any) -> None:
    """One guard for an application that has both."""
    m = two.m
    access = two.guard.access(tenant="b", actor="boss", purpose="billing", reason="test")
    async with access, AsyncSession(two.later) as session:
        assert list(await session.scalars(select(m.Customer.id))) == ["tono"]
    async with AsyncSession(two.later) as session:
        with pytest.raises(AccessRequired):
            await session.scalars(select(m.Customer.id))
    await two.later.dispose()


def test_an_engine_that_nobody_protects_hands_out_no_personal_value(books: Any) -> None:
    """It has no wall; but the models' own types refuse what nobody decided about, governed or sealed."""
    customer = books.m.Customer
    with books.access(), Session(books.plain) as session:
        for column, error in ((customer.city, EngineUnprotected), (customer.phone, Tampered)):
            books.refuses(error, str(column), session.scalars(select(column)).all)
