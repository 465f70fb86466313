"""`amanah revision walls` writes row-level security into the application's own migrations."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config

from amanah import database


@pytest.fixture
def alembic(office):
    """The configuration of an application's own Alembic, without a migration yet; its database has its tables."""
    path = office.folder / "alembic.ini"
    command.init(Config(path), str(office.folder / "migrations"))
    office.make_tables()
    return path


def test_the_migration_says_what_is_declared_and_does_it(office, alembic):
    """Written on any database; run, it leaves nothing to write on PostgreSQL, and does nothing on SQLite."""
    result = office.run("revision", "walls", "--alembic", str(alembic))
    assert result.exit_code == 0, result.output
    assert "enable_row_security: customer" in result.output
    (written,) = (office.folder / "migrations" / "versions").glob("*.py")
    text = written.read_text("utf-8")
    assert '    op.lock_tables(["customer"])\n    op.enable_row_security("customer", tenant="tenant_id")\n' in text
    assert '    op.disable_row_security("customer", tenant="tenant_id")\n' in text
    config = Config(alembic)
    url = database.own_url(office.url).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")
    again = office.run("revision", "walls", "customer", "--alembic", str(alembic))
    assert ("as declared" in again.output) == ("postgresql" in office.url), again.output
    command.downgrade(config, "base")


def test_a_table_that_is_not_there_is_refused(office, alembic):
    """And nothing is written."""
    result = office.run("revision", "walls", "nowhere", "--alembic", str(alembic))
    assert result.exit_code == 2
    assert "nowhere" in result.output
    assert not list((office.folder / "migrations" / "versions").glob("*.py"))
