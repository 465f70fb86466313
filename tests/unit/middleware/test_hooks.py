"""Writes and their entries: one transaction, or none."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine, delete, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError, SAWarning, SQLAlchemyError
from sqlalchemy.orm import Session

from amanah.errors import AutocommitRefused, DatabaseNotMigrated, TenantCrossed


def test_a_commit_stages_one_entry_that_names_rows_columns_and_subjects(books: Any) -> None:
    """The entry says what was written in the words of the declarations, by key, and nothing of the values."""
    m = books.m
    with books.session() as session:
        budi = session.get_one(m.Customer, ("a", "budi"))
        budi.phone, budi.note = "0899 0000 1111", "changed"
        session.add(m.Customer(id="new1", name="N1"))
        session.add(m.Customer(id="new2", name="N2"))
        session.delete(session.scalars(select(m.Invoice).where(m.Invoice.customer_id == "siti")).one())
        session.commit()
    entry = books.staged("a")[-1]
    assert (entry["kind"], entry["outcome"], entry["actor"]) == ("write", "committed", "boss")
    told = {(w["resource"], w["action"]): w for w in entry["what"]}
    assert told["customer", "update"]["rows"] == ["budi"]
    assert sorted(told["customer", "update"]["columns"]) == ["note", "phone"]
    assert told["customer", "update"]["subjects"] == ["budi"]
    assert sorted(told["customer", "create"]["rows"]) == ["new1", "new2"]
    assert told["customer", "create"]["count"] == 2
    assert len(told["invoice", "delete"]["rows"]) == 1


def test_the_database_s_own_keys_are_named_too(empty_books: Any) -> None:
    """Of a table without sealed columns the keys are known after the INSERT; of one with them, before."""
    m = empty_books.m
    with empty_books.session() as session:
        session.add(m.Ticket(title="one"))
        session.flush()
        session.execute(insert(m.Ticket.__table__).values(title="two"))
        session.add_all([m.Person(name="P"), m.Person(name="Q")])
        session.commit()
    told = {(w["resource"], w["action"]): w for w in empty_books.changes()}
    assert told["ticket", "create"]["rows"] == ["1", "2"]
    assert sorted(told["person", "create"]["rows"]) == ["1", "2"]


@pytest.mark.parametrize("how", ["fetch", "evaluate", False])
def test_a_change_by_criteria_carries_its_count(books: Any, how: Any) -> None:
    """No rows are named, so the entry says how many there were; other tenants' rows are not among them."""
    m = books.m
    with books.session() as session:
        session.execute(
            update(m.Customer).where(m.Customer.note != "x").values(note="y"),
            execution_options={"synchronize_session": how},
        )
        session.execute(delete(m.Invoice).where(m.Invoice.total > 0), execution_options={"synchronize_session": how})
        session.commit()
    told = {(w["resource"], w["action"]): w for w in books.staged("a")[-1]["what"]}
    assert (told["customer", "update"]["count"], told["customer", "update"]["rows"]) == (2, [])
    assert told["invoice", "delete"]["count"] == 2


def test_a_long_insert_is_noted_once(empty_books: Any) -> None:
    """SQLAlchemy sends it in batches; the rows are counted once, a thousand to a line."""
    m = empty_books.m
    rows = [{"id": f"t{n}", "label": "x"} for n in range(2500)]
    with empty_books.session() as session:
        assert len(session.scalars(insert(m.Tag).returning(m.Tag.id), rows).all()) == 2500
        session.commit()
    assert [what["count"] for what in empty_books.changes()] == [1000, 1000, 500]


def test_a_rolled_back_savepoint_takes_its_writes_along(books: Any) -> None:
    """Inner and outer savepoints, released and rolled back: the entry holds what was committed, the notes the rest."""
    m = books.m
    with books.access() as access, Session(books.engine) as session:
        session.execute(insert(m.Tag).values(id="kept", label="x"))
        outer = session.begin_nested()
        session.execute(insert(m.Tag).values(id="outer", label="x"))
        with session.begin_nested():
            session.execute(insert(m.Tag).values(id="released", label="x"))
        session.begin_nested()
        session.execute(insert(m.Tag).values(id="open", label="x"))
        outer.rollback()
        with session.begin_nested():
            session.execute(insert(m.Tag).values(id="second", label="x"))
        session.commit()
        undone = [w for w in access.notes.drain() if w.action == "create_undone"]
    assert [r for w in books.staged("a")[-1]["what"] for r in w["rows"]] == ["kept", "second"]
    assert sorted(r for w in undone for r in w.rows) == ["open", "outer", "released"]
    assert {row[0] for row in books.stored("SELECT id FROM tag")} == {"kept", "second"}


