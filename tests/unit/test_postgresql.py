"""PostgreSQL asked by the event loop itself: answers, failures, and who shares which question."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest

from amanah.database import own_engine
from amanah.postgresql import (
    LoopConnection,
    NoAnswer,
    PerLoop,
    Rounds,
    WrongParameters,
    bigint_array,
    can_watch,
    text_array,
)

ECHO = b"SELECT * FROM unnest($1::text[], $2::bigint[])"


@pytest.fixture
def engine(postgres_database):
    """An engine on an empty PostgreSQL database."""
    made = own_engine(postgres_database)
    yield made
    made.dispose()


def ask(engine, statement, *questions, patience=5.0):
    """The answers to questions that one event loop asks one after the other."""

    async def run():
        connection = LoopConnection(engine, statement, patience)
        try:
            return [await connection.ask(question) for question in questions]
        finally:
            connection.close()

    return asyncio.run(run())


@pytest.mark.postgresql
def test_values_of_every_kind_come_back_as_they_went(engine):
    """Quotes, braces, NUL's neighbours, nothing at all, other scripts, and the ends of a bigint."""
    texts = ["", "NULL", '{"a\\",b}', "\x01\x7f", "é 漢 🙂", "'; DROP TABLE x; --"]
    numbers = [0, 1, -1, 2**63 - 1, -(2**63), 42]
    (rows,) = ask(engine, ECHO, [text_array([t.encode() for t in texts]), bigint_array(numbers)])
    assert rows == [(t.encode(), str(n).encode()) for t, n in zip(texts, numbers, strict=True)]


@pytest.mark.postgresql
def test_no_values_are_no_rows(engine):
    """An empty list is a question like any other."""
    assert ask(engine, ECHO, [text_array([]), bigint_array([])]) == [[]]


@pytest.mark.postgresql
def test_more_than_a_socket_takes_at_once_arrives_whole(engine):
    """A question of several megabytes is sent in pieces while the loop goes on."""
    texts = [b"%06d" % number * 1000 for number in range(2000)]
    (rows,) = ask(engine, ECHO, [text_array(texts), bigint_array(range(2000))], patience=60)
    assert [row[0] for row in rows] == texts


@pytest.mark.postgresql
def test_wrong_values_are_told_apart_from_a_database_that_is_away(engine):
    """Who sent them hears of it, and the connection goes on."""

    async def run():
        connection = LoopConnection(engine, b"SELECT unnest($1::text[])::int", 5.0)
        with pytest.raises(WrongParameters):
            await connection.ask([text_array([b"no number"])])
        backend = connection._connection.info.backend_pid
        assert await connection.ask([text_array([b"7"])]) == [(b"7",)]
        assert connection._connection.info.backend_pid == backend
        connection.close()

    asyncio.run(run())


@pytest.mark.postgresql
def test_a_missing_table_is_no_answer_and_does_not_stay_one(engine):
    """Before it is there, while it is gone, and after it has come back."""

    async def run():
        connection = LoopConnection(engine, b"SELECT n FROM numbers WHERE n = ANY($1)", 5.0)
        question = [bigint_array([1])]
        with pytest.raises(NoAnswer):
            await connection.ask(question)
        for _ in range(2):
            with engine.begin() as other:
                other.exec_driver_sql("CREATE TABLE numbers AS SELECT 1::bigint AS n")
            assert await connection.ask(question) == [(b"1",)]
            with engine.begin() as other:
                other.exec_driver_sql("DROP TABLE numbers")
            with pytest.raises(NoAnswer):
                await connection.ask(question)
        connection.close()

    asyncio.run(run())


@pytest.mark.postgresql
def test_a_connection_that_the_server_ended_is_replaced_at_once(engine):
    """An idle connection that died costs nobody an error."""

    async def run():
        connection = LoopConnection(engine, b"SELECT unnest($1::bigint[])", 5.0)
        assert await connection.ask([bigint_array([1])]) == [(b"1",)]
        with engine.connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert await connection.ask([bigint_array([2])]) == [(b"2",)]
        connection.close()

    asyncio.run(run())


@pytest.mark.postgresql
def test_patience_ends_and_the_next_question_is_answered(engine):
    """A server that does not answer in time is as good as away; its late answer is never taken for another's."""

    async def run():
        connection = LoopConnection(engine, b"SELECT n FROM unnest($1::bigint[]) AS n, pg_sleep(n)", 0.5)
        with pytest.raises(NoAnswer):
            await connection.ask([bigint_array([5])])
        assert await connection.ask([bigint_array([0])]) == [(b"0",)]
        connection.close()

    asyncio.run(run())


