"""The doctor looks at the second wall: is it there, is it the one of the declarations, and whom does it hold?"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from amanah.middleware.live_row_security import live_row_security

pytestmark = pytest.mark.postgresql


def found(behind: Any, *statements: str, engine: Any = None, commands_pass: bool = True) -> set[tuple[str, str]]:
    """Ids and subjects, after ``statements``."""
    with behind.above.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    register = behind.world.guard.register
    findings = live_row_security(register, engine or behind.world.guard.engine, commands_pass=commands_pass)
    return {(one.id, one.subject) for one in findings}


UNINDEXED = {("AMN-D055", name) for name in ("device", "person", "ticket")}


def test_a_wall_as_declared_has_no_finding(second_wall: Any) -> None:
    """But where the key does not begin with the tenant."""
    assert {one for one in found(second_wall) if one not in UNINDEXED} == set()


def test_neither_has_one_by_parents(second_wall_via: Any) -> None:
    """A number as tenant, and up to four parents."""
    assert {one for one in found(second_wall_via) if one[0] != "AMN-D055"} == set()


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE customer NO FORCE ROW LEVEL SECURITY", "ALTER TABLE customer DISABLE ROW LEVEL SECURITY"],
)
def test_a_table_without_it(second_wall: Any, statement: str) -> None:
    """Off, or not for the owner."""
    assert ("AMN-D053", "customer") in found(second_wall, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP POLICY amanah_tenant ON customer",
        "ALTER POLICY amanah_tenant ON customer USING (true)",
        "ALTER POLICY amanah_tenant ON customer WITH CHECK (true)",
        "ALTER POLICY amanah_tenant ON customer TO postgres",
        "ALTER POLICY amanah_tenant ON customer USING (tenant_id = current_setting('amanah.tenant') OR note = 'x')",
        "CREATE POLICY another ON customer USING (true)",
        "CREATE POLICY amanah_sign_in ON customer USING ((SELECT current_setting('amanah.sign_in', true)) = 'on')",
    ],
)
def test_a_wall_of_another_shape(second_wall: Any, statement: str) -> None:
    """Missing, wider, for some roles only, and more than one."""
    assert ("AMN-D054", "customer") in found(second_wall, statement)


def test_commands_need_a_role_of_their_own(second_wall: Any) -> None:
    """The application's sees one tenant's rows; a superuser's all of them (AMN-D026 tells of that)."""
    assert ("AMN-D056", second_wall.role) in found(second_wall, commands_pass=False)
    assert "AMN-D056" not in {id_ for id_, _ in found(second_wall, engine=second_wall.above, commands_pass=False)}