def test_an_outer_savepoint_takes_the_inner_ones_along(books: Any) -> None:
    """Core rolls back the outer one alone; what was written inside the inner one is undone with it."""
    table = books.m.Tag.__table__
    with books.access(), books.engine.connect() as connection:
        connection.execute(insert(table).values(id="kept", label="x"))
        outer = connection.begin_nested()
        connection.execute(insert(table).values(id="outer", label="x"))
        connection.begin_nested()
        connection.execute(insert(table).values(id="inner", label="x"))
        with pytest.warns(SAWarning, match="deassociated"):
            outer.rollback()
        connection.commit()
    assert [r for w in books.staged("a")[-1]["what"] for r in w["rows"]] == ["kept"]
    assert books.stored("SELECT id FROM tag") == [("kept",)]


def test_a_savepoint_commits_nothing_by_itself(books: Any) -> None:
    """SQLite's driver would end the transaction with the RELEASE of a first SAVEPOINT: change without entry."""
    m = books.m
    before = len(books.staged())
    with books.access(), books.engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(insert(m.Tag.__table__).values(label="x"))
        assert books.stored("SELECT count(*) FROM tag") == [(0,)]
        connection.rollback()
    assert books.stored("SELECT count(*) FROM tag") == [(0,)]
    assert len(books.staged()) == before


def test_a_roll_back_leaves_a_note_that_it_was_tried(books: Any) -> None:
    """Nothing is staged, and the access knows that somebody tried."""
    m = books.m
    before = len(books.staged())
    with books.access() as access, Session(books.engine) as session:
        session.execute(update(m.Customer).where(m.Customer.id == "budi").values(note="x"))
        session.rollback()
        assert [w.rows for w in access.notes.drain() if w.action == "update_undone"] == [("budi",)]
    assert len(books.staged()) == before


def test_without_its_entry_there_is_no_change(books: Any) -> None:
    """Where the entry cannot be staged the commit fails; a second try does not slip the change through."""
    m = books.m
    books.stored("ALTER TABLE amanah_staged RENAME TO gone")
    with books.access() as access, books.engine.connect() as connection:
        connection.execute(insert(m.Tag.__table__).values(id="t", label="x"))
        with pytest.raises(DatabaseNotMigrated):
            connection.commit()
        with pytest.raises(SQLAlchemyError):
            connection.commit()
        assert [w.rows for w in access.notes.drain() if w.action == "create_undone"] == [("t",)]
        connection.rollback()
        connection.execute(select(m.Tag.__table__)).all()
        connection.commit()
    with books.session() as session:
        session.add(m.Tag(id="t2", label="x"))
        with pytest.raises(DatabaseNotMigrated):
            session.commit()
    assert books.stored("SELECT count(*) FROM tag") == [(0,)]


def test_killed_before_the_commit_neither_is_there(books: Any) -> None:
    """A connection that is lost with staged entries leaves neither change nor entry."""
    m = books.m
    before = len(books.staged())

    def lost(connection: Any) -> None:
        connection.connection.dbapi_connection.rollback()
        raise ConnectionResetError

    with books.session() as session:
        session.add(m.Tag(id="t", label="x"))
        session.flush()
        event.listen(session.connection(), "commit", lost)
        with pytest.raises(ConnectionResetError):
            session.commit()
    assert books.stored("SELECT count(*) FROM tag") == [(0,)]
    assert len(books.staged()) == before


def test_a_commit_after_the_access_closed_is_still_recorded(books: Any) -> None:
    """Frameworks commit late; what was let through under the access gets its entry."""
    m = books.m
    with books.access() as access:
        session = Session(books.engine)
        session.execute(insert(m.Tag.__table__).values(id="late", label="x"))
    session.commit()
    session.close()
    assert books.staged("a")[-1]["access"] == access.id
    assert books.staged("a")[-1]["what"][0]["rows"] == ["late"]


