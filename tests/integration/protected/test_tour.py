"""The demo's steps, as `make tour` runs them on SQLite, behind both walls."""

from __future__ import annotations

import pytest

from iconix.steps import STEPS
from iconix.tour import walk


@pytest.mark.postgresql
def test_the_tour_goes_as_told_behind_both_walls(builder, capsys):
    """Every answer is as told, by a role without BYPASSRLS that sees no row of its own accord."""
    with builder.house("postgresql") as house:
        role = house_role(house)
        assert role == (False, False)
        unwalled = house.rows(
            "SELECT relname FROM pg_class JOIN information_schema.columns ON table_name = relname "
            "WHERE column_name = 'tenant_id' AND relkind = 'r' AND NOT relname LIKE 'amanah%' "
            "AND NOT relforcerowsecurity"
        )
        assert unwalled == []
        with house.serving() as running:
            assert walk(running.base) == 0, capsys.readouterr().out
        assert house.sequence().whole
    assert len(STEPS) > 10


def house_role(house):
    """Whether the server's role is a superuser, and whether it passes by row security."""
    name = house.role_url.partition("//")[2].partition(":")[0]
    return tuple(house.rows("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = :name", name=name)[0])
