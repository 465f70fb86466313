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
from amanah.access_policies import content, versions
from amanah.access_policies import models as policy
from amanah.errors import DatabaseNotMigrated
from amanah.tenants import models as tenants

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


def fill(connection):
    """Two tenants with a policy that was kept; in ``toko`` everything that the migrations 9 to 12 have tables for."""
    now = {"granted_at": 1, "granted_by": "ana", "reason": "x"}
    for name in ("toko", "lain"):
        row = {"id": name, "name": name, "status": "active", "template": "blank", "created_at": 1}
        connection.execute(tenants.tenant.insert().values(**row))
        connection.execute(
            tenants.member.insert().values(tenant_id=name, id="sari", display="", status="active", added_at=1)
        )
        connection.execute(
            policy.role.insert(),
            [{"tenant_id": name, "name": role, "description": {"en": "x"}} for role in ("clerk", "lead")],
        )
        connection.execute(policy.role_parent.insert().values(tenant_id=name, role="lead", parent="clerk"))
        registered = {"tenant_id": name, "description": {"en": "why"}, "categories": ["user.name"]}
        connection.execute(policy.purpose.insert().values(**registered, key="a.b", alias="ab", legal_basis="contract"))
        rule = {
            "tenant_id": name,
            "role": "clerk",
            "object": "orders",
            "action": "read",
            "purpose": "a.b",
            "effect": "allow",
            "since": 1,
        }
        connection.execute(policy.rule.insert().values(**rule, number=1))
        if name == "toko":
            connection.execute(
                policy.purpose.insert().values(**registered, key="c", alias="ads", legal_basis="consent")
            )
            for number, more in enumerate(LIMITED, 2):
                connection.execute(policy.rule.insert().values(**(rule | {"number": number} | more)))
        database.bump(connection, name)
        versions.keep(connection, name, 1, content.read(connection, name), by="ana", source="files", reason="")
        connection.execute(tenants.grant.insert().values(tenant_id=name, id="1", member_id="sari", role="clerk", **now))
    connection.execute(
        tenants.grant.insert().values(tenant_id="toko", id="2", operator_id="op", role="clerk", ends_at=9, **now)
    )
    connection.execute(tenants.grant.insert().values(tenant_id="toko", id="3", member_id="sari", role="porter", **now))
    connection.execute(
        tenants.duty.insert().values(tenant_id="toko", role="clerk", kind="second_factor", other="", number=0)
    )
    connection.execute(
        tenants.duty.insert().values(tenant_id="toko", role="clerk", kind="two_people", other="", number=0)
    )
    connection.execute(tenants.emergency.insert().values(tenant_id="toko", role="lead", holder="*", minutes=60))
    connection.execute(tenants.tenant.update().where(tenants.tenant.c.id == "toko").values(lapse_days=30))
    for number, gone in enumerate(({}, {"withdrawn_at": 5, "withdrawn_by": "x", "withdrawn_because": "withdrawn"})):
        who = {"tenant_id": "toko", "id": str(number), "kind": "customer", "subject": "17", "purpose": "c"}
        connection.execute(policy.consent.insert().values(**who, given_at=2, given_by="ana", source="form", **gone))


LIMITED = (
    {"row_filter": "own", "object": "invoice"},
    {"row_filter": "own", "effect": "deny"},
    {"row_filter": "own", "effect": "deny", "action": "update"},
    {"action": "update", "effect": "deny"},
    {"mask": "dots", "action": "read_masked", "object": "orders.name"},
    {"ends_at": 5, "action": "create"},
    {"ends_at": 5, "action": "delete", "effect": "deny", "row_filter": "own"},
    {"row_filter": "own", "object": "shift", "until": 1},
)
"""Rules 2 to 9; the last has ended."""


def in_force(connection):
    """The numbers of ``toko``'s rules in force."""
    found = connection.execute(text("SELECT number FROM amanah_rule WHERE tenant_id = 'toko' AND until IS NULL"))
    return sorted(found.scalars())


