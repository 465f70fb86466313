"""Attack: let the database put a row of one's own in the place of another tenant's."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, text, update

from amanah.errors import SealedWriteRefused


def test_no_row_takes_the_place_of_another_tenants(shop: Any) -> None:
    """SQLite's OR REPLACE deletes what has the key already, whoever owns it: refused in any spelling, on any table."""
    if "postgresql" in shop.url:
        pytest.skip("PostgreSQL has no OR REPLACE")
    m = shop.m
    before = [shop.stored('SELECT * FROM "order"'), shop.stored("SELECT * FROM line")]
    (their_line,) = shop.stored("SELECT id FROM line WHERE product = 'gold'")[0]
    for prefix in ("OR REPLACE", "or  replace", "OR/**/REPLACE", text("OR REPLACE"), "OR ROLLBACK"):
        for statement in (
            insert(m.Order).values(id=20, number="x"),
            insert(m.Line).values(id=their_line, order_id=10, product="x"),
            update(m.Order).where(m.Order.id == 10).values(id=20),
        ):
            with shop.session("1") as session, pytest.raises(SealedWriteRefused):
                session.execute(statement.prefix_with(prefix))
    assert [shop.stored('SELECT * FROM "order"'), shop.stored("SELECT * FROM line")] == before
    with shop.session("1") as session:
        session.execute(insert(m.Order).values(id=20, number="x").prefix_with("OR IGNORE"))
        session.commit()
    assert [shop.stored('SELECT * FROM "order"'), shop.stored("SELECT * FROM line")] == before
