"""Declared raw SQL: a report runs inside the walls, and only the report that was declared."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import String, bindparam, text

from amanah.errors import (
    AccessRequired,
    DeclarationError,
    FieldProbed,
    Forbidden,
    RawSqlRefused,
    ReportRefused,
)

SALES = """
    SELECT c.name, c.phone, c.city, COUNT(i.id) AS sheets, SUM(i.total) AS amount
    FROM invoice i
    JOIN customer c ON c.tenant_id = i.tenant_id AND c.id = i.customer_id
    WHERE i.total >= :least
    GROUP BY c.tenant_id, c.id, c.name, c.phone, c.city
    ORDER BY amount DESC
"""
SEALED = {"name": "customer.name", "phone": "customer.phone"}
COLUMNS = {**SEALED, "city": "customer.city"}


@pytest.fixture
def reports(books: Any) -> Any:
    """Two customers with an invoice each in ``a``, one in ``b``; the report is declared."""
    m = books.m
    with books.session("b") as session:
        tono = session.query(m.Customer).one()
        session.add(m.Invoice(customer_id=tono.id, total=999))
        session.commit()
    books.guard.declared_sql("sales", SALES, COLUMNS)
    return books


def test_a_declared_report_opens_its_values_and_stays_in_its_tenant(reports: Any) -> None:
    """Names and numbers in clear, of the access's tenant only, though the text names no tenant."""
    with reports.session("a") as session:
        rows = session.execute(text(SALES), {"least": 0}).mappings().all()
    assert {row["name"] for row in rows} == {"Budi Santoso", "Siti Aminah"}
    assert all(row["phone"] is None or row["phone"].startswith(("0812", "+62", "08")) for row in rows)
    assert 999 not in {row["amount"] for row in rows}
    with reports.session("b") as session:
        assert [row.amount for row in session.execute(text(SALES), {"least": 901})] == [999]


def test_what_a_report_showed_is_noted(reports: Any) -> None:
    """Sealed cells row by row, governed columns by name."""
    with reports.access() as access, reports.engine.connect() as connection:
        connection.execute(text(SALES), {"least": 0}).all()
        noted = access.notes.drain()
    rows = {row for what in noted if "phone" in what.columns for row in what.rows}
    assert rows == {"budi", "siti"}
    assert any(what.columns == ("city",) and not what.rows for what in noted)
    assert {what.resource for what in noted} == {"customer", "invoice"}


def test_a_text_that_differs_is_raw_sql_as_ever(reports: Any) -> None:
    """One word more, and nobody knows what it shows."""
    with reports.session() as session, pytest.raises(RawSqlRefused):
        session.execute(text(SALES + " LIMIT 1"), {"least": 0})


def test_blanks_and_the_types_of_parameters_do_not_matter(reports: Any) -> None:
    """The text is recognised as it is written elsewhere, and its own parameters keep their types."""
    same = " ".join(SALES.split()) + ";"
    statement = text(same).bindparams(bindparam("least", type_=String().with_variant(String(), "sqlite")))
    with reports.session() as session:
        rows = session.execute(text(same), {"least": 0}).all()
    assert len(rows) == 2
    assert statement is not None


def test_a_report_by_driver_sql_is_the_same_report(reports: Any) -> None:
    """``exec_driver_sql`` and what pandas makes of a string: walled, opened and noted."""
    sign = "?" if "sqlite" in reports.url else "%s"
    sql = f"SELECT c.name, c.phone FROM customer c WHERE c.note IS NULL OR c.note <> {sign}"
    reports.guard.declared_sql("list", sql, SEALED)
    with reports.access("a") as access, reports.engine.connect() as connection:
        result = connection.exec_driver_sql(sql, ("nothing",))
        first = result.fetchone()
        rest = [*result.fetchmany(1), *result.fetchall()]
        noted = access.notes.drain()
    assert {row.name for row in [first, *rest]} == {"Budi Santoso", "Siti Aminah"}
    assert {row for what in noted for row in what.rows} == {"budi", "siti"}
    with reports.access("b"), reports.engine.connect() as connection:
        assert [row[0] for row in connection.exec_driver_sql(sql, ("nothing",))] == ["Tono Other"]


@pytest.mark.parametrize("declared", ["?", "%s"])
def test_a_report_runs_with_the_sign_of_its_driver(reports: Any, declared: str) -> None:
    """An application that has both databases writes ``?`` or ``%s``; which of them was declared does not matter."""
    sql = "SELECT c.name, c.phone FROM customer c WHERE c.note IS NULL OR c.note <> {sign} OR c.note = {sign}"
    reports.guard.declared_sql("list", sql.format(sign=declared), SEALED)
    sign = "?" if "sqlite" in reports.url else "%s"
    with reports.access("b"), reports.engine.connect() as connection:
        rows = connection.exec_driver_sql(sql.format(sign=sign), ("nothing", "nothing")).all()
    assert [row[0] for row in rows] == ["Tono Other"]


def test_no_report_without_an_access(reports: Any) -> None:
    """A script that opened none gets nothing, whichever way it asks."""
    sql = "SELECT count(*) AS n FROM customer"
    reports.guard.declared_sql("count", sql)
    with reports.engine.connect() as connection:
        with pytest.raises(AccessRequired):
            connection.execute(text(sql))
        with pytest.raises(AccessRequired):
            connection.exec_driver_sql(sql)