def kept_rows(connection):
    """All rows that no migration from 9 to 12 has a reason to change."""
    tables_ = (policy.consent, policy.purpose, policy.role, policy.role_parent, tenants.member)
    return {one.name: sorted(map(repr, connection.execute(one.select().order_by(*one.primary_key)))) for one in tables_}


def test_filled_tables_go_down_and_up_again(database_url, engines, all_models, caplog):
    """Step by step: what can be kept comes back, what allowed less has ended and is told, and no rule seems deleted."""
    migrations.upgrade(database_url)
    engine = engines["core"]
    with engine.begin() as connection:
        fill(connection)
        before = kept_rows(connection)
        assert (in_force(connection), versions.altered(connection)) == (list(range(1, 9)), {})
    steps = {
        "core_0011": ["duties to a second factor, and the grants of their roles end: 1", "grants to operators: 1",
                      "roles that may be taken in an emergency: 1", "organisations whose unused grants lapse: 1"],
        "core_0010": ["consents: 2 are kept aside", "purposes that rest on consent: 1 are kept aside"],
        "core_0009": ["rules that allowed less by mask, starts_at, ends_at: 2 have ended"],
        "core_0008": ["rules that allowed less by row_filter: 1 have ended"],
    }  # fmt: skip
    for revision, told in steps.items():
        caplog.clear()
        with engine.begin() as connection:
            command.downgrade(migrations.configuration(connection), revision)
        said = [record.getMessage() for record in caplog.records if record.name == "amanah.migrations"]
        assert len(said) == len(told)
        assert all(one in line for one, line in zip(told, said, strict=True)), said
    with engine.begin() as connection:
        assert in_force(connection) == [1, 3, 5, 8]  # 4 denies what 5 does by now
        assert connection.execute(text("SELECT count(*) FROM amanah_rule")).scalar_one() == 10
        basis = "SELECT count(*) FROM amanah_purpose WHERE legal_basis = 'consent'"
        assert connection.execute(text(basis)).scalar_one() == 0
        grants = connection.execute(text("SELECT id FROM amanah_grant WHERE revoked_at IS NULL AND tenant_id = 'toko'"))
        assert grants.scalars().all() == ["3"]
    migrations.upgrade(database_url)
    with engine.begin() as connection:
        assert kept_rows(connection) == before
        assert in_force(connection) == [1, 3, 5, 8]
        assert versions.altered(connection) == {}
        newest = versions.kept(connection, "toko")[-1]
        assert (newest.source, newest.reason) == ("found", "after a downgrade")
        assert versions.content_of(connection, "toko", newest.version).rules
        assert [one.version for one in versions.kept(connection, "lain")] == [1]
        connection.execute(policy.rule.delete().where(policy.rule.c.number == 3))
        assert set(versions.altered(connection)) == {"toko"}
    assert {"amanah_consent_kept", "amanah_purpose_kept"}.isdisjoint(tables(engine))


def test_what_was_registered_meanwhile_stays(database_url, engines, all_models, caplog):
    """Of two purposes of one key the one that is there counts; that is told, and no consent is lost."""
    migrations.upgrade(database_url)
    engine = engines["core"]
    with engine.begin() as connection:
        fill(connection)
        command.downgrade(migrations.configuration(connection), "core_0010")
        again = {"tenant_id": "toko", "key": "c", "legal_basis": "contract", "description": {}}
        connection.execute(policy.purpose.insert().values(**again))
    migrations.upgrade(database_url)
    assert "1 were registered anew meanwhile" in caplog.text
    with engine.begin() as connection:
        basis = "SELECT legal_basis FROM amanah_purpose WHERE tenant_id = 'toko' AND \"key\" = 'c'"
        assert connection.execute(text(basis)).scalars().all() == ["contract"]
        assert connection.execute(text("SELECT count(*) FROM amanah_consent")).scalar_one() == 2


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
