"""``amanah seal-rows``."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from sqlalchemy import text

APP = '''"""An application of this test's own."""
from pathlib import Path
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from amanah import Guard, declare

URL = {url!r}
STATE = Path(__file__).parent / "state"

def guard():
    metadata = MetaData()
    Table(
        "payment", metadata,
        Column("tenant_id", String(64), primary_key=True), Column("id", String(36), primary_key=True),
        Column("amount", Integer),
    )
    return Guard.development(
        metadata=metadata, engine=create_engine(URL), identify=lambda _: None, state=STATE, routes=[],
        declarations=[declare("payment", sealed_rows=["amount"])],
    )
'''


@pytest.fixture
def shop(small_office: Any) -> Any:
    """An office with three payments that nobody sealed."""
    office = small_office
    (office.folder / f"{office.module}.py").write_text(APP.format(url=office.url), "utf-8")
    sys.modules.pop(office.module, None)
    office.with_tenant().make_tables()
    _sql(office, *(f"INSERT INTO payment VALUES ('toko-a', '{n}', {n}, NULL)" for n in range(3)))
    return office


def _sql(office: Any, *statements: str) -> None:
    guard = office.guard()
    with guard.engine.begin() as connection:
        for one in statements:
            connection.execute(text(one))
    guard.close()


def test_an_operator_seals_what_is_there_and_accepts_a_row(shop: Any) -> None:
    """What was done is told, for people and machines; what is wrong ends with 1, what was not done with 2."""
    result = shop.run("seal-rows")
    assert (result.exit_code, result.output.strip()) == (0, "payment: 3 rows sealed.")
    _sql(shop, "UPDATE payment SET amanah_seal = NULL WHERE id = '1'")
    assert shop.run("seal-rows", "payment").exit_code == 2
    result = shop.run("seal-rows", "payment", "--again", "--json")
    assert json.loads(result.output) == [{"table": "payment", "done": 1, "broken": [], "without_keys": {}}]
    result = shop.run("seal-rows", "payment", "--tenant", "toko-a", "--accept", "2")
    assert (result.exit_code, result.output.strip()) == (0, "payment: the row 2 is sealed as it now is.")
    assert shop.run("seal-rows", "payment", "--tenant", "toko-a", "--accept", "9").exit_code == 1
    assert shop.run("seal-rows", "payment", "--accept", "2").exit_code == 2
    assert shop.run("seal-rows", "customer").exit_code == 2
