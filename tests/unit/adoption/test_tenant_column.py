"""`op.add_tenant_column` and its way back, on tables that have rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Integer, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

import amanah.operations  # noqa: F401 - gives op the steps
from amanah.adoption.alembic_tenant_column import TenantColumnStep
from amanah.errors import ConfigurationError, RowsWithoutValue

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = (
    "CREATE TABLE buyer (id INTEGER PRIMARY KEY, company INTEGER NOT NULL)",
    "CREATE TABLE sale (id INTEGER PRIMARY KEY, buyer_id INTEGER, title VARCHAR(20) NOT NULL DEFAULT 'x')",
    "CREATE INDEX ix_title ON sale (title)",
    "INSERT INTO buyer VALUES (1, 10), (2, 20)",
    "INSERT INTO sale (id, buyer_id) VALUES (1, 1), (2, 2), (3, 2)",
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    """Buyers of two companies, and sales to them."""
    engine = create_engine(database_url)
    with engine.begin() as made:
        for sql in TABLES:
            made.exec_driver_sql(sql)
    with engine.connect() as made:
        yield made
    engine.dispose()


def op(connection: Any) -> Any:
    """What a migration calls so."""
    return Operations(MigrationContext.configure(connection))


def test_all_rows_are_one_tenants(connection: Any) -> None:
    """The column is filled, demanded, without default, and leads an index; the way back takes it all away."""
    op(connection).add_tenant_column("sale", "tenant_id", fill="sinar-jaya")
    assert connection.execute(text("SELECT DISTINCT tenant_id FROM sale")).scalars().all() == ["sinar-jaya"]
    column = next(one for one in inspect(connection).get_columns("sale") if one["name"] == "tenant_id")
    assert (column["nullable"], column["default"], column["type"].length) == (False, None, 64)
    assert {one["name"]: one["column_names"] for one in inspect(connection).get_indexes("sale")} == {
        "ix_title": ["title"],
        "ix_amanah_sale": ["tenant_id"],
    }
    savepoint = connection.begin_nested()
    with pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO sale (id) VALUES (9)"))
    savepoint.rollback()
    op(connection).drop_tenant_column("sale", "tenant_id", fill="sinar-jaya")
    assert {one["name"] for one in inspect(connection).get_columns("sale")} == {"id", "buyer_id", "title"}
    assert [one["name"] for one in inspect(connection).get_indexes("sale")] == ["ix_title"]
    assert connection.execute(text("SELECT count(*) FROM sale")).scalar() == 3


def test_each_row_is_its_parents_tenants(connection: Any) -> None:
    """In the parent's own type."""
    op(connection).add_tenant_column("sale", "company", Integer(), parent="buyer_id=buyer.id")
    assert connection.execute(text("SELECT company FROM sale ORDER BY id")).scalars().all() == [10, 20, 20]


def test_a_row_without_parent_stops_it(connection: Any) -> None:
    """It would be nobody's."""
    connection.execute(text("INSERT INTO sale (id, buyer_id) VALUES (4, NULL)"))
    with pytest.raises(RowsWithoutValue, match=r"1 rows of sale\.company"):
        op(connection).add_tenant_column("sale", "company", Integer(), parent="buyer_id=buyer.id")


@pytest.mark.parametrize("wrong", [{}, {"fill": "a", "parent": "x=y.z"}, {"parent": "buyer_id"}])
def test_arguments_that_do_not_say_whose_rows_they_are(connection: Any, wrong: dict[str, Any]) -> None:
    """Exactly one of the two, and the way to the parent."""
    with pytest.raises(ConfigurationError, match="add_tenant_column of sale"):
        op(connection).add_tenant_column("sale", "company", **wrong)


def test_a_migration_says_it_and_its_way_back() -> None:
    """As somebody would write it."""
    context = AutogenContext(
        MigrationContext.configure(dialect_name="sqlite"),
        opts={"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None},
    )
    context.imports = set()
    step = TenantColumnStep("sale", "company", Integer(), None, "buyer_id=buyer.id", back=False)
    said = 'op.add_tenant_column("sale", "company", type_=sa.Integer(), parent="buyer_id=buyer.id")'
    assert (
        str(renderers.dispatch(step)(context, step))
        .replace("\n    ", "")
        .replace(",\n)", ")")
        .replace(",", ", ")
        .replace(",  ", ", ")
        == said
    )
    assert "op.drop_tenant_column(" in str(renderers.dispatch(step)(context, step.reverse()))