def test_who_may_not_read_the_table_may_not_run_the_report(reports: Any) -> None:
    """The report is a SELECT on its tables and needs what a SELECT needs."""
    sql = "SELECT p.id FROM person p"
    reports.guard.declared_sql("people", sql)
    with reports.guard.engine.begin() as connection:
        for tenant in ("a",):
            reports.guard.policies.add_role(connection, tenant, "nobody")
            reports.guard.directory.add_member(connection, tenant, "nemo")
            reports.guard.directory.grant(connection, tenant, "nemo", "nobody", reason="test", granted_by="owner")
    with reports.access(actor="nemo"), reports.engine.connect() as connection:
        with pytest.raises(Forbidden):
            connection.execute(text(sql))
        with pytest.raises(Forbidden):
            connection.exec_driver_sql(sql)


def test_what_one_may_not_see_is_masked_or_withheld(reports: Any) -> None:
    """A column that stands in the text once is shown as everywhere else."""
    sql = "SELECT c.id, c.phone AS number, c.city AS town, c.name AS who, c.religion AS faith FROM customer c"
    columns = {
        "number": "customer.phone",
        "town": "customer.city",
        "who": "customer.name",
        "faith": "customer.religion",
    }
    reports.guard.declared_sql("shown", sql, columns)
    with reports.access(actor="masker"), reports.engine.connect() as connection:
        rows = {row.id: row for row in connection.execute(text(sql))}
    with reports.access(actor="boss"), reports.engine.connect() as connection:
        clear = {row.id: row for row in connection.execute(text(sql))}
    for key, row in rows.items():
        assert row.who != clear[key].who
        assert row.number is None or row.number != clear[key].number
        assert row.town is None or row.town != clear[key].town
        assert row.faith is None or row.faith != clear[key].faith


def test_a_governed_column_that_chooses_rows_is_for_those_who_see_it(reports: Any) -> None:
    """To order or choose by it is to search it; so is to show it under a second name."""
    for name, sql in (
        ("chosen", "SELECT c.city AS town FROM customer c WHERE c.city LIKE :q"),
        ("ordered", "SELECT c.city AS town FROM customer c ORDER BY c.city"),
        ("twice", "SELECT c.city AS town, upper(c.city) AS loud FROM customer c"),
    ):
        reports.guard.declared_sql(name, sql, {"town": "customer.city"})
        parameters = {"q": "%"} if ":q" in sql else {}
        with reports.access(actor="masker"), reports.engine.connect() as connection, pytest.raises(FieldProbed):
            connection.execute(text(sql), parameters)
        with reports.access(actor="boss"), reports.engine.connect() as connection:
            connection.execute(text(sql), parameters).all()


def test_a_governed_column_that_is_not_declared_is_for_those_who_see_it(reports: Any) -> None:
    """Whatever the result calls it, who may not see it does not get it."""
    sql = "SELECT c.religion || '' AS harmless FROM customer c"
    reports.guard.declared_sql("sly", sql)
    with reports.access(actor="masker"), reports.engine.connect() as connection, pytest.raises(FieldProbed):
        connection.execute(text(sql))


def test_a_result_that_is_not_there_stops_the_report(reports: Any) -> None:
    """Declared for another result column: its values would leave as they are."""
    sql = "SELECT c.name AS who FROM customer c"
    reports.guard.declared_sql("misnamed", sql, {"name": "customer.name"})
    with reports.access(), reports.engine.connect() as connection:
        with pytest.raises(ReportRefused):
            connection.execute(text(sql))
        with pytest.raises(ReportRefused):
            connection.exec_driver_sql(sql)


def test_a_common_table_expression_of_the_report_s_own_is_kept(reports: Any) -> None:
    """A text that begins with WITH gets the walls before its own."""
    sql = "WITH big AS (SELECT i.customer_id AS c FROM invoice i) SELECT count(*) AS n FROM big"
    reports.guard.declared_sql("big", sql)
    with reports.access("a"), reports.engine.connect() as connection:
        assert connection.execute(text(sql)).scalar() == 2
        assert connection.exec_driver_sql(sql).scalar() == 2


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE customer SET note = ''",
        "SELECT 1; DELETE FROM customer",
        "WITH gone AS (DELETE FROM customer RETURNING id) SELECT count(*) AS n FROM gone",
        "WITH RECURSIVE c AS (SELECT id FROM customer) SELECT id FROM c",
        "SELECT * FROM customer",
        "SELECT c.* FROM customer c",
        "SELECT c FROM customer c",
        "SELECT to_json(c) AS j FROM customer c",
        "SELECT i.id, customer FROM invoice i, customer",
        "SELECT c.id FROM main.customer c",
        "SELECT c.id FROM public.customer AS c",
        "WITH customer AS (SELECT id FROM invoice) SELECT id FROM customer",
        "SELECT l.id FROM loose l",
        "SELECT v.id FROM view_over_customer v",
        "SELECT body FROM amanah_entry",
        "SELECT query_to_xml('SELECT 1', true, true, '') FROM country",
        "SELECT id INTO copied FROM customer",
        "SELECT c.name FROM customer c",
        "",
    ],
)
def test_a_text_that_could_reach_past_its_walls_cannot_be_declared(books: Any, sql: str) -> None:
    """Told when the application starts, not when somebody runs it."""
    with pytest.raises(DeclarationError):
        books.guard.declared_sql("bad", sql)
    assert books.guard.register.reports == {}


def test_a_report_is_declared_once_and_for_columns_that_are_there(books: Any) -> None:
    """Two declarations of one text could differ."""
    books.guard.declared_sql("count", "SELECT count(*) AS n FROM customer")
    with pytest.raises(DeclarationError):
        books.guard.declared_sql("again", "select count(*) AS n FROM customer;".replace("select", "SELECT"))
    with pytest.raises(DeclarationError):
        books.guard.declared_sql("other", "SELECT i.total FROM invoice i", {"total": "invoice.total"})
