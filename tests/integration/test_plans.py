"""What PostgreSQL makes of the walls: EXPLAIN of what is executed, beside the same query written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import select

from amanah.middleware.limited import limited

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgresql

_ROWS = """
INSERT INTO invoice (tenant_id, id, customer_id, total)
SELECT CASE mod(n, 40) WHEN 7 THEN 'a' ELSE 't' || mod(n, 40) END,
  'i' || n, 'c' || mod(n, 500), n FROM generate_series(1, 20000) AS n
"""
_ORDERS = """
INSERT INTO orders (tenant_id, id, courier, branch_id, note)
SELECT CASE mod(n, 40) WHEN 7 THEN 'a' ELSE 't' || mod(n, 40) END,
  'n' || n, 'k' || mod(n, 500), 'b', 'open' FROM generate_series(1, 20000) AS n
"""


def plan(connection: Any, sql: str) -> dict[str, Any]:
    """The plan of a statement, as PostgreSQL tells it."""
    found: Any = psycopg.Cursor(connection).execute(f"EXPLAIN (FORMAT JSON) {sql}").fetchone()
    return dict(found[0][0]["Plan"])


def nodes(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All of its nodes."""
    yield found
    for below in found.get("Plans", ()):
        yield from nodes(below)


def ways(found: dict[str, Any]) -> list[tuple[str, str]]:
    """How rows are found: kind of scan and index, without what is evaluated once and before."""
    return [
        (one["Node Type"], one.get("Index Name", one.get("Relation Name", "")))
        for one in nodes(found)
        if one.get("Parent Relationship") != "InitPlan" and one["Node Type"] != "Result"
    ]


@pytest.fixture
def full(second_wall: Any) -> Any:
    """20,000 invoices of 40 tenants behind both walls, with the indexes that an application would have."""
    with second_wall.above.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE invoice DROP CONSTRAINT invoice_tenant_id_customer_id_fkey")
        connection.exec_driver_sql(_ROWS)
        connection.exec_driver_sql("CREATE INDEX ix_customer ON invoice (tenant_id, customer_id)")
    with second_wall.above.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE invoice")
    return second_wall


SHAPES = {
    "by key": (lambda t: select(t.c.total).where(t.c.id == "i7"), "id = 'i7'"),
    "by an index of the tenant's": (lambda t: select(t.c.total).where(t.c.customer_id == "c7"), "customer_id = 'c7'"),
    "the whole tenant": (lambda t: select(t.c.total), "true"),
    "in order": (lambda t: select(t.c.total).order_by(t.c.id).limit(9), "true ORDER BY id LIMIT 9"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_walls_do_not_change_how_rows_are_found(full: Any, shape: str) -> None:
    """The same scans of the same indexes as for the condition that somebody would have written by hand."""
    world = full.world
    make, condition = SHAPES[shape]
    with full.above.connect() as connection:
        by_hand = plan(
            connection.connection.driver_connection, f"SELECT total FROM invoice WHERE tenant_id = 'a' AND {condition}"
        )
    with world.session() as session:
        raw = session.connection().connection.driver_connection
        with world.access() as access:
            walled = limited(make(world.m.Invoice.__table__), access)
            sql = str(walled.compile(world.engine, compile_kwargs={"literal_binds": True}))
        behind = plan(raw, sql)
    assert ways(behind) == ways(by_hand)
    assert "Seq Scan" not in {kind for kind, _ in ways(behind)}


def test_a_policy_asks_for_its_setting_once_a_statement(full: Any) -> None:
    """`(SELECT …)` is evaluated before the rows are found; the tenant's leading index finds them."""
    with full.world.session() as session:
        session.scalars(select(full.world.m.Invoice.id)).all()
        raw = session.connection().connection.driver_connection
        found = plan(raw, "SELECT total FROM invoice")
    once = [one for one in nodes(found) if one.get("Parent Relationship") == "InitPlan"]
    assert len(once) == 1
    assert not [one for one in nodes(found) if one.get("Parent Relationship") == "SubPlan"]
    assert "current_setting" not in str([one.get("Filter") for one in nodes(found)])
    assert [one["Index Name"] for one in nodes(found) if "Index Name" in one] in (["invoice_pkey"], ["ix_customer"])
    assert any("tenant_id" in one.get("Index Cond", "") for one in nodes(found))


def test_a_setting_that_is_not_wrapped_would_be_asked_for_each_row(full: Any) -> None:
    """What the test above would find without `(SELECT …)`: a filter over the whole table, or nothing to see."""
    with full.above.begin() as connection:
        connection.exec_driver_sql("DROP POLICY amanah_tenant ON invoice")
        connection.exec_driver_sql(
            "CREATE POLICY amanah_tenant ON invoice USING (tenant_id = lower(current_setting('amanah.tenant', true)))"
        )
    with full.world.session() as session:
        session.connection()
        found = plan(session.connection().connection.driver_connection, "SELECT total FROM invoice")
    assert not [one for one in nodes(found) if one.get("Parent Relationship") == "InitPlan"]


@pytest.mark.parametrize("member", ["7", "lead", "both", "apprentice"])
def test_row_filters_find_rows_as_a_condition_by_hand_does(parcels: Any, member: str) -> None:
    """By a column, by EXISTS over another table, by both, and by a denial: an index, and no scan of all orders."""
    if "sqlite" in parcels.url:
        pytest.skip("SQLite has no EXPLAIN that could be compared")
    parcels.stored(_ORDERS)
    for said in ("ix_c ON orders (tenant_id, courier)", "ix_b ON orders (tenant_id, branch_id)"):
        parcels.stored(f"CREATE INDEX {said}")
    parcels.stored("ANALYZE orders")
    parcels.stored("ANALYZE branch")
    orders = parcels.m.Order.__table__
    with parcels.access("a", member) as access:
        assert access.limits
        statement = limited(select(orders.c.id), access)
        sql = str(statement.compile(parcels.engine, compile_kwargs={"literal_binds": True}))
    by_hand = {
        "7": "courier = '7'",
        "lead": "EXISTS (SELECT 1 FROM branch b WHERE b.tenant_id = 'a' AND b.id = o.branch_id AND b.lead = 'lead')",
        "both": "(courier = 'both' OR EXISTS (SELECT 1 FROM branch b WHERE b.tenant_id = 'a' AND b.id = o.branch_id "
        "AND b.lead = 'both'))",
        "apprentice": "NOT (note = 'secret')",
    }[member]
    with parcels.plain.connect() as connection:
        raw = connection.connection.driver_connection
        walled, expected = (
            plan(raw, one) for one in (sql, f"SELECT id FROM orders o WHERE tenant_id = 'a' AND {by_hand}")
        )
    assert ways(walled) == ways(expected)
    assert walled["Total Cost"] <= expected["Total Cost"] * 1.05
    assert "orders" not in {one.get("Relation Name") for one in nodes(walled) if one["Node Type"] == "Seq Scan"}
