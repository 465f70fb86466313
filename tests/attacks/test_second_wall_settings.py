"""Attack: say oneself whose the transaction is, with SQL of the application's own."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from amanah.errors import RawSqlRefused

pytestmark = pytest.mark.postgresql


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL amanah.tenant = 'b'",
        "SET amanah.tenant TO 'b'",
        'set "amanah"."tenant" = \'b\'',
        "SET LOCAL AMANAH . SIGN_IN = 'on'",
        "SELECT set_config('amanah.tenant', 'b', false)",
        "RESET amanah.tenant",
    ],
)
def test_the_first_wall_refuses_to_name_the_setting(second_wall: Any, sql: str) -> None:
    """On the protected engine, as `text()` and as a string for the driver."""
    with second_wall.world.session() as session:
        for attack in (lambda: session.execute(text(sql)), lambda: session.connection().exec_driver_sql(sql)):
            with pytest.raises(RawSqlRefused, match=r"(?i)amanah"):
                attack()


def test_a_statement_that_sets_it_unseen_shows_nobody_else_s_rows(second_wall: Any) -> None:
    """Put together from pieces it is not recognised. Then the first wall still asks for one tenant's rows, and the
    second shows the other's: no row is both.
    """  # noqa: D205
    m = second_wall.world.m
    with second_wall.world.session() as session:
        session.execute(select(func.set_config("ama" + "nah.tenant", "b", True)))
        assert session.scalars(select(m.Customer)).all() == []
        session.rollback()
        assert len(session.scalars(select(m.Customer)).all()) == 2


def test_whoever_runs_sql_of_his_own_on_the_driver_says_whose_he_is(second_wall: Any) -> None:
    """The limit of this wall, as `docs/explanation/tenant-wall.md` says it: it holds mistakes and injected values,
    and not code that means to go through.
    """  # noqa: D205
    with second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        cursor.execute("SELECT set_config('amanah.tenant', 'b', true)")
        assert cursor.execute("SELECT id FROM customer").fetchall() == [("tono",)]


def test_it_ends_with_the_transaction(second_wall: Any) -> None:
    """What was said so does not reach who gets the connection next."""
    with second_wall.world.session() as session:
        psycopg.Cursor(session.connection().connection.driver_connection).execute(
            "SELECT set_config('amanah.tenant', 'b', false)"
        )
        session.commit()
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        assert cursor.execute("SELECT DISTINCT tenant_id FROM customer").fetchall() == [("a",)]
