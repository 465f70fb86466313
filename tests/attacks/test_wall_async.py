"""Attack: come in through an asynchronous driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import selectinload

from amanah.audit.staging import Staging
from amanah.errors import AccessRequired, MaskedWrite, RawSqlRefused, TenantCrossed
from amanah.middleware.hooks import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DRIVERS = {"sqlite": ["sqlite+aiosqlite"], "postgresql": ["postgresql+psycopg", "postgresql+asyncpg"]}


async def _engines(books: Any) -> AsyncIterator[Any]:
    url = make_url(books.url)
    for driver in DRIVERS[url.get_backend_name()]:
        engine = create_async_engine(url.set(drivername=driver))
        Gate(books.guard.register, Staging(books.guard.trail_engine)).protect(engine.sync_engine)
        try:
            yield engine
        finally:
            await engine.dispose()


@pytest.mark.anyio
async def test_asynchronous_drivers_meet_the_same_gate(books: Any) -> None:
    """aiosqlite, psycopg and asyncpg: walls, sealing, searching, masks, server keys and entries as ever."""
    m = books.m
    async for engine in _engines(books):
        async with books.guard.access(tenant="a", actor="boss", purpose="billing", reason="test"):
            async with AsyncSession(engine) as session:
                found = await session.scalars(select(m.Customer).where(m.Customer.phone == "+62 812 3456 7890"))
                assert found.one().id == "budi"
                loaded = await session.scalars(select(m.Customer).options(selectinload(m.Customer.invoices)))
                assert sorted(i.total for c in loaded for i in c.invoices) == [5, 7]
                assert {c.id async for c in await session.stream_scalars(select(m.Customer))} == {"budi", "siti"}
                people = [m.Person(name="One", mobile="0811"), m.Person(name="Two")]
                session.add_all(people)
                await session.flush()
                await session.execute(insert(m.Device), [{"serial": "1", "owner": "A"}, {"serial": "2", "owner": "B"}])
                assert sorted(await session.scalars(select(m.Device.owner))) == ["A", "B"]
                assert await session.get(m.Customer, ("b", "tono")) is None
                async with session.begin_nested():
                    await session.execute(update(m.Customer).values(note="async"))
                await session.commit()
            async with AsyncSession(engine) as session:
                assert {p.name for p in await session.scalars(select(m.Person))} == {"One", "Two"}
                for refused, error in (
                    (text("select * from customer"), RawSqlRefused),
                    (insert(m.Invoice).values(tenant_id="b", customer_id="tono", total=1), TenantCrossed),
                ):
                    with pytest.raises(error):
                        await session.execute(refused)
                await session.execute(delete(m.Person))
                await session.execute(delete(m.Device))
                await session.commit()
        masker = books.guard.access(tenant="a", actor="masker", purpose="billing", reason="test")
        async with masker, AsyncSession(engine) as session:
            budi = await session.get_one(m.Customer, ("a", "budi"))
            assert (budi.phone, budi.name, budi.religion) == ("•••• 7890", "••••", None)
            budi.phone = "0899"
            with pytest.raises(MaskedWrite):
                await session.flush()
        with pytest.raises(AccessRequired):
            async with AsyncSession(engine) as session:
                await session.scalars(select(m.Customer))
    assert books.stored("SELECT note FROM customer WHERE id = 'tono'") == [("theirs",)]
    assert {"create", "update", "delete"} <= {w["action"] for w in books.changes("a")}
