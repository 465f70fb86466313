"""Attack: take the driver's own connection, where no event is fired and the first wall does not stand."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

pytestmark = pytest.mark.postgresql


def test_a_raw_cursor_meets_the_access_s_tenant_only(second_wall: Any) -> None:
    """A cursor of the driver's own class, in a Session's transaction: the rows of one tenant, and none to change."""
    with second_wall.world.session() as session:
        assert len(session.scalars(select(second_wall.world.m.Customer)).all()) == 2
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        assert cursor.execute("SELECT DISTINCT tenant_id FROM customer").fetchall() == [("a",)]
        assert cursor.execute("UPDATE customer SET note = 'hers'").rowcount == 2
        assert cursor.execute("DELETE FROM invoice WHERE tenant_id = 'b'").rowcount == 0


def test_without_the_policies_it_reaches_all(second_wall: Any) -> None:
    """The same cursor, before the migration."""
    with second_wall.without_policies(), second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        assert cursor.execute("SELECT count(DISTINCT tenant_id) FROM customer").fetchall() == [(2,)]


def test_a_raw_cursor_without_a_transaction_of_the_session_sees_nothing(second_wall: Any) -> None:
    """Whoever fetches the driver's connection from the pool begins by himself, and belongs to nobody."""
    raw = second_wall.world.engine.raw_connection()
    try:
        with second_wall.world.access():
            assert psycopg.Cursor(raw.driver_connection).execute("SELECT * FROM customer").fetchall() == []
    finally:
        raw.close()


def test_copy_out_takes_one_tenant_s_rows(second_wall: Any) -> None:
    """COPY … TO STDOUT."""
    with second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        with cursor.copy("COPY (SELECT tenant_id FROM customer) TO STDOUT") as copy:
            assert {row[0] for row in copy.rows()} == {"a"}
        with cursor.copy("COPY invoice (tenant_id) TO STDOUT") as copy:
            assert {row[0] for row in copy.rows()} == {"a"}


def test_copy_in_is_refused(second_wall: Any) -> None:
    """COPY … FROM does not work on a table with row-level security; into another tenant it would not either."""
    with second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        with (
            pytest.raises(psycopg.Error, match="row-level security"),
            cursor.copy("COPY tag (tenant_id, id, label) FROM STDIN") as copy,
        ):
            copy.write_row(("b", "x", "theirs"))


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO tag (tenant_id, id, label) VALUES ('b', 'x', 'theirs')",
        "UPDATE customer SET tenant_id = 'b' WHERE id = 'siti'",
        "INSERT INTO tag (tenant_id, id, label) VALUES ('a', 'y', 'ours'); UPDATE tag SET tenant_id = 'b'",
    ],
)
def test_no_row_goes_to_another_tenant(second_wall: Any, sql: str) -> None:
    """WITH CHECK."""
    with second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            cursor.execute(sql)


def test_by_parents_a_raw_cursor_meets_its_tenant_only(second_wall_via: Any) -> None:
    """Tables that belong by one, two, three and four parents, and a tenant's id that is a number."""
    with second_wall_via.world.access("1"), Session(second_wall_via.world.engine) as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        for table, own in (("company", 1), ('"order"', 2), ("line", 2), ("part", 2), ("serial", 2), ("sticker", 2)):
            assert len(cursor.execute(f"SELECT * FROM {table}").fetchall()) == own, table
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cursor.execute("INSERT INTO line (order_id, product, quantity) VALUES (20, 'gold', 1)")
    with second_wall_via.above.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sticker")).scalar() == 4


def test_nobody_is_no_error_where_a_tenant_is_a_number(second_wall_via: Any) -> None:
    """Without an access there is no row, and nothing that cannot be cast."""
    with second_wall_via.world.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        cursor = psycopg.Cursor(connection.connection.driver_connection)
        for table in ("company", '"order"', "line", "sticker"):
            assert cursor.execute(f"SELECT * FROM {table}").fetchall() == [], table
