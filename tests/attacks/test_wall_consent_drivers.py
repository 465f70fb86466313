"""Attack: reach who did not consent through an asynchronous driver, a pool of threads, or a guard that observes."""

from __future__ import annotations

import contextvars
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, delete, make_url, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, selectinload

from amanah.audit.staging import Staging
from amanah.errors import AccessLost, RowNotThere, SubjectUndeclared
from amanah.middleware.hooks import Gate
from amanah.middleware.observing import Observing
from amanah.middleware.observing_gate import ObservingGate
from amanah.middleware.sightings import Notebook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DRIVERS = {"sqlite": ["sqlite+aiosqlite"], "postgresql": ["postgresql+psycopg", "postgresql+asyncpg"]}
SEEN = {"billing": {"yes", "no", "ads"}, "letters": {"yes"}, "ads": {"ads"}}
REPORT = "SELECT c.id, c.name AS who FROM customer c WHERE c.city IS NOT NULL"


async def _engines(stall: Any) -> AsyncIterator[Any]:
    url = make_url(stall.url)
    for driver in DRIVERS[url.get_backend_name()]:
        engine = create_async_engine(url.set(drivername=driver))
        Gate(stall.guard.register, Staging(stall.guard.trail_engine)).protect(engine.sync_engine)
        try:
            yield engine
        finally:
            await engine.dispose()


def _job(stall: Any, purpose: str) -> Any:
    return stall.guard.access(tenant="a", actor="boss", purpose=purpose, reason="test")


@pytest.mark.anyio
async def test_asynchronous_drivers_show_those_who_consented(stall: Any) -> None:
    """Entities, relationships, streams, reports, turn by turn for each purpose: in one engine, with its one cache."""
    m = stall.m
    stall.guard.declared_sql("customers", REPORT, columns={"who": "customer.name"})
    async for engine in _engines(stall):
        for _ in range(2):
            for purpose, seen in SEEN.items():
                async with _job(stall, purpose), AsyncSession(engine) as session:
                    loaded = await session.scalars(select(m.Customer).options(selectinload(m.Customer.purchases)))
                    found = {one.name: [p.customer_id for p in one.purchases] for one in loaded}
                    assert found == {f"name of {name}": [name] for name in seen}
                    assert {c async for c in await session.stream_scalars(select(m.Customer.id))} == seen
                    assert {row[0] for row in await session.execute(text(REPORT))} == seen
                    raw = await (await session.connection()).exec_driver_sql(REPORT)
                    assert {tuple(row) for row in raw} == {(name, f"name of {name}") for name in seen}
                    assert (await session.get(m.Customer, "no") is None) == (purpose != "billing")


@pytest.mark.anyio
async def test_asynchronous_drivers_change_those_who_consented(stall: Any) -> None:
    """UPDATE, DELETE, upsert and reseal; a withdrawal in the same transaction, and one by somebody else."""
    m, consents, world = stall.m, stall.guard.consents, sys.modules["consent_world"]
    insert = sqlite.insert if "sqlite" in stall.url else postgresql.insert
    upsert = insert(m.Badge.__table__).on_conflict_do_update(
        index_elements=["tenant_id", "id"], set_={"colour": "hacked"}
    )
    badges = [{"id": key, "tenant_id": "a", "colour": "x"} for key in (world.CARD, world.OTHER_CARD)]
    async for engine in _engines(stall):
        async with _job(stall, "letters"), AsyncSession(engine) as session:
            connection = await session.connection()
            for statement, reached in (
                (update(m.Customer.__table__).values(group="hacked"), 1),
                (update(m.Customer.__table__).where(m.Customer.id == "no").values(group="hacked"), 0),
                (delete(m.Guest.__table__), 1),
            ):
                assert (await connection.execute(statement)).rowcount == reached
            await connection.execute(upsert, badges)
            colours = await session.execute(select(m.Badge.id, m.Badge.colour))
            assert [tuple(row) for row in colours] == [(world.CARD, "hacked")]
            with pytest.raises(RowNotThere):
                await session.run_sync(stall.guard.reseal, "purchase", key={"id": 2}, to={"customer_id": "yes"})
            with pytest.raises(SubjectUndeclared):
                await session.scalars(select(m.Remark.id))
            await session.rollback()
            assert await session.run_sync(consents.withdraw, "customer", "yes", "letters") == 1
            assert (await session.scalars(select(m.Customer.id))).all() == []
            await session.rollback()
            assert (await session.scalars(select(m.Customer.id))).all() == ["yes"]
    assert stall.stored("SELECT id FROM customer WHERE \"group\" = 'hacked'") == []
    assert stall.stored("SELECT id FROM badge WHERE colour = 'hacked'") == []


