"""The seam between an access and row-level security: what each driver sends, and whose a transaction is."""

from __future__ import annotations

import contextlib
import socket
import threading
from select import select as select_ready
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import create_engine, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from amanah.audit.staging import Staging
from amanah.errors import AutocommitRefused, InvalidInput
from amanah.middleware.access import Access, open_access
from amanah.middleware.binding import _said
from amanah.middleware.hooks import Gate
from amanah.middleware.raw_driver import bare

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgresql

WHOSE = "SELECT current_setting('amanah.tenant', true), current_setting('amanah.sign_in', true)"


def whose(connection: Any) -> tuple[str, str]:
    """What the database takes the transaction for."""
    cursor = psycopg.Cursor(connection.connection.driver_connection)
    cursor.execute(WHOSE)
    return tuple(cursor.fetchone())


@pytest.fixture
def customers(second_wall: Any) -> Iterator[Any]:
    """A connection of the protected engine."""
    with second_wall.world.engine.connect() as connection:
        yield connection


def test_a_transaction_is_the_access_s_and_only_to_its_end(second_wall: Any, customers: Any) -> None:
    """Two accesses on one pooled connection; after a roll-back; after a commit; without an access."""
    world, m = second_wall.world, second_wall.world.m
    for tenant, number, end in (("a", 2, "rollback"), ("b", 1, "commit"), ("a", 2, "commit"), ("b", 1, "rollback")):
        with world.access(tenant):
            assert len(customers.execute(select(m.Customer)).all()) == number
            assert whose(customers) == (tenant, "")
        getattr(customers, end)()
    customers.execute(text("SELECT 1"))
    assert whose(customers) == ("", "")


def test_a_transaction_that_was_begun_before_is_bound_at_the_first_statement(second_wall: Any, customers: Any) -> None:
    """Begun by nobody, gone on by one tenant, then by the other."""
    world, m = second_wall.world, second_wall.world.m
    customers.begin()
    for tenant in ("a", "b"):
        with world.access(tenant):
            assert {row.tenant_id for row in customers.execute(select(m.Customer))} == {tenant}
            assert whose(customers) == (tenant, "")


def test_a_roll_back_to_a_savepoint_does_not_unbind(second_wall: Any, customers: Any) -> None:
    """The database takes back what was said since the savepoint, also after a failure."""
    world, m = second_wall.world, second_wall.world.m
    customers.begin()
    savepoint = customers.begin_nested()
    with world.access("a"):
        assert len(customers.execute(select(m.Customer)).all()) == 2
        savepoint.rollback()
        assert len(customers.execute(select(m.Customer)).all()) == 2
        savepoint = customers.begin_nested()
        with pytest.raises(DBAPIError):
            customers.execute(text("SELECT 1/0"))
        savepoint.rollback()
        assert len(customers.execute(select(m.Customer)).all()) == 2
        assert whose(customers) == ("a", "")


def test_sign_in_meets_the_rows_of_the_tables_named_for_it(second_wall: Any, customers: Any) -> None:
    """`account` is, `customer` is not: a raw cursor sees all of the one and nothing of the other."""
    world = second_wall.world
    with world.session("b") as session:
        session.add(world.m.Account(email="tono@example.com", secret="x"))
        session.commit()
    with world.signing_in():
        assert customers.execute(select(world.m.Account.tenant_id)).scalars().all() == ["b"]
        assert whose(customers) == ("", "on")
        cursor = psycopg.Cursor(customers.connection.driver_connection)
        assert cursor.execute("SELECT count(*) FROM customer").fetchone() == (0,)
        assert cursor.execute("SELECT count(*) FROM account").fetchone() == (1,)


def test_two_phases(second_wall: Any) -> None:
    """The driver begins by itself there; the transaction is bound all the same."""
    world, m = second_wall.world, second_wall.world.m
    with world.access("b"), world.engine.connect() as connection:
        transaction = connection.begin_twophase()
        assert whose(connection) == ("b", "")
        assert [row.id for row in connection.execute(select(m.Customer))] == ["tono"]
        assert whose(connection) == ("b", "")
        transaction.rollback()


