"""Attack: write a protected table by a Table object that the declarations have never seen."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Column, MetaData, String, Table, func, insert, select

from amanah.errors import AmanahError, FieldWithheld, Forbidden, SealedWriteRefused, TenantCrossed

FRAME = pd.DataFrame({"id": ["c9"], "name": ["Wati"], "phone": ["0899 3456 7890"], "city": ["Solo"]})


def test_a_frame_is_written_as_by_the_declared_table(books: Any) -> None:
    """A frame comes with a Table of its own: the rows are the access's tenant's, sealed, findable and on record."""
    with books.access():
        FRAME.to_sql("customer", books.engine, if_exists="append", index=False)
    ((tenant, name, token),) = books.stored("SELECT tenant_id, name, phone_ix FROM customer WHERE id = 'c9'")
    assert tenant == "a"
    assert b"Wati" not in bytes(name)
    assert token is not None
    assert books.changes("a")[-1]["resource"] == "customer"
    m = books.m
    with books.session() as session:
        found = session.scalars(select(m.Customer).where(m.Customer.phone == "+62 899 3456 7890")).one()
        assert (found.id, found.name, found.city) == ("c9", "Wati", "Solo")


def test_a_frame_of_another_tenant_is_stopped(books: Any) -> None:
    """Who writes the tenant's column into the frame meets the same wall as everybody."""
    before = books.stored("SELECT count(*) FROM customer")
    for frame, error in ((FRAME.assign(tenant_id="b"), TenantCrossed), (FRAME.assign(tenant_id=""), TenantCrossed)):
        with books.access(), pytest.raises(error):
            frame.to_sql("customer", books.engine, if_exists="append", index=False)
    with books.access(actor="viewer"), pytest.raises((Forbidden, FieldWithheld)):
        FRAME.to_sql("customer", books.engine, if_exists="append", index=False)
    with pytest.raises(AmanahError):
        FRAME.to_sql("customer", books.engine, if_exists="append", index=False)
    assert books.stored("SELECT count(*) FROM customer") == before


def _strange(**options: Any) -> Table:
    phone = Column("phone", String, **options)
    return Table(
        "customer", MetaData(), Column("tenant_id", String), Column("id", String), Column("name", String), phone
    )


ROW = {"tenant_id": "a", "id": "c9", "name": "Wati", "phone": "0812"}


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (insert(_strange(key="note")), {"id": "c9", "name": "Wati", "note": "0812"}),
        (insert(_strange(default="0812")), {"id": "c9", "name": "Wati"}),
        (insert(_strange(server_default="0812")), {"id": "c9", "name": "Wati"}),
        (insert(_strange()).values(name=func.lower("WATI")), {"id": "c9"}),
        (insert(_strange()).values(ROW), None),
        (insert(_strange()).values([ROW]), None),
        (insert(_strange()).returning(_strange().c.name), ROW),
        (insert(_strange()).prefix_with("OR REPLACE"), ROW),
        (insert(_strange()).from_select(["id", "name"], select(_strange().c.id, _strange().c.name)), None),
        (insert(_strange().alias()), ROW),
    ],
    ids=["key", "default", "server default", "function", "values", "many", "returning", "replace", "select", "alias"],
)
def test_what_says_more_than_these_rows_is_refused(books: Any, statement: Any, row: Any) -> None:
    """Its columns could be others than they are called, so nothing of it is believed."""
    with books.access(), pytest.raises(SealedWriteRefused), books.engine.begin() as connection:
        connection.execute(statement, row)
    assert books.stored("SELECT count(*) FROM customer WHERE id = 'c9'") == [(0,)]


@pytest.mark.parametrize("column", ["phone_ix", "nothing"])
def test_a_column_that_is_not_the_applications_is_no_way_in(books: Any, column: str) -> None:
    """A frame with a search token of its own, or a column that is not there: refused, and nothing is left out."""
    with books.access(), pytest.raises(SealedWriteRefused):
        FRAME.assign(**{column: "x"}).to_sql("customer", books.engine, if_exists="append", index=False)
    assert books.stored("SELECT count(*) FROM customer WHERE id = 'c9'") == [(0,)]
