"""Worlds whose tables have row-level security, reached by a role that it holds.

Loaded with the conftest's ``_world``.
"""

from __future__ import annotations

import secrets
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, make_url, text

from amanah.adoption.alembic_row_security import RowSecurityStep
from amanah.middleware.row_security import row_security

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from amanah.middleware.fields import Register


@dataclass
class Behind:
    """``world`` (`sql_world.SqlWorld`) connects as the role ``role``; ``above`` is a superuser's engine."""

    world: Any
    above: Any
    role: str

    @property
    def url(self) -> str:
        """The role's."""
        return str(self.world.url)

    @contextmanager
    def without_policies(self) -> Iterator[None]:
        """As before the migration: what an attack then reaches shows that it is the policies that hold it."""
        with self.above.begin() as connection:
            steps(connection, self.world.guard.register, back=True)
        try:
            yield
        finally:
            with self.above.begin() as connection:
                steps(connection, self.world.guard.register)

    def close(self) -> None:
        """Let go of the databases and take the role back."""
        self.world.close()
        with self.above.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {self.role}")
            connection.exec_driver_sql(f"DROP ROLE {self.role}")
        self.above.dispose()


def steps(connection: Connection, register: Register, *, back: bool = False) -> None:
    """Row-level security on or off for all protected tables, by the operations that migrations have."""
    operations = Operations(MigrationContext.configure(connection))
    for table in register.tables.values():
        operations.invoke(RowSecurityStep(row_security(table), back=back))


def build(url: str, folder: Path, world: str = "sql_world") -> Behind:
    """The filled database at ``url``, a superuser's, behind its second wall."""
    above = create_engine(url)
    role, password = f"app_{secrets.token_hex(6)}", secrets.token_hex(8)
    with above.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' NOSUPERUSER NOBYPASSRLS")
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        connection.exec_driver_sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    own = make_url(url).set(username=role, password=password).render_as_string(hide_password=False)
    made = sys.modules[world].build(own, folder, filled=True)
    with above.begin() as connection:
        steps(connection, made.guard.register)
    return Behind(made, above, role)


def rows(connection: Connection, sql: str) -> list[Any]:
    """The first column of what ``sql`` finds."""
    return [row[0] for row in connection.execute(text(sql))]
