"""Attack: smuggle SQL past the compiler as text."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import DDL, Table, column, extract, func, inspect, literal_column, select, table, text

from amanah.errors import RawSqlRefused, TableUndeclared

WHOLE = (
    "SELECT * FROM customer",
    'select 1 from "CUSTOMER"',
    "delete from\ninvoice",
    "SELECT 1; DROP TABLE invoice",
    "/* x */ select * from/**/customer",
    "select * from customer_view",
    "select * from country, customer_view",
    "select * from (customer_view)",
    "select * from country cross join customer_view v",
    "with x as (select * from customer_view) select * from x",
    "COMMIT",
    "select 1; commit",
    "/* a */ ROLLBACK",
    "END",
    "PREPARE TRANSACTION 'x'",
    "DO $$ BEGIN EXECUTE 'select * from cust' || 'omer'; END $$",
    "select query_to_xml('select * from cust' || 'omer', true, true, '')",
    "copy (select 1) to program 'cat'",
    'select * from U&"\\0063ustomer"',
    "select body from amanah_staged",
    "select most_common_vals from pg_stats",
    "update loose set id = 1",
)
HARMLESS = (
    "SELECT 1",
    "select count(*) from country",
    "select 1 + 1",
    "with c as (select code from country) select * from c",
    "select c.code from country as c where c.code in (select code from country) order by 1",
)


def test_raw_statements_that_name_something_protected_are_refused(books: Any) -> None:
    """As text() and straight to the driver; with comments, quotes, other case; views and transaction control too."""
    with books.session() as session:
        for statement in WHOLE:
            for attack in (
                lambda: session.execute(text(statement)),  # noqa: B023
                lambda: session.connection().exec_driver_sql(statement),  # noqa: B023
                lambda: session.execute(text(statement).columns(column("id"))),  # noqa: B023
                lambda: session.execute(DDL(statement.replace("%", "%%"))),  # noqa: B023
            ):
                books.refuses(RawSqlRefused, statement, attack)
        for statement in HARMLESS:
            session.execute(text(statement))
            session.connection().exec_driver_sql(statement)


def test_raw_pieces_inside_a_statement_are_refused(books: Any) -> None:
    """text(), literal_column(), hints, prefixes, operators and functions that would name a column or run a string."""
    m = books.m
    c = m.Customer
    pieces = {
        "star": select(text("*")).select_from(c),
        "column": select(literal_column("city")).select_from(c),
        "where": select(c.id).where(text("city = 'Surabaya'")),
        "order": select(c.id).order_by(text("religion")),
        "exists": select(c.id).where(text("exists (select 1 from invoice)")),
        "statement hint": select(c.id).with_statement_hint("UNION ALL SELECT city FROM customer"),
        "prefix": select(c.id).prefix_with("city,"),
        "operator": select(c.note.op("|| city ||")("x")).select_from(c),
        "extract": select(extract("year from now()) || (city", c.note)),
        "function": select(func.query_to_xml("select * from customer", True, True, "")).select_from(c),
        "unknown view": select(literal_column("1")).where(text("exists (select 1 from customer_view)")),
        "tableless column": select(column("city")).select_from(c),
    }
    with books.session() as session:
        for name, statement in pieces.items():
            books.refuses(RawSqlRefused, name, session.execute, statement)


def test_a_view_over_a_protected_table_is_refused(books: Any) -> None:
    """A relation that nobody declared could show anything; asked as a Table it is refused like an undeclared table."""
    books.stored("CREATE VIEW customer_view AS SELECT * FROM customer")
    try:
        with books.session() as session:
            for view in (
                table("customer_view", column("id")),
                Table("customer_view", books.m.Base.metadata.__class__()),
            ):
                with pytest.raises(TableUndeclared):
                    session.execute(select(text("1")).select_from(view))
    finally:
        books.stored("DROP VIEW customer_view")


def test_the_whole_row_cannot_be_taken_by_its_name(books: Any) -> None:
    """PostgreSQL reads the name of a FROM as the row itself: every governed column, unseen."""
    m = books.m
    named = m.Customer.__table__.alias("zz")
    inner = select(m.Customer.__table__.c.tenant_id, m.Customer.__table__.c.id, m.Customer.__table__.c.city).subquery(
        "qq"
    )
    with books.session(actor="masker") as session:
        for statement in (
            select(func.row_to_json(column("zz"))).select_from(named),
            select(func.row_to_json(column("qq"))).select_from(inner),
            select(func.row_to_json(column("customer"))).select_from(m.Customer),
            select(func.row_to_json(m.Customer.__table__.table_valued())),
            select(text("row_to_json(zz)")).select_from(named),
            select(literal_column("zz::text")).select_from(named),
        ):
            books.refuses(RawSqlRefused, str(statement), session.execute, statement)


def test_reflection_still_works(books: Any) -> None:
    """Looking at the schema is no access to rows."""
    found = inspect(books.engine)
    assert {"customer", "invoice"} <= set(found.get_table_names())
    assert "phone_ix" in {c["name"] for c in found.get_columns("customer")}
    assert found.get_pk_constraint("customer")["constrained_columns"] == ["tenant_id", "id"]
    assert found.get_foreign_keys("invoice")
    found.get_indexes("customer")
    found.get_unique_constraints("customer")
