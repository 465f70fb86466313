"""The migrations of Amanah's own tables."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, inspect, text

import amanah
from amanah import database, migrations
from amanah.access_policies import models as policy
from amanah.errors import DatabaseNotMigrated

BRANCHES = {"core": database.core, "trail": database.trail}


@pytest.fixture
def engines(database_url):
    """The engine of each branch's database."""
    urls = {"core": database.own_url(database_url), "trail": database.trail_url(database_url)}
    engines = {branch: database.own_engine(url) for branch, url in urls.items()}
    yield engines
    for engine in engines.values():
        engine.dispose()


def tables(engine):
    """Amanah's own tables in a database."""
    return {name for name in inspect(engine).get_table_names() if name != migrations.VERSION_TABLE}


def downgrade(engine, branch):
    """Take a branch away again."""
    with engine.begin() as connection:
        command.downgrade(migrations.configuration(connection), f"{branch}@base")


def test_the_migrations_make_exactly_the_tables_of_the_models(database_url, engines, all_models):
    """Alembic finds no difference between a migrated database and the models, types and comments included."""
    migrations.upgrade(database_url)
    one_database = database.trail_url(database_url) == database.own_url(database_url)
    for branch, engine in engines.items():
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table": migrations.VERSION_TABLE,
                    "compare_type": True,
                    "include_object": migrations.comparable(connection.dialect.name),
                },
            )
            wanted = list(BRANCHES.values()) if one_database else BRANCHES[branch]
            assert compare_metadata(context, wanted) == []


def test_every_own_table_has_a_name_of_its_own(all_models):
    """All tables start with amanah_, so that they never meet an application's, and no name is in both branches."""
    names = [name for metadata in BRANCHES.values() for name in metadata.tables]
    assert all(name.startswith("amanah_") for name in names)
    assert len(names) == len(set(names))


def test_no_table_hides_outside_the_modules_of_models(all_models):
    """Importing the whole package adds no table, so the comparison above and the migrations have seen every one."""
    known = {name for metadata in BRANCHES.values() for name in metadata.tables}
    for module in pkgutil.walk_packages(amanah.__path__, "amanah."):
        importlib.import_module(module.name)
    assert {name for metadata in BRANCHES.values() for name in metadata.tables} == known


def test_a_downgrade_opens_nothing_that_a_rule_limited(database_url, engines, all_models):
    """Without the columns a rule with an end or a mask would hold for ever and show more: it ends, in a new version."""
    migrations.upgrade(database_url)
    engine = engines["core"]
    rows = {1: {}, 2: {"ends_at": 5}, 3: {"mask": "dots"}, 4: {"starts_at": 5, "effect": "deny"}, 5: {"starts_at": 5}}
    with engine.begin() as connection:
        database.bump(connection, "toko")
        database.bump(connection, "lain")
        connection.execute(policy.role.insert().values(tenant_id="toko", name="clerk", description={}))
        for number, names in rows.items():
            rule = {"tenant_id": "toko", "number": number, "role": "clerk", "object": "a.b", "purpose": "*", "since": 1}
            connection.execute(
                policy.rule.insert().values(**rule, action="read_masked", **{"effect": "allow", **names})
            )
        command.downgrade(migrations.configuration(connection), "core_0009")
    with engine.begin() as connection:
        left = connection.execute(text("SELECT number FROM amanah_rule WHERE until IS NULL ORDER BY number"))
        assert left.scalars().all() == [1, 4]
        ended = connection.execute(text("SELECT DISTINCT until FROM amanah_rule WHERE until IS NOT NULL"))
        assert ended.scalars().all() == [2]
        versions = connection.execute(text("SELECT tenant_id, version FROM amanah_version ORDER BY tenant_id"))
        assert [tuple(row) for row in versions] == [("lain", 1), ("toko", 2)]
    migrations.upgrade(database_url)


