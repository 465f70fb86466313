"""Attack: read a plaintext out of an exception or a log."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from amanah.errors import AmanahError

SECRETS = ("Rahasia Sekali", "0877 6666 5555", "Budi Santoso", "0812 3456 7890")


def _tells(error: BaseException) -> str:
    parts = [str(error), repr(error), repr(getattr(error, "params", "")), repr(vars(error))]
    return " ".join([*parts, *traceback.format_exception(error)])


def test_exceptions_and_logs_hold_no_plaintext(books: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A broken constraint and a driver's error in the middle of a flush, with everything logged that can be."""
    m = books.m
    caplog.set_level(logging.DEBUG)
    books.engine.echo = "debug"
    told = []
    with books.session() as session:
        session.scalars(select(m.Customer)).all()
        session.connection().execute(select(m.Customer.__table__)).all()
        books.engine.connect().execution_options(stream_results=False).close()
        session.add_all(
            [
                m.Customer(name="Rahasia Sekali", phone="0877 6666 5555"),
                m.Customer(id="dup", name="Rahasia Sekali"),
                m.Customer(id="dup", name="Rahasia Sekali"),
            ]
        )
        with pytest.raises((IntegrityError, Exception)) as broken:
            session.flush()
        told.append(broken.value)
    with books.session() as session:
        with pytest.raises(IntegrityError) as broken:
            session.execute(
                insert(m.Customer.__table__),
                [{"id": "x", "name": "Rahasia Sekali"}, {"id": "budi", "name": "Rahasia Sekali"}],
            )
        told.append(broken.value)
    with books.session() as session:
        books.stored("ALTER TABLE customer RENAME COLUMN note TO notes")
        for statement, parameters in (
            (insert(m.Customer).values(name="Rahasia Sekali", note="x"), None),
            (update(m.Customer).where(m.Customer.id == "budi").values(phone="0877 6666 5555", note="x"), None),
            (select(m.Customer).where(m.Customer.phone == bindparam("p")), {"p": "0877 6666 5555"}),
        ):
            with pytest.raises(DBAPIError) as broken:
                session.execute(statement, parameters, execution_options={"synchronize_session": False})
            told.append(broken.value)
            session.rollback()
    with books.session() as session:
        for statement, parameters in (
            (insert(m.Device).values(serial="1", owner=object()), None),
            (
                select(m.Customer.id).where(m.Customer.phone == bindparam("p"), m.Customer.email == bindparam("q")),
                {"p": "0877 6666 5555", "q": object()},
            ),
            (insert(m.Device.__table__), [{"serial": "1", "owner": "Rahasia Sekali"}, {"serial": "1", "owner": 5}]),
            (select(m.Customer.id).where(m.Customer.phone == bindparam("p")), {"q": "0877 6666 5555"}),
        ):
            with pytest.raises((AmanahError, StatementError)) as broken:
                session.execute(statement, parameters)
            told.append(broken.value)
            session.rollback()
    everything = caplog.text + "".join(_tells(error) for error in told)
    assert "INSERT INTO customer" in everything
    for secret in SECRETS:
        assert secret not in everything.replace(f'"{secret}"', ""), secret


def test_an_engine_with_options_of_its_own_is_as_silent(books: Any, caplog: pytest.LogCaptureFixture) -> None:
    """engine.execution_options() makes another engine, with its own logging."""
    caplog.set_level(logging.DEBUG)
    other = books.engine.execution_options(stream_results=False)
    other.echo = "debug"
    with books.access(), other.connect() as connection:
        connection.execute(select(books.m.Customer.__table__)).all()
        connection.execute(text("select 1"))
    for secret in SECRETS:
        assert secret not in caplog.text
