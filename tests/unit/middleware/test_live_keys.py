"""The doctor looks whether the database keeps to what the walls lean on, and how far a live column has come."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, create_engine, text

from amanah import Personal, declare
from amanah.middleware.declare import build
from amanah.middleware.live_keys import live_conflicts, live_parents
from amanah.middleware.live_steps import live_steps
from amanah.middleware.siblings import trigger_name

ORDER = 'CREATE TABLE "order" (id INTEGER PRIMARY KEY, tenant_id VARCHAR(64))'


def told(findings):
    """As (id, subject)."""
    return {(one.id, one.subject) for one in findings}


@pytest.mark.parametrize(
    "statements, expected",
    [
        (['order_id INTEGER REFERENCES "order" (id)'], {"AMN-D041"}),
        (["order_id INTEGER"], {"AMN-D040", "AMN-D041"}),
        (["order_id INTEGER", "CREATE INDEX i ON line (order_id, id)"], {"AMN-D040"}),
        (['order_id INTEGER REFERENCES "order" (id)', "CREATE INDEX i ON line (order_id)"], set()),
        (['order_id INTEGER REFERENCES "order" (id)', "CREATE INDEX i ON line (id, order_id)"], {"AMN-D041"}),
        (['order_id INTEGER UNIQUE REFERENCES "order" (id)'], set()),
    ],
)
def test_the_way_to_a_parent_is_bound_and_indexed_in_the_database(database_url, statements, expected):
    """What the models say is not enough: migrations may never have made it."""
    column, *indexes = statements
    engine = create_engine(database_url)
    with engine.begin() as connection:
        for statement in (ORDER, f"CREATE TABLE line (id INTEGER PRIMARY KEY, {column})", *indexes):
            connection.execute(text(statement))
    metadata = MetaData()
    Table("order", metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String(64)))
    Table(
        "line",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("order_id", Integer, ForeignKey("order.id"), index=True),
    )
    register = build(metadata, [declare("line", via="order_id")], "tenant_id")
    assert told(live_parents(register, engine)) == {(one, "line.order_id") for one in expected}
    engine.dispose()


def customers():
    """A register with one protected table."""
    metadata = MetaData()
    Table("customer", metadata, Column("tenant_id", String(64), primary_key=True), Column("id", Integer))
    return build(metadata, [], "tenant_id")


def test_a_second_table_of_that_name_in_the_search_path_is_an_error(postgres_database):
    """Whichever comes first; one that the path does not reach is none."""
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customer (id INTEGER)"))
        connection.execute(text("CREATE SCHEMA other"))
        connection.execute(text("CREATE TABLE other.customer (id INTEGER)"))
    assert told(live_conflicts(customers(), engine)) == set()
    reaching = create_engine(postgres_database, connect_args={"options": "-c search_path=other,public"})
    findings = list(live_conflicts(customers(), reaching))
    assert (told(findings), findings[0].facts) == ({("AMN-D045", "customer")}, {"schema": "public"})
    engine.dispose()
    reaching.dispose()


@pytest.mark.parametrize("how", ["UNIQUE ON CONFLICT REPLACE", "unique on  conflict\nreplace"])
def test_a_table_whose_conflicts_delete_rows_is_an_error(sqlite_database, how):
    """However it was written; other ways to resolve a conflict are none."""
    engine = create_engine(sqlite_database)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE calm (id INTEGER UNIQUE ON CONFLICT IGNORE)"))
        connection.execute(text(f"CREATE TABLE customer (id INTEGER {how})"))
    assert told(live_conflicts(customers(), engine)) == {("AMN-D046", "customer")}
    engine.dispose()


def a_trigger(engine, state):
    """One of the name that the migrations give."""
    name = trigger_name("customer", "phone", state)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text(f"CREATE TRIGGER {name} AFTER UPDATE ON customer BEGIN SELECT 1; END"))
            return
        body = "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        connection.execute(text(body))
        make = f"CREATE TRIGGER {name} BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION nothing()"
        connection.execute(text(make))


@pytest.mark.parametrize(
    "step, state, expected",
    [
        ("write_both", "lenient", {"AMN-D044"}),
        ("write_both", "strict", {"AMN-D044"}),
        ("write_both", None, {"AMN-D043", "AMN-D044"}),
        ("write_both", "released", {"AMN-D043", "AMN-D044"}),
        ("read_sealed", "lenient", {"AMN-D043", "AMN-D044"}),
        ("read_sealed", "strict", {"AMN-D044"}),
        ("read_sealed", "released", {"AMN-D044"}),
        ("sealed_only", "strict", {"AMN-D043"}),
        ("sealed_only", "released", set()),
    ],
)
def test_a_live_column_has_its_database_at_its_step(database_url, step, state, expected):
    """Triggers of its own step or of the next; and the rows that are stored in plain only are counted."""
    engine = create_engine(database_url)
    blob = "BYTEA" if engine.dialect.name == "postgresql" else "BLOB"
    columns = f"tenant_id VARCHAR(64), id INTEGER, phone VARCHAR(20), phone_sealed {blob}, PRIMARY KEY (tenant_id, id)"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE customer ({columns})"))
        connection.execute(text("INSERT INTO customer (tenant_id, id, phone) VALUES ('a', 1, '0812'), ('a', 2, NULL)"))
    if state is not None:
        a_trigger(engine, state)
    metadata = MetaData()
    key = [Column("tenant_id", String(64), primary_key=True), Column("id", Integer, primary_key=True)]
    Table("customer", metadata, *key, Column("phone", String(20)))
    live = Personal(category="user.contact.phone_number", sealing=step)
    register = build(metadata, [declare("customer", columns={"phone": live})], "tenant_id")
    findings = list(live_steps(register, engine))
    assert told(findings) == {(one, "customer.phone") for one in expected}
    assert {one.facts["count"] for one in findings if one.id == "AMN-D044"} <= {"1"}
    engine.dispose()


def test_a_column_whose_plain_one_is_gone_needs_no_triggers(database_url):
    """The last step is over."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        kind = "BYTEA" if engine.dialect.name == "postgresql" else "BLOB"
        connection.execute(text(f"CREATE TABLE customer (tenant_id VARCHAR(64), id INTEGER, phone_sealed {kind})"))
    metadata = MetaData()
    key = [Column("tenant_id", String(64), primary_key=True), Column("id", Integer, primary_key=True)]
    Table("customer", metadata, *key, Column("phone", String(20)))
    live = Personal(category="user.contact.phone_number", sealing="sealed_only")
    register = build(metadata, [declare("customer", columns={"phone": live})], "tenant_id")
    assert list(live_steps(register, engine)) == []
    engine.dispose()