def test_autocommit_is_refused_wherever_it_is_set(books: Any) -> None:
    """On the connection, on the engine, or in the driver: a change would be durable before its record."""
    m = books.m
    statement = insert(m.Tag.__table__).values(label="x")
    with books.access():
        with books.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            with pytest.raises(AutocommitRefused):
                connection.execute(statement)
            assert connection.execute(select(m.Tag.__table__.c.id)).all() == []
        whole = books.engine.execution_options(isolation_level="AUTOCOMMIT")
        with whole.connect() as connection, pytest.raises(AutocommitRefused):
            connection.execute(statement)
        from amanah.audit.staging import Staging
        from amanah.middleware.hooks import Gate

        option = {"isolation_level": None} if "sqlite" in books.url else {"autocommit": True}
        other = create_engine(books.url, connect_args=option)
        Gate(books.guard.register, Staging(books.guard.trail_engine)).protect(other)
        with other.connect() as connection, pytest.raises(AutocommitRefused):
            connection.execute(statement)
        other.dispose()
    assert books.stored("SELECT count(*) FROM tag") == [(0,)]


def test_two_phases_stage_with_the_first(books: Any) -> None:
    """PREPARE makes change and entry durable together."""
    if "sqlite" in books.url:
        pytest.skip("SQLite has no two-phase commit")
    m = books.m
    if books.stored("SHOW max_prepared_transactions") == [("0",)]:
        pytest.skip("this server has no prepared transactions")
    with books.access(), books.engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(insert(m.Tag.__table__).values(id="two", label="x"))
        transaction.prepare()
        transaction.commit()
    assert books.staged("a")[-1]["what"][0]["rows"] == ["two"]


def test_two_phases_without_the_first_are_one_commit_or_none(books: Any) -> None:
    """commit() without prepare() stages; rollback() forgets."""
    if "sqlite" in books.url:
        pytest.skip("SQLite has no two-phase commit")
    m = books.m
    with books.access(), books.engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(insert(m.Tag.__table__).values(id="gone", label="x"))
        transaction.rollback()
        transaction = connection.begin_twophase()
        connection.execute(insert(m.Tag.__table__).values(id="two", label="x"))
        transaction.commit()
    assert books.staged("a")[-1]["what"][0]["rows"] == ["two"]


def test_what_a_lost_connection_wrote_is_not_blamed_on_the_next(books: Any) -> None:
    """The pool hands the DBAPI connection on; writes that were never committed do not turn up in another's entry."""
    m = books.m
    with books.access():
        connection = books.engine.connect()
        connection.execute(insert(m.Tag.__table__).values(id="lost", label="x"))
        connection.connection.dbapi_connection.rollback()
        connection.detach()
        raw = connection.connection
        del connection
        raw.close()
    with books.session("b") as session:
        session.add(m.Tag(id="own", label="x"))
        session.commit()
    assert books.staged("b")[-1]["what"][0]["rows"] == ["own"]


def test_a_killed_backend_does_not_hide_its_own_error(books: Any) -> None:
    """PostgreSQL ends the connection in the middle of a transaction: the application sees that, and can go on."""
    if "sqlite" in books.url:
        pytest.skip("there is no backend to kill")
    m = books.m
    with books.session() as session:
        session.add(m.Tag(id="t", label="x"))
        session.flush()
        pid = session.connection().exec_driver_sql("select pg_backend_pid()").scalar_one()
        books.stored("select pg_terminate_backend(:pid)", pid=pid)
        with pytest.raises(DBAPIError):
            session.execute(select(m.Tag.id))
        session.rollback()
        session.add(m.Tag(id="again", label="x"))
        session.commit()
    assert books.stored("SELECT id FROM tag") == [("again",)]
    assert books.staged("a")[-1]["what"][0]["rows"] == ["again"]


def test_a_failed_flush_of_several_tables_leaves_nothing(books: Any) -> None:
    """One refused row in the middle of a flush: no row of any table stays."""
    m = books.m
    with books.session() as session:
        session.add_all(
            [m.Customer(id="c", name="N"), m.Invoice(customer_id="c", total=1), m.Tag(tenant_id="b", label="x")]
        )
        with pytest.raises(TenantCrossed):
            session.commit()
        with pytest.raises(InvalidRequestError):
            session.execute(text("select 1"))
        session.rollback()
    assert books.stored("SELECT count(*) FROM customer WHERE id = 'c'") == [(0,)]