def test_migrations_go_up_down_and_up_again(database_url, engines, all_models):
    """A downgrade leaves none of Amanah's tables behind, and a second upgrade brings all of them back."""
    migrations.upgrade(database_url)
    before = {branch: tables(engine) for branch, engine in engines.items()}
    for branch, engine in engines.items():
        downgrade(engine, branch)
    assert [tables(engine) for engine in engines.values()] == [set(), set()]
    migrations.upgrade(database_url)
    assert {branch: tables(engine) for branch, engine in engines.items()} == before
    assert before["core"] >= set(database.core.tables)


def test_an_upgrade_of_an_upgraded_database_changes_nothing(database_url, engines):
    """`amanah db upgrade` may be run again at each start."""
    migrations.upgrade(database_url)
    with engines["core"].begin() as connection:
        database.bump(connection, "clinic")
    migrations.upgrade(database_url)
    with engines["core"].begin() as connection:
        assert database.bump(connection, "clinic") == 2


def test_an_application_beside_keeps_its_tables_and_its_own_alembic(database_url, engines):
    """Migrating Amanah leaves the application's tables and its alembic_version alone."""
    application = create_engine(database_url)
    with application.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0007_app')"))
        connection.execute(text("CREATE TABLE invoice (id INTEGER PRIMARY KEY)"))
    migrations.upgrade(database_url)
    for branch, engine in engines.items():
        downgrade(engine, branch)
    with application.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM alembic_version")).all() == ["0007_app"]
    assert "invoice" in inspect(application).get_table_names()
    application.dispose()


@pytest.mark.parametrize("branch", ["core", "trail"])
def test_an_unmigrated_database_is_told_apart_from_a_migrated_one(database_url, engines, branch):
    """The check refuses a database without the tables, with the remedy in the message, and takes a migrated one."""
    engine = engines[branch]
    with pytest.raises(DatabaseNotMigrated, match="amanah db upgrade"):
        migrations.check(engine, branch)
    migrations.upgrade(database_url)
    migrations.check(engine, branch)


def test_a_database_of_another_version_is_refused(database_url, engines):
    """A version that this library does not know (a newer one was here) counts as not migrated."""
    migrations.upgrade(database_url)
    engine = engines["core"]
    newer = f"UPDATE {migrations.VERSION_TABLE} SET version_num = 'core_9999' WHERE version_num LIKE 'core%'"
    with engine.begin() as connection:
        connection.execute(text(newer))
    with pytest.raises(DatabaseNotMigrated):
        migrations.check(engine)


@pytest.mark.slow
def test_two_processes_may_upgrade_at_once(database_url, engines):
    """Two instances of a service that start together both come up, on tables that were made once."""
    program = "import sys; from amanah import migrations; migrations.upgrade(sys.argv[1])"
    starting = [subprocess.Popen([sys.executable, "-c", program, database_url]) for _ in range(2)]
    assert [process.wait(120) for process in starting] == [0, 0]
    migrations.check(engines["core"])
    migrations.check(engines["trail"], "trail")


def test_an_application_s_own_autogenerate_does_not_see_our_tables(database_url):
    """With `include_object` it neither drops them nor their indexes; without it, it would."""
    engine = database.own_engine(database_url)
    metadata = MetaData()
    Table("customer", metadata, Column("id", Integer, primary_key=True), Column("name", String(40), index=True))
    metadata.create_all(engine)
    migrations.upgrade(database_url)
    with engine.connect() as connection:
        blind = MigrationContext.configure(connection, opts={"include_object": amanah.include_object})
        assert compare_metadata(blind, metadata) == []
        seeing = compare_metadata(MigrationContext.configure(connection), metadata)
        assert {change[0] for change in seeing} >= {"remove_table", "remove_index"}
        metadata.remove(metadata.tables["customer"])
        assert {change[0] for change in compare_metadata(blind, metadata)} >= {"remove_table"}  # of their own, it does
    engine.dispose()


def test_every_table_of_ours_has_a_name_by_which_it_is_left_out(all_models):
    """`include_object` goes by the name."""
    assert all(
        name.startswith("amanah_") for name in (*database.core.tables, *database.trail.tables, migrations.VERSION_TABLE)
    )
