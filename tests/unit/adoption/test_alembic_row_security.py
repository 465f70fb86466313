"""`op.enable_row_security` and its way back: what they do to the database, and how a migration says them."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Integer, create_engine, text
from sqlalchemy.exc import DBAPIError

import amanah.operations  # noqa: F401 - gives op the steps
from amanah.adoption.alembic_row_security import RowSecurityStep
from amanah.errors import ConfigurationError
from amanah.middleware.row_security import row_security

STATE = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'customer'::regclass"


def offline(dialect: str, **arguments: Any) -> str:
    """The SQL that ``alembic upgrade --sql`` would print."""
    buffer = io.StringIO()
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": buffer})
    Operations(context).enable_row_security("invoice", **arguments)
    return buffer.getvalue()


def test_on_sqlite_they_do_nothing() -> None:
    """There is no such wall there; the migration runs all the same."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        operations: Any = Operations(MigrationContext.configure(connection))
        operations.enable_row_security("nowhere", tenant="tenant_id")
        operations.disable_row_security("nowhere", tenant="tenant_id")
    assert offline("sqlite", tenant="tenant_id") == ""


def test_the_sql_that_is_printed() -> None:
    """Quoted names, a number's type, parents, a fixed tenant, sign-in, a schema."""
    by_number = offline("postgresql", tenant="company", type_=Integer())
    assert "\"invoice\".\"company\" = (SELECT CAST(NULLIF(current_setting('amanah.tenant', true), '') AS INTEGER))" in (
        by_number
    )
    by_parent = offline("postgresql", tenant="tenant_id", via=["order_id=order.id"], schema="sales")
    assert (
        'EXISTS (SELECT 1 FROM "sales"."order" AS amanah_up1 WHERE amanah_up1."id" = "invoice"."order_id"' in by_parent
    )
    assert "amanah_sign_in" not in by_parent.replace("DROP POLICY IF EXISTS amanah_sign_in", "")
    assert "= 'apotek'" in offline("postgresql", fixed="apotek")
    assert "CREATE POLICY amanah_sign_in" in offline("postgresql", tenant="tenant_id", sign_in=True)
    assert "FORCE ROW LEVEL SECURITY" in by_parent


@pytest.mark.parametrize(
    "wrong",
    [{}, {"tenant": "a", "fixed": "b"}, {"tenant": "a", "via": ["order_id"]}, {"tenant": "a", "via": ["x=y"]}],
)
def test_arguments_that_do_not_say_whose_rows_they_are(wrong: dict[str, Any]) -> None:
    """They are refused when the migration runs."""
    with pytest.raises(ConfigurationError, match="row security of invoice"):
        offline("postgresql", **wrong)


@pytest.mark.postgresql
def test_on_and_off_and_on(second_wall: Any) -> None:
    """Forced on the owner, too; taken again they set what the arguments say then; off leaves nothing behind."""
    table = second_wall.world.guard.register.by_name("customer")
    with second_wall.above.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        policies = text("SELECT count(*) FROM pg_policy WHERE polrelid = 'customer'::regclass")
        for back in (False, True, True, False, False):
            operations.invoke(RowSecurityStep(row_security(table), back=back))
            assert connection.execute(text(STATE)).one() == (not back, not back)
            assert connection.execute(policies).scalar() == (not back)


@pytest.mark.postgresql
def test_the_owner_is_held_as_well(second_wall: Any) -> None:
    """An application whose role owns the tables: FORCE."""
    with second_wall.above.begin() as connection:
        connection.execute(text(f"ALTER TABLE customer OWNER TO {second_wall.role}"))
    assert second_wall.world.stored("SELECT * FROM customer") == []
    with pytest.raises(DBAPIError, match="row-level security"):
        second_wall.world.stored("SET LOCAL row_security = off; SELECT * FROM customer")
    with second_wall.above.begin() as connection:
        connection.execute(text("ALTER TABLE customer OWNER TO postgres"))


@pytest.mark.postgresql
def test_a_migration_says_what_the_declarations_say(second_wall_via: Any) -> None:
    """What is rendered, executed anew, is the same wall."""
    context = AutogenContext(
        MigrationContext.configure(dialect_name="postgresql"),
        opts={"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None},
    )
    context.imports = set()
    seen: list[RowSecurityStep] = []
    register = second_wall_via.world.guard.register

    class Recording(Operations):
        def invoke(self, operation: Any) -> Any:
            seen.append(operation)

    op = Recording(MigrationContext.configure(dialect_name="postgresql"))
    import sqlalchemy as sa

    dialect = second_wall_via.above.dialect
    for table in register.tables.values():
        step = RowSecurityStep(row_security(table))
        text_of = str(renderers.dispatch(step)(context, step))
        exec(text_of, {"op": op, "sa": sa})
        assert seen.pop().wall.policies(dialect) == step.wall.policies(dialect), text_of
    assert str(
        renderers.dispatch(RowSecurityStep(row_security(register.tables["line"])))(
            context, RowSecurityStep(row_security(register.tables["line"]))
        )
    ) == (
        'op.enable_row_security(\n    "line",\n    tenant="company_id",\n    type_=sa.Integer(),\n    '
        'via=["order_id=order.id"],\n)'
    )


@pytest.mark.postgresql
def test_the_plan_is_an_index_scan_that_asks_the_setting_once(second_wall: Any) -> None:
    """Not once a row: an InitPlan; and the key's index with the tenant in front is used."""
    with second_wall.world.session() as session:
        cursor = psycopg.Cursor(session.connection().connection.driver_connection)
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(
            row[0] for row in cursor.execute("EXPLAIN SELECT * FROM customer WHERE id = 'budi'").fetchall()
        )
        assert "InitPlan 1" in plan, plan
        assert "Index Cond: ((tenant_id" in plan, plan
