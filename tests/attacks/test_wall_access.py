"""Attack: touch a protected table without an access, with a dead one, or with somebody else's memory."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from amanah.errors import (
    AccessClosed,
    AccessRequired,
    FieldProbed,
    FieldWithheld,
    Forbidden,
    SessionOfAnotherAccess,
    TableUndeclared,
)


def test_nothing_is_touched_without_an_access(books: Any) -> None:
    """Reads and writes, ORM and Core, raise before a byte reaches the database, and carry no value."""
    m = books.m
    for statement in (
        select(m.Customer),
        select(m.Customer.id).where(m.Customer.phone == "0812 3456 7890"),
        insert(m.Customer).values(name="Rahasia"),
        update(m.Customer).where(m.Customer.id == "budi").values(phone="0899"),
        delete(m.Customer),
    ):
        with Session(books.engine) as session, pytest.raises(AccessRequired) as refused:
            session.execute(statement)
        assert "Rahasia" not in str(refused.value)
    with Session(books.engine) as session:
        session.add(m.Customer(name="Rahasia"))
        with pytest.raises(AccessRequired):
            session.flush()
    assert books.stored("SELECT count(*) FROM customer WHERE tenant_id = 'a'") == [(2,)]


def test_a_thread_without_the_context_has_no_access(books: Any) -> None:
    """A pool thread does not inherit the access; run in a copy of the context it does."""

    def read() -> int:
        with Session(books.engine) as session:
            return len(session.scalars(select(books.m.Customer)).all())

    with books.access(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(AccessRequired):
            pool.submit(read).result()
        assert pool.submit(contextvars.copy_context().run, read).result() == 2


def test_a_child_task_that_kept_the_access_is_refused_after_its_end(books: Any) -> None:
    """A task's copy of the context outlives the block; the ticket in it is dead."""

    async def later(gate: asyncio.Event) -> None:
        await gate.wait()
        with Session(books.engine) as session:
            session.scalars(select(books.m.Customer)).all()

    async def run() -> None:
        gate = asyncio.Event()
        async with books.guard.access(tenant="a", actor="boss", purpose="billing", reason="test"):
            task = asyncio.create_task(later(gate))
            await asyncio.sleep(0)
        gate.set()
        with pytest.raises(AccessClosed):
            await task

    asyncio.run(run())


def test_a_stream_stops_when_its_access_ends(books: Any) -> None:
    """Rows that were not fetched yet are not opened for anybody."""
    with books.session() as session:
        rows = session.execute(select(books.m.Customer.name).execution_options(yield_per=1))
    with pytest.raises((AccessRequired, AccessClosed)):
        rows.all()


def test_a_refused_statement_is_refused_again(books: Any) -> None:
    """The decision is remembered only when it was yes."""
    m = books.m
    with books.session(actor="masker") as session:
        for statement, error in (
            (select(m.Customer.name), FieldWithheld),
            (select(m.Customer.id).where(m.Customer.city == "x"), FieldProbed),
            (delete(m.Invoice), Forbidden),
        ):
            for _ in range(3):
                with pytest.raises(error):
                    session.execute(statement, execution_options={"synchronize_session": False})
    with books.session(actor="viewer") as session:
        for _ in range(2):
            with pytest.raises(Forbidden):
                session.execute(update(m.Invoice).values(total=1))


def test_a_commit_does_not_open_the_connection(books: Any) -> None:
    """Amanah's own statement at the commit leaves no mark on the connection that would let others through."""
    m = books.m
    with books.access(), books.engine.connect() as connection:
        connection.execute(insert(m.Invoice.__table__).values(customer_id="budi", total=1))
        connection.commit()
        with pytest.raises(TableUndeclared):
            connection.execute(select(m.Loose))
        assert set(connection.scalars(select(m.Customer.__table__.c.id))) == {"budi", "siti"}


def test_a_session_serves_one_access(books: Any) -> None:
    """Neither a later access nor one beside it gets what the Session holds in memory, not even without a statement."""
    m = books.m
    session = Session(books.engine)
    with books.access():
        kept = session.get(m.Customer, ("a", "budi"))
        assert kept is not None
        with books.access(actor="masker"):
            with pytest.raises(SessionOfAnotherAccess):
                session.get(m.Customer, ("a", "budi"))
            with pytest.raises(SessionOfAnotherAccess):
                session.scalars(select(m.Customer)).all()
        found = []
        thread = threading.Thread(target=lambda: found.append(_attempt(session, m)))
        thread.start()
        thread.join()
        assert found == [SessionOfAnotherAccess]
    assert not len(session.identity_map)
    with books.access(), pytest.raises(SessionOfAnotherAccess):
        session.get(m.Customer, ("a", "budi"))
    session.close()


def _attempt(session: Session, m: Any) -> Any:
    try:
        return session.get(m.Customer, ("a", "budi"))
    except SessionOfAnotherAccess as error:
        return type(error)


def test_an_undeclared_table_is_refused(books: Any) -> None:
    """A table without tenant column that nobody declared could hold anything; a shared one may be read."""
    with books.session() as session:
        with pytest.raises(TableUndeclared):
            session.execute(select(books.m.Loose))
        assert session.scalars(select(books.m.Country)).all() == []