def test_a_pool_of_threads_mixes_no_purposes_up(stall: Any) -> None:
    """Eight threads, in turn for three purposes, on one engine and one cache of statements; none without access."""
    m = stall.m
    begin = threading.Barrier(8)

    def look(number: int) -> None:
        begin.wait(30)
        for turn in range(12):
            purpose = sorted(SEEN)[(number + turn) % len(SEEN)]
            with stall.access("a", purpose=purpose), Session(stall.engine) as session:
                assert set(session.scalars(select(m.Customer.id))) == SEEN[purpose]
                assert {name for name in session.scalars(select(m.Purchase.customer_id)) if name} == SEEN[purpose]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(look, number) for number in range(8)]:
            done.result(120)


def test_a_thread_keeps_the_purpose_of_its_access(stall: Any) -> None:
    """In a copy of the context it meets what its access meets, also after a withdrawal; without one, nothing."""

    def look() -> set[str]:
        with Session(stall.engine) as session:
            return set(session.scalars(select(stall.m.Customer.id)))

    with ThreadPoolExecutor(1) as pool, stall.access("a", purpose="letters"):
        with pytest.raises(AccessLost):
            pool.submit(look).result()
        assert pool.submit(contextvars.copy_context().run, look).result() == {"yes"}
        gone = "UPDATE amanah_consent SET withdrawn_at = 1, withdrawn_by = 'x', withdrawn_because = 'withdrawn'"
        stall.stored(gone)
        assert pool.submit(contextvars.copy_context().run, look).result() == set()


def test_an_observing_guard_keeps_what_it_enforces_to_consents(stall: Any) -> None:
    """What has a sealed column, always; what is only observed stays as it was until observing is over."""
    m, register, clock = stall.m, stall.guard.register, [datetime.now(UTC)]
    observing = Observing(clock[0].date() + timedelta(days=1), ["purchase"], clock=lambda: clock[0])
    with pytest.warns(RuntimeWarning, match="badge, card, customer, remark"):
        observing.take_in(register, [])
    notebook = Notebook(stall.guard.writer)
    engine = create_engine(stall.url)
    ObservingGate(register, Staging(stall.guard.trail_engine), observing, notebook).protect(engine)
    try:
        for _ in range(2):
            for purpose, seen in SEEN.items():
                with stall.access("a", purpose=purpose), Session(engine) as session:
                    assert set(session.scalars(select(m.Customer.id))) == seen
                    assert {name for name in session.scalars(select(m.Purchase.customer_id)) if name} == seen
                    assert len(session.scalars(select(m.Guest.id)).all()) == 3  # observed
                    hacked = update(m.Purchase.__table__).values(item="hacked")
                    assert session.connection().execute(hacked).rowcount == len(seen) + (purpose == "billing")
        clock[0] += timedelta(days=3)
        for purpose, count in {"billing": 3, "letters": 1, "ads": 0}.items():
            with stall.access("a", purpose=purpose), Session(engine) as session:
                assert len(session.scalars(select(m.Guest.id)).all()) == count
    finally:
        notebook.flush()
        engine.dispose()
