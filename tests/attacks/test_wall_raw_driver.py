"""Attack: go past SQLAlchemy to the driver's own connection, its COPY and its cursors on the server."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from amanah.audit.staging import Staging
from amanah.errors import RawSqlRefused
from amanah.middleware.hooks import Gate

pytestmark = pytest.mark.postgresql

COPIES = (
    "COPY customer TO STDOUT",
    "copy customer (id, note) from stdin",
    "COPY (SELECT note FROM customer) TO STDOUT",
    "COPY (SELECT note FROM customer_view) TO STDOUT",
    "COPY customer_view TO STDOUT",
    "COPY country TO PROGRAM 'cat'",
    "COPY country FROM '/etc/passwd'",
)


def _named(raw: Any, said: Any) -> None:
    with raw.cursor("named") as cursor:
        cursor.execute(said)


async def _named_async(raw: Any, said: Any) -> None:
    async with raw.cursor("named") as cursor:
        await cursor.execute(said)


@pytest.fixture
def ledger(books: Any) -> Any:
    """`books` on PostgreSQL, with a view over the customers."""
    if "sqlite" in books.url:
        pytest.skip("SQLite's driver has no place for a guarded cursor")
    books.stored("CREATE VIEW customer_view AS SELECT * FROM customer")
    return books


def test_a_cursor_of_the_driver_reads_nothing_protected(ledger: Any) -> None:
    """Of the Session's connection, of one from the pool, named or not, by every way to execute."""
    attacks = {
        "cursor": lambda raw, said: raw.cursor().execute(said),
        "many": lambda raw, said: raw.cursor().executemany(said, [()]),
        "stream": lambda raw, said: list(raw.cursor().stream(said)),
        "named": _named,
        "connection": lambda raw, said: raw.driver_connection.execute(said),
        "rows otherwise": lambda raw, said: raw.driver_connection.cursor(binary=True).execute(said),
    }
    with ledger.session() as session:
        raw = session.connection().connection
        pooled = ledger.engine.raw_connection()
        for name, attack in attacks.items():
            for said in (
                "SELECT note FROM customer",
                b"SELECT note FROM customer",
                sql.SQL("SELECT note FROM {}").format(sql.Identifier("customer")),
                "SELECT note FROM customer_view",
                "UPDATE customer SET note = 'hacked'",
                "SELECT set_config('amanah.tenant', 'b', true)",
            ):
                for connection in (raw, pooled):
                    ledger.refuses(RawSqlRefused, f"{name}: {said!r}", attack, connection, said)
        pooled.close()


def test_copy_moves_nothing_protected(ledger: Any) -> None:
    """Out of a table, a query or a view, into a table, and by the server's own files and programs."""
    with ledger.session() as session:
        cursor = session.connection().connection.cursor()
        for said in COPIES:
            ledger.refuses(RawSqlRefused, said, cursor.copy, said)


def test_what_the_gate_let_through_lets_nothing_else_through(ledger: Any) -> None:
    """The cursor of a result, after SQLAlchemy executed with it."""
    with ledger.session() as session:
        found = session.connection().execute(select(ledger.m.Customer.note))
        cursor: Any = found.cursor
        ledger.refuses(RawSqlRefused, "again", cursor.execute, "SELECT note FROM customer")


def test_what_is_not_protected_is_served(ledger: Any) -> None:
    """Shared tables, COPY of them, a named cursor, LISTEN, advisory locks, and the driver's own transactions."""
    with ledger.session() as session:
        raw = session.connection().connection
        with raw.cursor().copy("COPY country (code, called) FROM STDIN") as copy:
            copy.write_row(("id", "Indonesia"))
        with raw.cursor().copy("COPY (SELECT code FROM country) TO STDOUT") as copy:
            assert list(copy.rows()) == [("id",)]
        named = raw.cursor("named")
        assert named.execute("SELECT code FROM country").fetchall() == [("id",)]
        named.close()
        for said in ("LISTEN orders", "SELECT pg_advisory_xact_lock(1)", "SAVEPOINT a", "ROLLBACK TO SAVEPOINT a"):
            raw.cursor().execute(said)
        raw.driver_connection.rollback()


def test_sqlalchemys_own_cursors_on_the_server_are_walled(ledger: Any) -> None:
    """`stream_results` and `yield_per` come by way of the gate."""
    m = ledger.m
    with ledger.session() as session:
        streamed = session.execute(select(m.Customer), execution_options={"stream_results": True})
        assert {one.id for one in streamed.scalars()} == {"budi", "siti"}
        assert {one.id for one in session.scalars(select(m.Customer).execution_options(yield_per=1))} == {
            "budi",
            "siti",
        }
        with pytest.raises(RawSqlRefused):
            session.execute(text("SELECT * FROM customer"), execution_options={"stream_results": True})
        driven = session.connection().execution_options(stream_results=True)
        with pytest.raises(RawSqlRefused):
            driven.exec_driver_sql("SELECT * FROM customer")


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
async def test_so_with_asynchronous_drivers(ledger: Any, driver: str) -> None:
    """Cursors of psycopg, and each method of asyncpg's connection; what SQLAlchemy executes runs as ever."""
    m = ledger.m
    engine = create_async_engine(make_url(ledger.url).set(drivername=driver))
    Gate(ledger.guard.register, Staging(ledger.guard.trail_engine)).protect(engine.sync_engine)
    access = ledger.guard.access(tenant="a", actor="boss", purpose="billing", reason="test")
    async with access, AsyncSession(engine) as session:
        assert len((await session.scalars(select(m.Customer))).all()) == 2
        raw: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        said = "SELECT note FROM customer"
        if driver.endswith("asyncpg"):
            for name in ("execute", "fetch", "fetchrow", "fetchval", "prepare", "cursor"):
                with pytest.raises(RawSqlRefused):
                    await getattr(raw, name)(said)
            for attack in (
                lambda: raw.executemany("UPDATE customer SET note = $1", [("hacked",)]),
                lambda: raw.copy_from_query(said, output=lambda _: None),
                lambda: raw.copy_from_table("customer", output=lambda _: None),
                lambda: raw.copy_records_to_table("customer", records=[("b", "x")]),
                lambda: raw.copy_to_table("customer", source="x"),
            ):
                with pytest.raises(RawSqlRefused):
                    await attack()
            await raw.copy_records_to_table("country", records=[("id", "Indonesia")])
            assert await raw.fetchval("SELECT code FROM country") == "id"
        else:
            for attack in (
                lambda: raw.execute(said),
                lambda: raw.cursor().execute(said),
                lambda: _named_async(raw, said),
                lambda: raw.cursor().executemany(said, [()]),
            ):
                with pytest.raises(RawSqlRefused):
                    await attack()
            with pytest.raises(RawSqlRefused):
                raw.cursor().copy(COPIES[0])
            await raw.execute("SELECT code FROM country")
        assert {one async for one in await session.stream_scalars(select(m.Customer.id))} == {"budi", "siti"}
        await session.execute(m.Customer.__table__.update().values(note="mine"))
        await session.commit()
    await engine.dispose()


def test_a_cursor_of_the_drivers_own_class_goes_round_it(ledger: Any) -> None:
    """The limit of this hurdle, as `docs/explanation/tenant-wall.md` says it: the second wall holds this."""
    with ledger.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        assert cursor.execute("SELECT count(*) FROM customer").fetchone() == (3,)
