"""Attack: point a foreign key at another tenant's row."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    String,
    UniqueConstraint,
    event,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from amanah.audit.staging import Staging
from amanah.errors import SealedWriteRefused, TenantCrossed
from amanah.middleware.hooks import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def models() -> SimpleNamespace:
    """Keys of one column, as most applications have them, a key of two, one into the own table, and a whole one."""

    class Base(DeclarativeBase):
        pass

    class Buyer(Base):
        __tablename__ = "buyer"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        region: Mapped[str] = mapped_column(String(10), default="east")
        number: Mapped[int] = mapped_column(default=1)
        referrer_id: Mapped[int | None] = mapped_column(ForeignKey("buyer.id"))
        __table_args__ = (UniqueConstraint("region", "number", "id"), UniqueConstraint("tenant_id", "id"))

    class Sale(Base):
        __tablename__ = "sale"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        buyer_id: Mapped[int | None] = mapped_column(ForeignKey("buyer.id"))
        region: Mapped[str | None] = mapped_column(String(10))
        number: Mapped[int | None]
        whose: Mapped[int | None]
        paid_by: Mapped[int | None]
        title: Mapped[str] = mapped_column(String(40), default="x")
        buyer: Mapped[Buyer | None] = relationship(foreign_keys=[buyer_id])
        __table_args__ = (
            ForeignKeyConstraint(["region", "number", "whose"], ["buyer.region", "buyer.number", "buyer.id"]),
            ForeignKeyConstraint(["tenant_id", "paid_by"], ["buyer.tenant_id", "buyer.id"]),
        )

    names = dict(locals())
    return SimpleNamespace(**names)


@pytest.fixture
def market(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Buyers 1 and 2 of tenant ``a`` with a sale to the first, buyer 7 of tenant ``b``."""
    made = sys.modules["sql_world"].build(database_url, tmp_path, declared=[], made=models())
    m = made.m
    with made.session() as session:
        session.add_all([m.Buyer(id=1), m.Buyer(id=2)])
        session.flush()
        session.add(m.Sale(buyer_id=1))
        session.commit()
    with made.session("b") as session:
        session.add(m.Buyer(id=7, number=7))
        session.commit()
    yield made
    made.close()


def _upsert(market: Any) -> Any:
    return (postgresql if "postgresql" in market.url else sqlite).insert


def test_no_new_row_refers_to_another_tenants(market: Any) -> None:
    """By ORM, Core, many rows, SQL, default, upsert; a row that is nowhere is refused in the same words."""
    m = market.m
    sales, buyers = m.Sale.__table__, m.Buyer.__table__
    theirs = select(literal(7)).scalar_subquery()
    whole = {"region": "east", "number": 7, "whose": 7}
    attacks = {
        "orm": lambda s: (s.add(m.Sale(buyer_id=7)), s.flush()),
        "core": lambda s: s.execute(insert(sales).values(buyer_id=7)),
        "parameters": lambda s: s.execute(insert(sales), [{"buyer_id": 1}, {"buyer_id": 7}]),
        "many values": lambda s: s.execute(insert(sales).values([{"buyer_id": 1}, {"buyer_id": 7}])),
        "bulk": lambda s: s.bulk_insert_mappings(m.Sale, [{"buyer_id": 7}]),
        "merge": lambda s: (s.merge(m.Sale(buyer_id=7)), s.flush()),
        "number as text": lambda s: s.execute(insert(sales).values(buyer_id="7")),
        "fraction": lambda s: s.execute(insert(sales).values(buyer_id=6.9)),
        "literal": lambda s: s.execute(insert(sales).values(buyer_id=literal(7))),
        "arithmetic": lambda s: s.execute(insert(sales).values(buyer_id=literal(3) + 4)),
        "subquery of a literal": lambda s: s.execute(insert(sales).values(buyer_id=theirs)),
        "raw SQL": lambda s: s.execute(insert(sales).values(buyer_id=text("7"))),
        "several columns": lambda s: s.execute(insert(sales).values(**whole)),
        "a part of several as SQL": lambda s: s.execute(insert(sales).values(**{**whole, "whose": literal(7) + 0})),
        "the own table": lambda s: s.execute(insert(buyers).values(id=3, referrer_id=7)),
        "a row that is left out": lambda s: s.execute(
            _upsert(market)(buyers)
            .values([{"id": 7, "referrer_id": None}, {"id": 3, "referrer_id": 7}])
            .on_conflict_do_nothing()
        ),
        "upsert": lambda s: s.execute(
            _upsert(market)(sales)
            .values(id=1, tenant_id="a")
            .on_conflict_do_update(index_elements=["id", "tenant_id"], set_={"buyer_id": 7})
        ),
        "nowhere": lambda s: s.execute(insert(sales).values(buyer_id=4711)),
    }
    before = market.stored("SELECT * FROM sale"), market.stored("SELECT * FROM buyer ORDER BY id")
    for name, attack in attacks.items():
        with market.session() as session:
            market.refuses((TenantCrossed, SealedWriteRefused), name, attack, session)
            session.rollback()
    assert (market.stored("SELECT * FROM sale"), market.stored("SELECT * FROM buyer ORDER BY id")) == before


