"""Receipts: what an access says of its changes once they are committed, and only then."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from amanah.audit.entries import decode
from amanah.audit.models import queued
from amanah.audit.staging import staged
from amanah.audit.tree import leaf_hash


@pytest.fixture
def books(books: Any) -> Any:
    """`books` with nothing in its queue."""
    with books.guard.trail_engine.begin() as connection:
        connection.execute(queued.delete())
    return books


def receipts(books: Any) -> list[str]:
    """What the queue's entries say was committed."""
    with books.guard.trail_engine.connect() as connection:
        bodies = connection.scalars(select(queued.c.body)).all()
    return [one for body in bodies for one in decode(body.encode()).wrote]


def written(books: Any) -> list[str]:
    """The receipts that the staged entries of changes deserve."""
    with books.guard.engine.connect() as connection:
        rows = connection.execute(select(staged.c.event_id, staged.c.body)).all()
    kinds = {row.event_id: decode(row.body.encode()).kind for row in rows}
    return [f"{row.event_id}:{leaf_hash(row.body.encode()).hex()}" for row in rows if kinds[row.event_id] == "write"]


def add(books: Any, session: Session, name: str) -> None:
    """One more customer."""
    session.execute(insert(books.m.Customer).values(name=name, phone="0811", note="x"))


def test_a_committed_change_is_told_by_the_next_entry_of_its_access(books: Any) -> None:
    """Event id and leaf hash, of each commit; also of a change that SQLAlchemy's Core made on a connection."""
    before = set(written(books))
    with books.access(), Session(books.engine) as session:
        add(books, session, "Budi")
        session.commit()
        add(books, session, "Siti")
        session.commit()
    told = receipts(books)
    assert len(told) == 2
    assert set(told) == set(written(books)) - before


def test_what_was_rolled_back_has_no_receipt(books: Any) -> None:
    """A roll-back is no deletion, and must not look like one."""
    with books.access(), Session(books.engine) as session:
        add(books, session, "Budi")
        session.rollback()
        session.execute(select(books.m.Customer.note)).all()
        session.commit()
    assert receipts(books) == []


def test_a_commit_that_failed_has_no_receipt(books: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was made: nothing is claimed. The next commit on the connection claims its own only."""
    with books.access(), Session(books.engine) as session:
        add(books, session, "Budi")
        connection = session.connection()
        raw = connection.connection.dbapi_connection
        dialect = connection.dialect
        original = dialect.do_commit

        def fail(_connection: Any) -> None:
            raise OSError

        fail.amanah = True  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            patch.setattr(dialect, "do_commit", fail)
            with pytest.raises(OSError):  # noqa: PT011 - whatever a driver raises
                session.commit()
        assert dialect.do_commit is original or original.amanah  # type: ignore[attr-defined]
        assert raw is not None
        session.rollback()
        session.execute(select(books.m.Customer.note)).all()
        session.commit()
    assert receipts(books) == []


def test_a_commit_after_the_end_of_its_access_is_told_all_the_same(books: Any) -> None:
    """Frameworks commit after the answer: the receipt is an entry of its own then."""
    with books.access() as access, Session(books.engine) as session:
        add(books, session, "Budi")
        session.flush()
        connection = session.connection()
        books.guard._gate.commit(connection)  # what the commit's event does, while the access lives …
        access.close()
        connection.dialect.do_commit(connection.connection)  # … and the commit itself, after its end
    books.guard.writer.close()
    assert len(receipts(books)) == 1
