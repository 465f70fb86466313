"""Commands that work on the rows of all tenants, where row-level security holds the role of the application."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import make_url, text

from amanah.adoption.live_tokens import live_tokens
from amanah.adoption.row_security import walls_due
from amanah.adoption.sealing_targets import engine_for
from amanah.adoption.search_leaks import leaks
from amanah.errors import ConfigurationError, InvalidInput, RowsHidden, StepNotDue
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import still_under
from amanah.subjects.erase import plan_of

pytestmark = pytest.mark.postgresql


def owned(behind: Any, url: Any = None) -> Any:
    """The guard, with ``AMANAH_OWNER_URL``: a superuser's, unless another is given."""
    guard = behind.world.guard
    shown = (url or behind.above.url).render_as_string(hide_password=False)
    guard.settings = replace(guard.settings, owner_url=shown)
    return guard


def test_a_part_of_the_rows_is_an_error_and_not_a_part_of_the_work(second_wall: Any) -> None:
    """With the application's role each stops before it has done anything."""
    guard = second_wall.world.guard
    for command in (
        lambda: leaks(guard),
        lambda: still_under(guard, "a", 1),
        lambda: reencrypt(guard, operator="ops", wait=lambda _: None),
        lambda: plan_of(guard, "a", "customer", "budi"),
    ):
        with pytest.raises(RowsHidden, match="AMANAH_OWNER_URL"):
            command()


def test_with_the_owner_s_role_they_work(second_wall: Any) -> None:
    """All tenants' rows."""
    guard = owned(second_wall)
    with engine_for(guard) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM customer")).scalar() == 3
    assert {one.tenant for one in leaks(guard, ["customer.phone"])} == {"a", "b"}


def test_it_leads_to_the_same_database(second_wall: Any) -> None:
    """Anything else would be work on other data."""
    with (
        pytest.raises(ConfigurationError, match="AMANAH_OWNER_URL"),
        engine_for(owned(second_wall, second_wall.above.url.set(database="postgres"))),
    ):
        pass


def test_the_doctor_does_not_take_hidden_rows_for_good_ones(second_wall: Any) -> None:
    """It tells that it cannot look (AMN-D056), and with the owner's role it looks."""
    with second_wall.above.begin() as connection:
        connection.execute(text("UPDATE customer SET phone_ix = NULL, phone_ix2 = NULL"))
    assert list(live_tokens(second_wall.world.guard)) == []
    assert [one.subject for one in live_tokens(owned(second_wall))] == ["customer.phone"]


def test_walls_that_are_due(second_wall: Any) -> None:
    """None; one that was dropped; one of those that were named."""
    guard = second_wall.world.guard
    with pytest.raises(StepNotDue):
        walls_due(guard)
    with second_wall.above.begin() as connection:
        connection.execute(text("DROP POLICY amanah_tenant ON invoice"))
        connection.execute(text("ALTER TABLE tag DISABLE ROW LEVEL SECURITY"))
    assert {one.table for one in walls_due(guard)} == {"invoice", "tag"}
    assert [one.table for one in walls_due(guard, ["tag"])] == ["tag"]
    with pytest.raises(StepNotDue):
        walls_due(guard, ["customer"])
    with pytest.raises(InvalidInput):
        walls_due(guard, ["nowhere"])
    assert make_url(second_wall.url).username == second_wall.role