def test_no_row_is_made_to_refer_to_another_tenants(market: Any) -> None:
    """By ORM, Core, criteria, SQL, many parameters, a relationship."""
    m = market.m
    sales = m.Sale.__table__
    attacks = {
        "core": update(sales).values(buyer_id=7),
        "orm": update(m.Sale).values(buyer_id=7),
        "attribute": update(m.Sale).values({m.Sale.buyer_id: 7}),
        "ordered": update(sales).ordered_values((sales.c.buyer_id, 7)),
        "literal": update(sales).values(buyer_id=literal(7)),
        "another column": update(sales).values(buyer_id=sales.c.id + 6),
        "subquery of a literal": update(sales).values(buyer_id=select(literal(7)).scalar_subquery()),
        "several columns": update(sales).values(region="east", number=7, whose=7),
        "one of several columns": update(sales).values(whose=7),
        "nowhere": update(sales).values(buyer_id=4711),
    }
    for name, attack in attacks.items():
        with market.session() as session:
            market.refuses((TenantCrossed, SealedWriteRefused), name, session.execute, attack)
            session.rollback()
    with market.session() as session:
        market.refuses(TenantCrossed, "by key", session.execute, update(m.Sale), [{"id": 1, "buyer_id": 7}])
        session.rollback()
        session.get_one(m.Sale, 1).buyer_id = 7
        market.refuses(TenantCrossed, "flush", session.flush)
        session.rollback()
        session.get_one(m.Sale, 1).buyer = m.Buyer(id=7, tenant_id="b")
        market.refuses((TenantCrossed, IntegrityError), "relationship", session.flush)
        session.rollback()
    assert market.stored("SELECT buyer_id, region, whose FROM sale") == [(1, None, None)]


def test_rows_of_ones_own_are_referred_to_as_ever(market: Any) -> None:
    """Known ones, ones of the same flush, the same statement, by SQL over the parent, NULL, and by an upsert."""
    m = market.m
    sales, buyers = m.Sale.__table__, m.Buyer.__table__
    with market.session() as session:
        session.add(m.Sale(buyer=m.Buyer(id=3, referrer_id=1)))
        session.flush()
        session.execute(insert(buyers), [{"id": 4, "referrer_id": 3}, {"id": 5, "referrer_id": 4}])
        session.execute(insert(sales).values(buyer_id=select(m.Buyer.id).where(m.Buyer.id == 5).scalar_subquery()))
        session.execute(insert(sales), [{"buyer_id": None}, {"buyer_id": 2}, {"buyer_id": "2"}])
        session.execute(insert(sales).values(region="east", number=1, whose=2))
        session.execute(update(sales).where(sales.c.whose.is_(None)).values(region=None, number=None, whose=None))
        session.execute(update(sales).values(buyer_id=sales.c.buyer_id, title="kept"))
        session.execute(update(sales).where(sales.c.id == 1).values(buyer_id=2))
        session.execute(update(sales).values(buyer_id=buyers.c.id).where(buyers.c.id == sales.c.buyer_id))
        session.commit()
    assert market.stored("SELECT buyer_id FROM sale WHERE id = 1") == [(2,)]
    assert len(market.stored("SELECT * FROM sale")) == 7


def test_a_key_that_carries_the_tenant_costs_no_question(market: Any) -> None:
    """The database checks it within the tenant; another one's row is nowhere for it."""
    asked: list[str] = []
    event.listen(market.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with market.session() as session:
        session.execute(insert(market.m.Sale.__table__).values(paid_by=1))
        assert sum("buyer" in one and one.startswith("SELECT") for one in asked) == 0
        session.execute(insert(market.m.Sale.__table__), [{"buyer_id": 1}, {"buyer_id": 2}] * 50)
        assert sum("buyer" in one and one.startswith("SELECT") for one in asked) == 1
        session.rollback()
        if "postgresql" in market.url:
            with pytest.raises(IntegrityError):
                session.execute(insert(market.m.Sale.__table__).values(paid_by=7))


DRIVERS = {"sqlite": ["sqlite+aiosqlite"], "postgresql": ["postgresql+psycopg", "postgresql+asyncpg"]}


@pytest.mark.anyio
async def test_asynchronous_drivers_check_it_too(market: Any) -> None:
    """One question before the statement, by the driver's own means."""
    m = market.m
    for driver in DRIVERS[market.engine.url.get_backend_name()]:
        engine = create_async_engine(market.engine.url.set(drivername=driver))
        Gate(market.guard.register, Staging(market.guard.trail_engine)).protect(engine.sync_engine)
        access = market.guard.access(tenant="a", actor="boss", purpose="billing", reason="test")
        async with access, AsyncSession(engine) as session:
            with pytest.raises(TenantCrossed):
                await session.execute(insert(m.Sale).values(buyer_id=7))
            await session.rollback()
            await session.execute(insert(m.Sale).values(buyer_id=2))
            await session.rollback()
        await engine.dispose()
