"""Raw SQL in any spelling, with the database itself as the judge of what it reads.

A statement that a bare connection answers with protected values is one that the guard has to refuse, whatever it looks
like. sqlglot, a parser of somebody else's, is a second reader: what it takes for a relation, so do we.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlglot import exp

from amanah.errors import DeclarationError, RawSqlRefused
from amanah.middleware.raw import check_raw
from amanah.middleware.report_text import read_report
from amanah.middleware.sql_relations import relations
from amanah.middleware.sql_words import readings

NOISE = [
    " ",
    "\n",
    "\t",
    "/**/",
    "/* ' */",
    "/* /* */ ' */",
    "-- x\n",
    "--'\n",
    "-- \r",
    '/* " */',
    " /*/ */ ",
    "/*--*/\n",
]
HIDING = [
    "'--'",
    "$$'$$",
    "E'\\''",
    "'\\'",
    "$a$ ' $$ $a$",
    '"id"',
    "'/*'",
    "$$--$$",
    "1.0",
    "1",
    "''''",
    "'a' 'b'",
    "e'\\\\'",
]
HIDING += ["array['']", "(array[1,2])[1]", "'$$'", "`id`", "[id]", "x'00'", "N'\\'", "1e1", "%(')s", "'%s'", "null"]
TAILS = [
    "",
    "where 'a' = 'a'",
    "where '''' = ''''",
    "/* ' */",
    "--'",
    "where $$a$$ = 'a'",
    "order by 1 -- ]",
    "limit 9 /* $$ */",
]
NAMES = [
    "",
    "c",
    "as c",
    "set",
    "as set",
    "values",
    "as values",
    "for",
    "as for",
    "fetch",
    "as fetch",
    "offset",
    "window",
]
NAMES += [
    "as returning",
    "of",
    "as only",
    "as if",
    "as do",
    "skip",
    "as lateral",
    "c (a)",
    "as set (a)",
    "tablesample system (9)",
]
SPELLED = [
    "{}",
    '"{}"',
    "[{}]",
    "`{}`",
    "'{}'",
    "main.{}",
    'public."{}"',
    '"public".{}',
    "public . {}",
    "only {}",
    "({})",
]
SPELLED += ["only ({})", "main.'{}'", 'U&"{}"', "{} *", "pg_temp.{}"]
SHAPES = [
    "select {h}, note from {v} {t}",
    "select {h}, note from country {a}, {v} {t}",
    "select {h}, note from country {a} cross join {v} {t}",
    "select {h}, note from country {a} join {v} on (1 = 1) {t}",
    "select note from country {a} join country d on d.code = {h}, {v} {t}",
    "select {h} from country where code = 'a' union select note from {v} {t}",
    "select {h}, (select max(note) from {v}) {t}",
    "select array[(select max(note) from {v})] {t}",
    "select note from country, lateral (select {h}) x, {v} {t}",
    "select note from (values ({h})) x, {v} {t}",
    "select note from (select {h}) x, {v} {t}",
    "select note from (country {a} cross join {v}) {t}",
    "select note from (country, {v}) {t}",
    "with x as (with customer_view as (select {h} as b) select b from customer_view) select note from {v}, x {t}",
    "with customer_view as (select note from {v}) select note from customer_view {t}",
    "with CUSTOMER_VIEW as (select {h}) select note from {v} {t}",
    'with "CUSTOMER_VIEW" as (select {h}) select note from {v} {t}',
    "with recursive x as (select {h}), customer_view as (select note from {v}) select note from customer_view {t}",
    "with x as (with recursive y as (select 1) select {h}), c as (select note from {v}) select note from c {t}",
    "with of as (select {h} as b) select note from of, {v} {t}",
    "with set as (select {h} as b) select note from set, {v} {t}",
    "with skip (b) as materialized (select {h}) select note from skip, {v} {t}",
    "with x as not materialized (select {h}) select note from x, {v} {t}",
    'with c as (select 1 as "where", 2 as "group") select note from country join c on c.where = c.group - 1, {v} {t}',
    "select note, sum(1) over customer_view from {v} window customer_view as (partition by {h}) {t}",
    "select {h}, note from country as x(customer_view), {v} {t}",
    "table {v} {t}",
    "select {h}; select note from {v} {t}",
    "select extract(year from now()), note from {v} {t}",
    "select substring('abc' from 1 for 2), note from country {a}, {v} {t}",
    "select 1 is distinct from 2, note from {v} {t}",
    "select 1from {v} {t}",
    "select note as from from {v} {t}",
    "select {h} as where, note from country {a}, {v} {t}",
    "select note from country natural join {v} {t}",
    "select count(*) filter (where 1 = 1), max(note) from country {a}, {v} {t}",
    "explain select note from {v}",
]


@st.composite
def statements(draw: st.DrawFn) -> str:
    """One of the shapes, its blanks filled in and spelled somehow."""
    shape = draw(st.sampled_from(SHAPES))
    target = draw(st.sampled_from(["customer_view", "customer_view", "customer", "CUSTOMER_view", "Customer"]))
    spelled = draw(st.sampled_from(["{}", *SPELLED])).format(target)
    filled = shape.replace("{v}", spelled).replace("{h}", draw(st.sampled_from(HIDING)))
    filled = filled.replace("{a}", draw(st.sampled_from(NAMES))).replace("{t}", draw(st.sampled_from(TAILS)))
    if draw(st.booleans()):
        return filled
    spaces = [draw(st.sampled_from(NOISE)) for _ in range(filled.count(" "))]
    parts = filled.split(" ")
    return parts[0] + "".join(space + part for space, part in zip(spaces, parts[1:], strict=True))


def _told(connection: Any, sql: str) -> bool:
    """Whether the database answers with a note of a customer."""
    driver = connection.connection.driver_connection
    found = False
    for parameters in ((), ({"'": "x"},)):
        with suppress(Exception):
            cursor = driver.cursor()
            cursor.execute(sql, *parameters)
            while True:
                found = found or "theirs" in str(cursor.fetchall())
                if not hasattr(cursor, "nextset") or not cursor.nextset():
                    break
        driver.rollback()
    return found


def _refused(books: Any, sql: str) -> bool:
    try:
        check_raw(books.guard.register, sql, books.engine.dialect.name, fragment=False)
    except RawSqlRefused:
        return True
    return False


def test_what_shows_a_protected_value_is_refused(books: Any) -> None:
    """Comments that nest or do not, quotes of every kind, dollars, escapes, aliases like keywords, names in the way."""
    books.stored("CREATE VIEW customer_view AS SELECT * FROM customer")
    books.stored("INSERT INTO country (code, called) VALUES ('a', 'x')")

    with books.plain.connect() as connection:
        told = [0]

        @settings(max_examples=600)
        @given(statements())
        def judged(sql: str) -> None:
            if _told(connection, sql):
                told[0] += 1
                assert _refused(books, sql), sql

        judged()
        assert told[0] > 5
        for sql in ("select note from customer_view", "select 1, note from country c, customer_view where 'a' = 'a'"):
            assert _told(connection, sql)


def test_a_declared_report_shows_the_own_tenant_only(books: Any) -> None:
    """What can be declared at all is carried out behind the wall, however it is spelled."""
    books.stored("CREATE VIEW customer_view AS SELECT * FROM customer")
    books.stored("INSERT INTO country (code, called) VALUES ('a', 'x')")
    dialect = books.engine.dialect
    plain = create_engine(books.url)

    with books.access(), plain.connect() as connection:

        @settings(max_examples=400)
        @given(statements())
        def judged(sql: str) -> None:
            try:
                report = read_report(books.guard.register, "r", sql, {}, dialect.name)
            except DeclarationError:
                return
            assert not _told(connection, report.walled(dialect)), sql

        judged()
        report = read_report(books.guard.register, "r", "select c.note from customer c", {}, dialect.name)
        cursor = connection.connection.driver_connection.cursor()
        assert "second" in str(cursor.execute(report.walled(dialect)).fetchall())
    plain.dispose()


@settings(max_examples=200)
@given(statements(), st.sampled_from(["postgresql", "sqlite"]))
def test_a_parser_of_somebody_elses_finds_no_other_relation(sql: str, dialect: str) -> None:
    """Every table that sqlglot finds is found; whether it is a common table expression's is ours to say."""
    try:
        trees = sqlglot.parse(sql, read={"postgresql": "postgres"}.get(dialect, dialect))
    except sqlglot.errors.SqlglotError:
        return
    named = {table.name.lower() for tree in trees if tree is not None for table in tree.find_all(exp.Table)}
    found = {one.name.lower() for read in readings(sql, dialect) for one in relations(read.words, dialect)}
    assert named & {"customer", "customer_view", "country"} <= found, sql
