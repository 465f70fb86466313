"""The check that what is remembered of a tenant is current."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine

from amanah.database import bump, own_engine, time_of
from amanah.errors import ConfigurationError, PolicyUnavailable
from amanah.tenants.versions import VersionReader


@pytest.fixture
def reader(own_database):
    """A reader on a database where "toko" has version 1."""
    with own_database.begin() as connection:
        bump(connection, "toko")
    made = VersionReader(own_database)
    yield made
    made.close()


def test_a_version_is_read_and_an_unknown_tenant_has_none(reader):
    """The number of a tenant that is there, 0 for one that is not."""
    assert reader.current_now("toko").version == 1
    assert reader.current_now("nobody").version == 0
    assert asyncio.run(reader.current("toko")).version == 1


def test_a_change_is_seen_by_the_next_question(reader, own_database):
    """Whoever asks after a commit sees it, every time."""
    for expected in range(2, 30):
        with own_database.begin() as connection:
            assert bump(connection, "toko") == expected
        assert reader.current_now("toko").version == expected


def test_an_answer_is_never_older_than_the_question(reader, own_database):
    """Many tasks and threads ask while versions rise: nobody hears less than what was committed before they asked."""
    committed = [1]
    done = threading.Event()
    stale = []

    def write():
        for _ in range(100):
            with own_database.begin() as connection:
                number = bump(connection, "toko")
            committed[0] = number
        done.set()

    def ask_from_thread():
        while not done.is_set():
            least = committed[0]
            if reader.current_now("toko").version < least:
                stale.append(least)

    async def ask_from_tasks():
        async def one():
            while not done.is_set():
                least = committed[0]
                if (await reader.current("toko")).version < least:
                    stale.append(least)
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(20)))

    with ThreadPoolExecutor() as pool:
        work = [pool.submit(write), pool.submit(ask_from_thread), pool.submit(asyncio.run, ask_from_tasks())]
        for item in work:
            item.result(60)
    assert not stale


def test_requests_that_wait_share_one_query(reader, own_database):
    """A hundred tenants asked at once are all answered, each with its own number."""
    with own_database.begin() as connection:
        for number in range(100):
            for _ in range(number % 3):
                bump(connection, f"t{number}")

    async def ask():
        return await asyncio.gather(*(reader.current(f"t{number}") for number in range(100)))

    assert [one.version for one in asyncio.run(ask())] == [number % 3 for number in range(100)]


def test_a_cancelled_request_disturbs_nobody(reader):
    """A task that is cancelled while it waits leaves the reader working."""

    async def ask():
        task = asyncio.create_task(reader.current("toko"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await reader.current("toko")

    assert asyncio.run(ask()).version == 1


def test_a_loop_that_ended_while_waiting_disturbs_nobody(reader):
    """An event loop that is gone when its answer comes does not stop the thread."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(reader.current("toko"))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    assert reader.current_now("toko").version == 1


def test_a_closed_reader_says_so(reader):
    """After `close` the answer is an error, not a number."""
    reader.close()
    with pytest.raises(PolicyUnavailable):
        reader.current_now("toko")
    with pytest.raises(PolicyUnavailable):
        asyncio.run(reader.current("toko"))


def test_a_failing_database_is_policy_unavailable_and_recovers(database_url):
    """Without its table every question fails; once the table is there the same reader answers."""
    from amanah.database import core

    engine = own_engine(database_url)
    reader = VersionReader(engine)
    with pytest.raises(PolicyUnavailable):
        reader.current_now("toko")
    with pytest.raises(PolicyUnavailable):
        asyncio.run(reader.current("toko"))
    core.create_all(engine)
    assert reader.current_now("toko").version == 0
    reader.close()
    engine.dispose()


@pytest.mark.postgresql
def test_a_lost_connection_is_replaced(postgres_database):
    """When the server ends the reader's session the next question gets its answer over a new one."""
    from amanah.database import core

    engine = own_engine(postgres_database)
    core.create_all(engine)
    reader = VersionReader(engine)
    assert reader.current_now("toko").version == 0
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert reader.current_now("toko").version == 0
    reader.close()
    engine.dispose()


@pytest.mark.postgresql
def test_waiting_is_bounded_in_number_and_in_time(postgres_database):
    """A table that is locked answers nobody: who waits gets an error in time, and who is one too many at once."""
    from amanah.database import core

    engine = own_engine(postgres_database)
    core.create_all(engine)
    reader = VersionReader(engine, capacity=3, patience=1.0)
    assert reader.current_now("toko").version == 0

    async def ask():
        return await asyncio.gather(*(reader.current("toko") for _ in range(10)), return_exceptions=True)

    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE amanah_version IN ACCESS EXCLUSIVE MODE")
        answers = asyncio.run(ask())
    assert all(isinstance(answer, PolicyUnavailable) for answer in answers)
    assert reader.current_now("toko").version == 0
    reader.close()
    engine.dispose()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_for_itself_and_leaves_the_parent_alone(reader, own_database):
    """After a fork both processes read right answers, each over a connection of its own."""
    assert reader.current_now("toko").version == 1
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if reader.current_now("toko").version == 1 else 1)
        except BaseException:  # noqa: BLE001 - a child of a test must end here
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with own_database.begin() as connection:
        bump(connection, "toko")
    assert reader.current_now("toko").version == 2


def test_another_kind_of_database_is_refused():
    """Only SQLite and PostgreSQL can hold Amanah's tables."""
    engine = create_engine("mysql+pymysql://", module=_Driver())
    with pytest.raises(ConfigurationError):
        VersionReader(engine)


class _Driver:
    """As much of a DBAPI module as an engine that never connects wants to see."""

    paramstyle = "format"
    __version__ = "1.0"


def test_the_time_of_the_database_comes_with_the_version(reader, own_database, monkeypatch):
    """By every way of asking; on PostgreSQL the clock of this process has no part in it."""
    genuine = time.time_ns
    with own_database.connect() as connection:
        before = time_of(connection)
    if own_database.dialect.name == "postgresql":
        monkeypatch.setattr(time, "time_ns", lambda: 0)
    found = [reader.current_now("toko").now, asyncio.run(reader.current("toko")).now]
    with own_database.connect() as connection:
        after = time_of(connection)
    assert before <= min(found)
    assert max(found) <= after
    assert abs(after - genuine() // 1000) < 60_000_000
    assert reader.current_now("nobody") == (0, 0)