def test_autocommit_is_refused_where_it_would_show_nothing(second_wall: Any) -> None:
    """Nothing binds a statement that is a transaction by itself. Without row-level security it reads as ever."""
    world, m = second_wall.world, second_wall.world.m
    with world.access(), world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(AutocommitRefused):
            connection.execute(select(m.Customer))
        assert connection.execute(select(m.Country)).all() == []
        with second_wall.without_policies():
            assert len(connection.execute(select(m.Customer)).all()) == 2


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
def test_the_isolation_level_is_the_application_s(second_wall: Any, level: str) -> None:
    """BEGIN says what psycopg's would."""
    engine = second_wall.world.engine
    options = {"isolation_level": level, "postgresql_readonly": True, "postgresql_deferrable": True}
    with engine.connect().execution_options(**options) as connection:
        for name, value in (("isolation", level.lower()), ("read_only", "on"), ("deferrable", "on")):
            assert connection.exec_driver_sql(f"SHOW transaction_{name}").scalar() == value


def test_a_connection_that_is_gone_is_an_error_of_sqlalchemy_s(second_wall: Any, customers: Any) -> None:
    """The pool throws it away, and the next one is good."""
    customers.exec_driver_sql("SELECT 1")
    pid = customers.connection.dbapi_connection.info.backend_pid
    customers.commit()
    with second_wall.above.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(OperationalError) as caught:
        customers.exec_driver_sql("SELECT 1")
    assert caught.value.connection_invalidated
    customers.rollback()
    assert customers.exec_driver_sql("SELECT 1").scalar() == 1


@pytest.mark.parametrize("tenant", ["a'; SELECT 1; --", "a\\'; DROP TABLE customer; --", "it's", "\\"])
def test_a_tenant_s_id_cannot_break_out(second_wall: Any, customers: Any, tenant: str) -> None:
    """Ids are letters, digits and dashes; were they not, this would hold."""
    customers.exec_driver_sql("SET standard_conforming_strings = off")
    customers.commit()
    with open_access(Access(kind="request", tenant=tenant)):
        customers.begin()
        assert whose(customers) == (tenant, "")


@pytest.mark.parametrize("tenant", ["a\0b", "é"])
def test_what_could_hide_a_quote_is_refused(second_wall: Any, customers: Any, tenant: str) -> None:
    """NUL ends a statement early; other letters may hold a quote in some encoding."""
    with open_access(Access(kind="request", tenant=tenant)), pytest.raises(InvalidInput):
        customers.begin()


# -- round trips -----------------------------------------------------------------------------------------------------