@pytest.mark.postgresql
def test_a_cancelled_question_does_not_leave_its_answer_to_the_next(engine):
    """Who asks after somebody gave up gets an answer of their own."""

    async def run():
        connection = LoopConnection(engine, b"SELECT n FROM unnest($1::bigint[]) AS n, pg_sleep(n / 10.0)", 5.0)
        assert await connection.ask([bigint_array([0])]) == [(b"0",)]
        task = asyncio.create_task(connection.ask([bigint_array([3])]))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await connection.ask([bigint_array([1])]) == [(b"1",)]
        connection.close()

    asyncio.run(run())


@pytest.mark.postgresql
def test_closing_from_another_thread_lets_the_last_question_be_answered(engine):
    """Whoever is being answered is; whoever comes later is told."""

    async def run():
        connection = LoopConnection(engine, b"SELECT n FROM unnest($1::bigint[]) AS n, pg_sleep(n / 10.0)", 5.0)
        task = asyncio.create_task(connection.ask([bigint_array([3])]))
        await asyncio.sleep(0.15)
        thread = threading.Thread(target=connection.close)
        thread.start()
        thread.join()
        assert await task == [(b"3",)]
        assert connection._connection is None
        with pytest.raises(NoAnswer):
            await connection.ask([bigint_array([1])])

    asyncio.run(run())


@pytest.mark.postgresql
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_forgets_it_leaves_the_connection_to_its_parent(engine):
    """To collect it in the child would say good-bye to the server for the parent."""

    async def run():
        connection = LoopConnection(engine, b"SELECT unnest($1::bigint[]), pg_backend_pid()", 5.0)
        ((_, before),) = await connection.ask([bigint_array([1])])
        child = os.fork()
        if child == 0:
            connection._drop()
            del connection
            gc.collect()
            os._exit(0)
        await asyncio.to_thread(os.waitpid, child, 0)
        ((_, after),) = await connection.ask([bigint_array([1])])
        connection.close()
        return before == after

    assert asyncio.run(run())


def test_who_comes_while_a_question_is_under_way_shares_the_next_one():
    """Nobody is answered by a question that began before they came."""
    asked = []

    async def run():
        gate = asyncio.Event()

        async def slow(items):
            asked.append(items)
            await gate.wait()
            return [item * 2 for item in items]

        rounds = Rounds(slow, most=3)
        tasks = [asyncio.create_task(rounds.join(1))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(rounds.join(item)) for item in (2, 3, 4, 5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(run())
    assert asked == [[1], [2, 3, 4], [5]]
    assert [a for a in answers if isinstance(a, int)] == [2, 4, 8, 10]
    assert isinstance(answers[2], asyncio.CancelledError)


def test_a_failure_goes_to_all_who_shared_the_question_and_to_nobody_else():
    """The next round is asked afresh."""

    async def run():
        async def fails_for_one(items):
            await asyncio.sleep(0)
            if 1 in items:
                raise NoAnswer
            return items

        rounds = Rounds(fails_for_one, most=10)
        first = await asyncio.gather(rounds.join(1), rounds.join(2), return_exceptions=True)
        return first, await rounds.join(2)

    first, second = asyncio.run(run())
    assert [type(answer) for answer in first] == [NoAnswer, NoAnswer]
    assert second == 2


def test_a_loop_that_ends_leaves_nobody_waiting():
    """Whoever waits when the loop is taken down is cancelled with it."""

    async def run():
        never = asyncio.Event()

        async def hang(items):
            await never.wait()
            return items

        rounds = Rounds(hang, most=1)
        tasks = [asyncio.create_task(rounds.join(item)) for item in (1, 2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        working = rounds._task
        working.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(rounds) == 0
        return answers

    assert [type(answer) for answer in asyncio.run(run())] == [asyncio.CancelledError] * 2


def test_each_loop_has_a_thing_of_its_own_which_goes_with_it():
    """Two loops never share a connection, and a loop that is gone keeps none."""

    class Thing:
        pass

    things = PerLoop(Thing)

    async def twice():
        return things.here(), things.here()

    first, same = asyncio.run(twice())
    second, _ = asyncio.run(twice())
    assert first is same
    assert first is not second
    gc.collect()
    assert things.all() == []


def test_a_loop_that_cannot_watch_sockets_is_known_beforehand():
    """Windows' proactor has no add_reader of its own."""
    loop = asyncio.new_event_loop()
    assert can_watch(loop)
    loop.close()

    class Proactor(asyncio.AbstractEventLoop):
        pass

    assert not can_watch(Proactor())
