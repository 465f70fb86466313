"""Attack: spell raw SQL so that the guard reads something else than the database does.

Each statement reads a view over a protected table, which nobody declared; a bare connection proves that it does.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from amanah.errors import RawSqlRefused
from amanah.middleware.raw import check_raw

BOTH = {
    "a comment in a string": "select '--', note from customer_view",
    "the end of a comment in a string": "select '/*', note from customer_view where '*/' = '*/'",
    "an alias like a keyword": "select note from country as {alias}, customer_view",
    "a column like a keyword": 'with c as (select 1 as "where", 2 as "group") select note from country '
    "join c on c.{dotted} = 1, customer_view",
    "a name inside another with": "with x as (with customer_view as (select 1 as b) select b from customer_view) "
    "select note from customer_view, x",
    "the name of a window": "select note, sum(1) over customer_view from customer_view "
    "window customer_view as (partition by code)",
    "a name with a schema": "with customer_view as (select 1) select note from {schema}.customer_view",
    "a list like a keyword": 'with "set" as (select 1 as b) select note from "set", customer_view',
}
ONLY = {
    "postgresql": {
        "comments that nest": "select note /* /* */ ' */ from customer_view where 'a' = 'a'",
        "a carriage return ends a comment": "select note -- \rfrom customer_view",
        "dollars": "select $$'$$, note from customer_view where 'a' = 'a'",
        "dollars with a name": "select $q$ $$ ' $q$, note from customer_view where 'a' = 'a'",
        "a backslash in an escaped string": "select E'\\'', note from customer_view where 'a' = 'a'",
        "an array": "select array[(select max(note) from customer_view)]",
        "its own body": "with customer_view as (select note from customer_view) select note from customer_view",
        "its own body after a recursive one": "with x as (with recursive y as (select 1) select 1 from y), "
        "customer_view as (select note from customer_view) select note from customer_view",
        "another case": 'with "CUSTOMER_VIEW" as (select 1) select note from customer_view',
        "behind LATERAL": "select note from country, lateral (select 1) x, customer_view",
        "an unquoted list like a keyword": "with set as (select 1 as b) select note from set, customer_view",
        "VALUES as an alias": "select note from country values, customer_view",
        "TABLE": "table customer_view",
        "the next statement": "select '--'; select note from customer_view",
    },
    "sqlite": {
        "comments that do not nest": "select note /* /* */ from customer_view /* */",
        "a string for a name": "select note from 'customer_view'",
        "brackets": "select ']', note from [customer_view]",
        "a quote in brackets": "select 1 as ['], note from customer_view where 'a' = 'a'",
        "backticks": "select '`', note from `customer_view`",
        "a quote in backticks": "select 1 as `'`, note from customer_view where 'a' = 'a'",
        "a list in parentheses": "select note from (country, customer_view)",
        "FOR as an alias": "select note from country for, customer_view",
        "FETCH as an alias": "select note from country fetch, customer_view",
    },
}


@pytest.fixture
def shown(books: Any) -> Any:
    """`books` with a view over the customers, and one country so that joins with it give rows."""
    books.stored("CREATE VIEW customer_view AS SELECT customer.*, 'x' AS code FROM customer")
    books.stored("INSERT INTO country (code, called) VALUES ('a', 'x')")
    return books


def test_no_spelling_hides_a_relation(shown: Any) -> None:
    """Comments, quotes, escapes, aliases and common table expressions, as each database understands them."""
    dialect = shown.engine.dialect.name
    words = {
        "postgresql": {"alias": "set", "schema": "public", "dotted": "where"},
        "sqlite": {"alias": "offset", "schema": "main", "dotted": '"where"'},
    }[dialect]
    with shown.plain.connect() as connection:
        for name, attack in (BOTH | ONLY[dialect]).items():
            sql = attack.format(**words)
            cursor = connection.connection.driver_connection.cursor()
            cursor.execute(sql)
            while hasattr(cursor, "nextset") and cursor.nextset():
                pass
            assert "theirs" in str(cursor.fetchall()), name
            connection.rollback()
            shown.refuses(RawSqlRefused, name, check_raw, shown.guard.register, sql, dialect, fragment=False)


def test_a_backslash_may_mean_either(shown: Any) -> None:
    """What one in a plain string is depends on a setting of PostgreSQL's: it is read both ways."""
    if "sqlite" in shown.url:
        pytest.skip("SQLite has no such setting")
    sql = "select '\\'', note from customer_view where 'a' = 'a'"
    with shown.plain.connect() as connection:
        connection.exec_driver_sql("set local standard_conforming_strings = off")
        assert "theirs" in str(connection.exec_driver_sql(sql).all())
    with shown.session() as session:
        shown.refuses(RawSqlRefused, sql, session.connection().exec_driver_sql, sql)


def test_a_drivers_placeholder_hides_nothing(shown: Any) -> None:
    """The driver puts a parameter in its place, whatever stands in its parentheses."""
    if "sqlite" in shown.url:
        pytest.skip("sqlite3 has placeholders of SQLite's own")
    sql = "select %(')s, note from customer_view where 'a' = 'a'"
    with shown.plain.connect() as connection:
        assert "theirs" in str(connection.connection.driver_connection.execute(sql, {"'": "x"}).fetchall())
    with shown.session() as session:
        shown.refuses(RawSqlRefused, sql, session.connection().exec_driver_sql, sql, {"'": "x"})


def test_no_comment_hides_the_end_of_a_transaction(shown: Any) -> None:
    """Nor code that is carried out later, another role, or a table under another name."""
    attacks = ["select '--'; commit", "select '/*'; rollback; select '*/'"]
    if "postgresql" in shown.url:
        attacks += [
            "select $$'$$; commit; select 'a'",
            "create function f() returns text language plpgsql as $$ begin execute 'select 1'; end $$",
            "create or replace procedure p() language sql as 'select 1'",
            "set local role postgres",
            "reset role",
            "set session authorization postgres",
            "explain analyze execute prepared",
            "select * from pg_toast.pg_toast_1234",
            "select * from pg_temp.customer_view",
        ]
    else:
        attacks += ["vacuum into 'copy.db'", "pragma writable_schema = 1", "select sample from sqlite_stat4"]
    with shown.session() as session:
        for attack in attacks:
            shown.refuses(RawSqlRefused, attack, session.execute, text(attack.replace(":", r"\:")))
            shown.refuses(RawSqlRefused, attack, session.connection().exec_driver_sql, attack)


def test_what_is_spelled_plainly_is_served(shown: Any) -> None:
    """Quotes, comments and common table expressions of an application that hides nothing."""
    plain = [
        "select '--' from country -- all of them",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select max(n) from r",
        "with a as (select code from country), b as (select code from a) select b.code from a, b where a.code = b.code",
        "select /* why */ c.code, upper('it''s; from here') from country c order by 1, 2",
        'select "code" from "country" where code in (select code from country)',
    ]
    if "postgresql" in shown.url:
        plain += [
            "select E'it\\'s from me', $$from ' you$$ from country",
            "with a as not materialized (select code from country) select extract(year from now()) from a",
            "select array[1, 2], (array['a', 'b'])[1] from country for update of country",
            "select c.code is distinct from 'x' from country c, lateral (select c.code) d",
        ]
    with shown.session() as session:
        for sql in plain:
            session.execute(text(sql)).all()
            session.connection().exec_driver_sql(sql).all()