class Turns:
    """Between a driver and its server: counts how often the driver speaks after the server has spoken."""

    def __init__(self, url: Any) -> None:
        self.count = 0
        self._to = (url.host, url.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        spoke = server
        with client, server, contextlib.suppress(OSError):
            while True:
                for one in select_ready([client, server], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    self.count += one is client and spoke is server
                    spoke = one
                    (server if one is client else client).sendall(data)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


@pytest.fixture
def turns(second_wall: Any) -> Iterator[Turns]:
    """In front of the server, with the role's URL."""
    url = make_url(second_wall.url)
    if not url.host or url.query:
        pytest.skip("the server is not on TCP")
    made = Turns(url)
    yield made
    made.close()


def test_psycopg_binds_in_no_round_trip_of_its_own(second_wall: Any, turns: Turns) -> None:
    """BEGIN, SELECT and ROLLBACK: three, protected or not. The engine's first one asks what server this is."""
    counted: dict[bool, list[int]] = {False: [], True: []}
    for guarded, counts in counted.items():
        engine = create_engine(turns.url, connect_args={"sslmode": "disable", "gssencmode": "disable"})
        if guarded:
            Gate(second_wall.world.guard.register, Staging(second_wall.world.guard.trail_engine)).protect(engine)
        with second_wall.world.access(), engine.connect() as connection:
            for _ in range(3):
                turns.count = 0
                connection.execute(select(second_wall.world.m.Country.code)).all()
                connection.rollback()
                counts.append(turns.count)
        engine.dispose()
    assert counted == {False: [3, 3, 3], True: [4, 3, 3]}


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
async def test_asynchronous_drivers_bind_in_none(second_wall: Any, turns: Turns, driver: str) -> None:
    """BEGIN, SELECT and ROLLBACK, protected or not."""
    counted: list[int] = []
    ssl = {"ssl": False} if driver.endswith("asyncpg") else {"sslmode": "disable", "gssencmode": "disable"}
    for guarded in (False, True):
        engine = create_async_engine(turns.url.set(drivername=driver), connect_args=ssl)
        if guarded:
            gate = Gate(second_wall.world.guard.register, Staging(second_wall.world.guard.trail_engine))
            gate.protect(engine.sync_engine)
        async with second_wall.world.guard.access(tenant="a", actor="boss", purpose="billing", reason="test"):
            for _ in range(3):
                async with AsyncSession(engine) as session:
                    turns.count = 0
                    await session.execute(text("SELECT 1"))
                    await session.rollback()
                    counted.append(turns.count)
        await engine.dispose()
    assert counted[1:3] == counted[4:6]
    assert counted[5] == 3


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
async def test_asynchronous_drivers_are_bound(second_wall: Any, driver: str) -> None:
    """Two accesses one after the other, a savepoint, a nested transaction of the driver's own, and no access."""
    m, guard = second_wall.world.m, second_wall.world.guard
    engine = create_async_engine(make_url(second_wall.url).set(drivername=driver), pool_size=1, max_overflow=0)
    Gate(guard.register, Staging(guard.trail_engine)).protect(engine.sync_engine)
    for tenant, number in (("a", 2), ("b", 1), ("a", 2)):
        access = guard.access(tenant=tenant, actor="boss", purpose="billing", reason="test")
        async with access, AsyncSession(engine) as session:
            assert len((await session.scalars(select(m.Customer))).all()) == number
            raw = await (await session.connection()).get_raw_connection()
            driver_connection: Any = raw.driver_connection
            if driver.endswith("asyncpg"):
                async with driver_connection.transaction():
                    found = await bare(driver_connection, "fetchval")("SELECT count(*) FROM customer")
            else:
                async with driver_connection.transaction():
                    cursor = await psycopg.AsyncCursor(driver_connection).execute("SELECT count(*) FROM customer")
                    found = (await cursor.fetchone())[0]
            assert found == number
            async with session.begin_nested():
                await session.execute(insert(m.Tag).values(label="new"))
            await session.commit()
    async with AsyncSession(engine) as session:
        assert (await session.execute(text("SHOW amanah.tenant"))).scalar() == ""
    await engine.dispose()


def _known_to_citus(second_wall: Any) -> None:
    """A server that knows Citus's setting: PostgreSQL takes any name with a dot."""
    name = make_url(second_wall.url).database
    with second_wall.above.begin() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET citus.propagate_set_commands = 'none'")


def test_a_transaction_on_plain_postgresql_says_nothing_to_workers(second_wall: Any, customers: Any) -> None:
    """No word of Citus where there is none."""
    with second_wall.world.access():
        customers.execute(select(second_wall.world.m.Country.code))
    found = psycopg.Cursor(customers.connection.driver_connection).execute(
        "SELECT current_setting('citus.propagate_set_commands', true)"
    )
    assert found.fetchone() == (None,)


def test_the_setting_of_citus_is_said_first(second_wall: Any) -> None:
    """Without it the workers would not hear whose the transaction is: with BEGIN, bound anew, and for the commands."""
    _known_to_citus(second_wall)
    engine = create_engine(second_wall.url)
    Gate(second_wall.world.guard.register, Staging(second_wall.world.guard.trail_engine)).protect(engine)
    asked = "SELECT current_setting('citus.propagate_set_commands'), current_setting('amanah.tenant')"
    with engine.connect() as connection:
        connection.execute(select(second_wall.world.m.Country.code))
        cursor = psycopg.Cursor(connection.connection.driver_connection)
        assert cursor.execute(asked).fetchone() == ("local", "")
        with second_wall.world.access():
            connection.execute(select(second_wall.world.m.Customer.id))
            assert cursor.execute(asked).fetchone() == ("local", "a")
        connection.rollback()
        assert cursor.execute("SELECT current_setting('citus.propagate_set_commands')").fetchone() == ("none",)
    engine.dispose()
    assert _said(("a", ""), citus=True).startswith(
        "SET LOCAL citus.propagate_set_commands = 'local'; SET LOCAL amanah."
    )
    assert "citus" not in _said(("a", ""), citus=False)


@pytest.mark.anyio
@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
async def test_asynchronous_drivers_say_it_too(second_wall: Any, driver: str) -> None:
    """With BEGIN, which asyncpg says itself."""
    _known_to_citus(second_wall)
    m, guard = second_wall.world.m, second_wall.world.guard
    engine = create_async_engine(make_url(second_wall.url).set(drivername=driver))
    Gate(guard.register, Staging(guard.trail_engine)).protect(engine.sync_engine)
    async with (
        guard.access(tenant="a", actor="boss", purpose="billing", reason="test"),
        AsyncSession(engine) as session,
    ):
        assert len((await session.scalars(select(m.Customer))).all()) == 2
        assert (await session.execute(text("SHOW citus.propagate_set_commands"))).scalar() == "local"
    await engine.dispose()
