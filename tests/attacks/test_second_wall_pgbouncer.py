"""Attack: share one connection of the server with another tenant, through PgBouncer in transaction mode."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, insert, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from amanah.audit.staging import Staging
from amanah.middleware.hooks import Gate

pytestmark = pytest.mark.postgresql

ROUNDS = 25
UNPREPARED = {
    "postgresql+psycopg": {"prepare_threshold": None},
    "postgresql+asyncpg": {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"s{uuid.uuid4().hex}",
    },
}
"""PgBouncer knew nothing of prepared statements before 1.21; this is how each driver is told."""


def protect(second_wall: Any, engine: Any) -> Any:
    """The engine, behind the guard."""
    guard = second_wall.world.guard
    Gate(guard.register, Staging(guard.trail_engine)).protect(getattr(engine, "sync_engine", engine))
    return engine


def test_two_tenants_in_turn_on_one_connection(second_wall: Any, pooled_url: str) -> None:
    """Two threads, each with an engine of its own and a tenant of its own; commits, roll-backs, and nobody between."""
    m = second_wall.world.m
    seen: set[tuple[str, str]] = set()
    backends: set[int] = set()
    strangers: set[Any] = set()

    def work(tenant: str) -> None:
        engine = protect(second_wall, create_engine(pooled_url, connect_args=UNPREPARED["postgresql+psycopg"]))
        for number in range(ROUNDS):
            with second_wall.world.access(tenant), Session(engine) as session:
                seen.update((tenant, one) for one in session.scalars(select(m.Customer.tenant_id)))
                cursor = psycopg.Cursor(session.connection().connection.driver_connection)
                seen.update((tenant, row[0]) for row in cursor.execute("SELECT tenant_id FROM customer"))
                backends.update(row[0] for row in cursor.execute("SELECT pg_backend_pid()"))
                session.execute(insert(m.Tag).values(label=f"{tenant}{number}"))
                (session.commit if number % 2 else session.rollback)()
        engine.dispose()

    def nobody() -> None:
        engine = create_engine(pooled_url, connect_args=UNPREPARED["postgresql+psycopg"])
        for _ in range(ROUNDS):
            with engine.begin() as connection:
                strangers.update(connection.execute(text("SELECT tenant_id FROM customer")).scalars())
                backends.update(connection.execute(text("SELECT pg_backend_pid()")).scalars())
        engine.dispose()

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in ("a", "b")]
    threads.append(threading.Thread(target=nobody))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {("a", "a"), ("b", "b")}
    assert strangers == set()
    assert len(backends) == 1, "they did not share a connection"
    with second_wall.above.connect() as connection:
        tags = connection.execute(text("SELECT tenant_id, count(*) FROM tag GROUP BY 1 ORDER BY 1")).all()
    assert [tuple(row) for row in tags] == [("a", ROUNDS // 2), ("b", ROUNDS // 2)]


@pytest.mark.anyio
@pytest.mark.parametrize("driver", list(UNPREPARED))
async def test_so_with_asynchronous_drivers(second_wall: Any, pooled_url: str, driver: str) -> None:
    """Tasks that take turns."""
    m, guard = second_wall.world.m, second_wall.world.guard
    seen: set[tuple[str, str]] = set()
    url = make_url(pooled_url).set(drivername=driver)

    async def work(tenant: str) -> None:
        engine = protect(second_wall, create_async_engine(url, connect_args=UNPREPARED[driver]))
        for _ in range(ROUNDS):
            access = guard.access(tenant=tenant, actor="boss", purpose="billing", reason="test")
            async with access, AsyncSession(engine) as session:
                seen.update((tenant, one) for one in await session.scalars(select(m.Customer.tenant_id)))
                await session.execute(insert(m.Tag).values(label="x"))
                await session.commit()
        await engine.dispose()

    await asyncio.gather(work("a"), work("b"))
    assert seen == {("a", "a"), ("b", "b")}


def test_what_a_session_leaves_behind_reaches_others_but_not_the_guard(second_wall: Any, pooled_url: str) -> None:
    """Why the tenant is not bound to the session: a plain SET of somebody else's arrives at whoever comes next."""
    options = UNPREPARED["postgresql+psycopg"]
    careless, next_one = (create_engine(pooled_url, connect_args=options) for _ in range(2))
    with careless.begin() as connection:
        connection.execute(text("SET amanah.tenant = 'b'"))
    with next_one.begin() as connection:
        assert connection.execute(text("SELECT id FROM customer")).scalars().all() == ["tono"]
    guarded = protect(second_wall, create_engine(pooled_url, connect_args=options))
    with guarded.begin() as connection:
        assert (
            psycopg.Cursor(connection.connection.driver_connection).execute("SELECT id FROM customer").fetchall() == []
        )
    with second_wall.world.access(), guarded.begin() as connection:
        cursor = psycopg.Cursor(connection.connection.driver_connection)
        assert cursor.execute("SELECT DISTINCT tenant_id FROM customer").fetchall() == [("a",)]
    for engine in (careless, next_one, guarded):
        engine.dispose()
