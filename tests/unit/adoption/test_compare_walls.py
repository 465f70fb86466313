"""`alembic revision --autogenerate` and the second wall: what it finds, writes, and takes back."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Integer, MetaData, String, Table, inspect, text

import amanah
from amanah.adoption.alembic_row_security import RowSecurityStep
from amanah.adoption.alembic_walls import read_wall
from amanah.middleware.declare import build, shared
from amanah.middleware.live_row_security import unwalled
from amanah.middleware.row_security import row_security

pytestmark = pytest.mark.postgresql

INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'ticket' ORDER BY 1"


class App:
    """A guard as far as autogenerate looks at it."""

    def __init__(self, register: Any) -> None:
        self.register = register


def walls(connection: Any, metadata: MetaData, guard: Any) -> tuple[list[Any], str, list[Any]]:
    """The operations about walls, the whole migration as it is written, and all of its way back."""
    options = {"include_object": amanah.include_object, "render_item": amanah.render_item}
    context = MigrationContext.configure(connection, opts={**options, **amanah.compare_walls(guard)})
    script = produce_migrations(context, metadata)
    up: Any = script.upgrade_ops
    down: Any = script.downgrade_ops
    steps = [one for one in up.ops if isinstance(one, RowSecurityStep)]
    return steps, render_python_code(up), list(down.ops)


def run(connection: Any, steps: list[Any]) -> None:
    """Carry them out."""
    operations = Operations(MigrationContext.configure(connection))
    for step in steps:
        operations.invoke(step)


def test_what_is_missing_is_written_and_then_nothing(second_wall: Any) -> None:
    """All tables of an application without the wall; after the migration nothing differs, and no index."""
    world = second_wall.world
    register, metadata = world.guard.register, world.m.Base.metadata
    with second_wall.above.begin() as connection:
        run(connection, [RowSecurityStep(row_security(one), back=True) for one in register.tables.values()])
        steps, said, back = walls(connection, metadata, world.guard)
        assert {one.table for one in steps} == set(register.tables)
        assert 'op.enable_row_security("customer", tenant="tenant_id")' in said
        assert 'op.enable_row_security("account", tenant="tenant_id", sign_in=True)' in said
        run(connection, steps)
        assert walls(connection, metadata, world.guard)[0] == []
        assert "amanah" not in walls(connection, metadata, world.guard)[1]
        run(connection, back[: len(steps)])
        assert len(walls(connection, metadata, world.guard)[0]) == len(steps)
        run(connection, steps)


def test_an_index_that_begins_with_the_tenant_is_made_where_there_is_none(second_wall: Any) -> None:
    """`ticket` has a key of one column; `customer`'s begins with the tenant. The way back takes its own index away."""
    wall = row_security(second_wall.world.guard.register.tables["ticket"])
    with second_wall.above.begin() as connection:
        assert connection.execute(text(INDEXES)).scalars().all() == ["ix_amanah_ticket", "ticket_pkey"]
        run(connection, [RowSecurityStep(wall)])  # taken again
        run(connection, [RowSecurityStep(wall, back=True)])
        assert connection.execute(text(INDEXES)).scalars().all() == ["ticket_pkey"]
        connection.execute(text("CREATE INDEX own ON ticket (tenant_id, title)"))
        run(connection, [RowSecurityStep(wall)])
        assert connection.execute(text(INDEXES)).scalars().all() == ["own", "ticket_pkey"]
        of_customer = text("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_amanah_customer'")
        assert connection.execute(of_customer).scalar() == 0
    assert unwalled(second_wall.world.guard.register, second_wall.above) == []


def test_another_wall_is_replaced_and_comes_back(second_wall: Any) -> None:
    """The way back is what was there, not no wall at all."""
    metadata = MetaData()
    Table("ticket", metadata, Column("id", Integer, primary_key=True), Column("title", String(80)))
    guard = App(build(metadata, [], "tenant_id", fixed_tenant="apotek"))
    with second_wall.above.begin() as connection:
        (step,) = [one for one in walls(connection, metadata, guard)[0] if not one.back]
        assert (step.wall.fixed, step.before.tenant) == ("apotek", "tenant_id")
        run(connection, [step])
        assert read_wall(connection, inspect(connection), "ticket") == step.wall
        run(connection, [step.reverse()])
        assert read_wall(connection, inspect(connection), "ticket") == step.before
        assert step.reverse().reverse().wall == step.wall


def test_a_table_that_is_made_in_the_same_migration_gets_its_wall(second_wall: Any) -> None:
    """Behind the table; the way back drops both."""
    metadata = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("tenant_id", String(64))
    Table("brand_new", metadata, *columns)
    with second_wall.above.begin() as connection:
        _, said, back = walls(connection, metadata, App(build(metadata, [], "tenant_id")))
    assert said.index("brand_new") < said.index('op.enable_row_security("brand_new", tenant="tenant_id")')
    names = [type(one).__name__ for one in back]
    assert names.index("RowSecurityStep") < names.index("DropTableOp")


def test_a_table_that_is_shared_now_loses_its_wall(second_wall: Any) -> None:
    """And the way back puts it up again."""
    metadata = MetaData()
    Table("tag", metadata, Column("id", String(36), primary_key=True), Column("label", String(40)))
    with second_wall.above.begin() as connection:
        steps, said, _ = walls(connection, metadata, App(build(metadata, shared("tag"), "tenant_id")))
        assert "tag" in {one.table for one in steps if one.back}
        assert 'op.disable_row_security("tag", tenant="tenant_id")' in said
        step = next(one for one in steps if one.table == "tag")
        run(connection, [step, step.reverse()])
        assert read_wall(connection, inspect(connection), "tag") == step.wall


def test_every_kind_of_wall_is_read_as_it_is_written(second_wall_via: Any) -> None:
    """By a column, a number, one to four parents, for sign-in; and one that somebody changed is nobody's to replace."""
    world = second_wall_via.world
    with second_wall_via.above.begin() as connection:
        dialect = connection.dialect
        for table in world.guard.register.tables.values():
            found = read_wall(connection, inspect(connection), table.name)
            assert found is not None, table.name
            assert found.policies(dialect) == row_security(table).policies(dialect)
        connection.exec_driver_sql("DROP POLICY amanah_tenant ON line")
        connection.exec_driver_sql("CREATE POLICY amanah_tenant ON line USING (quantity < 5)")
        assert read_wall(connection, inspect(connection), "line") is None
        (step,), _, _ = walls(connection, world.m.Base.metadata, world.guard)
        assert (step.table, step.before) == ("line", None)


def test_without_the_argument_nothing_is_compared(second_wall: Any) -> None:
    """Nor is a guard without PostgreSQL."""
    metadata = second_wall.world.m.Base.metadata
    with second_wall.above.begin() as connection:
        run(connection, [RowSecurityStep(row_security(second_wall.world.guard.register.tables["tag"]), back=True)])
        context = MigrationContext.configure(connection, opts={"include_object": amanah.include_object})
        script: Any = produce_migrations(context, metadata)
        assert not [one for one in script.upgrade_ops.ops if isinstance(one, RowSecurityStep)]
