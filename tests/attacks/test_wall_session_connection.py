"""Attack: take the Session's own connection, and Core from there, past everything that the ORM knows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import MetaData, Table, delete, insert, select, text, update

from amanah.errors import AccessRequired, RawSqlRefused, TenantCrossed


def test_the_connection_of_a_session_is_behind_the_wall(books: Any) -> None:
    """Selects by declared, light and reflected tables; updates and deletes; on a connection with options of its own."""
    table = books.m.Invoice.__table__
    with books.session() as session:
        for connection in (session.connection(), session.connection().execution_options(stream_results=True)):
            assert set(connection.scalars(select(table.c.total))) == {5, 7}
            reflected = Table("invoice", MetaData(), autoload_with=books.plain)
            assert set(connection.scalars(select(reflected.c.total))) == {5, 7}
            assert connection.scalars(select(table.c.total).where(table.c.tenant_id == "b")).all() == []
    with books.session() as session:
        connection = session.connection()
        assert connection.execute(update(table).values(total=1)).rowcount == 2
        assert connection.execute(delete(table).where(table.c.tenant_id == "b")).rowcount == 0
        session.commit()
    assert books.stored("SELECT total FROM invoice WHERE tenant_id = 'b'") == [(900,)]


def test_it_writes_for_the_own_tenant_only(books: Any) -> None:
    """An INSERT for another tenant, and the driver's own SQL."""
    table = books.m.Invoice.__table__
    with books.session() as session:
        connection = session.connection()
        with pytest.raises(TenantCrossed):
            connection.execute(insert(table).values(tenant_id="b", id="x", customer_id="tono", total=1))
        for sql in ("SELECT * FROM invoice", "DELETE FROM invoice"):
            with pytest.raises(RawSqlRefused):
                connection.exec_driver_sql(sql)
            with pytest.raises(RawSqlRefused):
                connection.execute(text(sql))


def test_a_connection_that_was_kept_has_no_access_any_more(books: Any) -> None:
    """Taken under an access, and used after its end."""
    with books.engine.connect() as connection:
        with books.access():
            assert len(connection.execute(select(books.m.Invoice.total)).all()) == 2
        with pytest.raises(AccessRequired):
            connection.execute(select(books.m.Invoice.total))
        with books.access("b"):
            assert connection.scalars(select(books.m.Invoice.total)).all() == [900]
