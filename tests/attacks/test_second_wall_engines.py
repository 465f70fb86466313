"""Attack: come in by an engine that nobody protects, with the application's own role."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

pytestmark = pytest.mark.postgresql


def test_an_unprotected_engine_sees_no_row(second_wall: Any) -> None:
    """Under an access or without one: nobody says whose its transactions are."""
    world = second_wall.world
    assert world.stored("SELECT * FROM customer") == []
    with world.access():
        assert world.stored("SELECT * FROM customer") == []
        assert world.stored("UPDATE customer SET note = 'x' RETURNING id") == []
        with pytest.raises(DBAPIError, match="row-level security"):
            world.stored("INSERT INTO tag (tenant_id, id, label) VALUES ('a', 'x', 'x')")
    with second_wall.without_policies():
        assert len(world.stored("SELECT * FROM customer")) == 3


@pytest.mark.parametrize(
    "injected",
    ["' OR '1'='1", "' UNION SELECT id FROM customer --", "x' OR tenant_id = 'b"],
)
def test_injected_sql_finds_nothing(second_wall: Any, injected: str) -> None:
    """`text()` that was put together from what a client sent."""
    sql = f"SELECT id FROM customer WHERE note = '{injected}'"
    assert second_wall.world.stored(sql) == []
    with second_wall.without_policies():
        assert second_wall.world.stored(sql) != []


def test_the_role_cannot_switch_the_wall_off(second_wall: Any) -> None:
    """`row_security = off` is an error where rows are hidden; the table is not the role's to alter."""
    engine = create_engine(second_wall.url)
    for attack in (
        "SET LOCAL row_security = off; SELECT * FROM customer",
        "ALTER TABLE customer DISABLE ROW LEVEL SECURITY",
        "DROP POLICY amanah_tenant ON customer",
        "CREATE POLICY mine ON customer USING (true)",
        "SET ROLE postgres",
        "SET session_replication_role = replica",
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.exec_driver_sql(attack)
    engine.dispose()


def test_a_setting_left_on_a_pooled_connection_does_not_count(second_wall: Any) -> None:
    """`SET amanah.tenant` for the whole session: the next transaction says anew whose it is, also that it is nobody's.

    In the transaction of a bare engine it does count: who runs SQL of his own there says whose he is.
    """
    world = second_wall.world
    with world.session("b") as session:
        session.add(world.m.Account(email="tono@example.com", secret="x"))
        session.commit()
    poisoned = world.engine.raw_connection()
    raw = poisoned.dbapi_connection
    psycopg.Cursor(raw).execute("SET amanah.tenant = 'b'")
    psycopg.Cursor(raw).execute("SET amanah.sign_in = 'on'")
    raw.commit()
    poisoned.close()
    for access, expected in ((True, ["a"]), (False, [])):
        with world.access() if access else nullcontext(), world.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
            assert connection.connection.dbapi_connection is raw
            cursor = psycopg.Cursor(connection.connection.driver_connection)
            found = cursor.execute("SELECT DISTINCT tenant_id FROM customer").fetchall()
            assert [row[0] for row in found] == expected
            assert cursor.execute("SELECT * FROM account").fetchall() == []
    with world.plain.connect() as connection:
        connection.execute(text("SET LOCAL amanah.tenant = 'b'"))
        assert connection.execute(text("SELECT id FROM customer")).scalars().all() == ["tono"]
