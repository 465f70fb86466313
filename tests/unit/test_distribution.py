"""Fit for distribution by tenant (DESIGN D7): the tenant is part of every key, in Amanah's tables and ICONIX's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from amanah.database import core, trail
from iconix.models import Base

if TYPE_CHECKING:
    from sqlalchemy import Table

EVERYWHERE = {
    "amanah_tenant": "the list of the tenants; a reference table",
    "amanah_posture": "says what the whole installation enforces",
    "amanah_heartbeat": "one row a process of the whole installation",
    "amanah_lease": "who sequences, in the whole installation",
    "amanah_attempt": "counts sign-ins of names that may be nobody's",
    "amanah_invitation": "found by a token, before the tenant is known",
    "amanah_console_session": "found by a token, before the tenant is known",
    "amanah_staged": "a queue, emptied by event id; stays on the coordinator",
    "amanah_queued": "a queue, emptied by stream and number; stays on the coordinator",
    "amanah_parked": "a queue, emptied by event id; stays on the coordinator",
    "amanah_stream": "one row a writer of the whole installation",
    "amanah_checkpoint": "signed over all tenants' heads at once",
    "amanah_term": "SQLite only: the index of the log's terms",
    "amanah_recovery": "signed statements about several tenants at once",
    "amanah_counter": "SQLite only: numbers of keys",
    "company": "the list of the companies; a reference table",
}
"""Tables that are on every server, or on one, and why."""


def _tables() -> list[Table]:
    return [*core.tables.values(), *trail.tables.values(), *Base.metadata.tables.values()]


@pytest.fixture(autouse=True)
def _all(all_models: None) -> None:
    """The metadata is whole."""


def test_every_key_carries_the_tenant() -> None:
    """Primary keys, in which it comes first, and UNIQUE; what is not of a tenant is named here, and is there."""
    assert EVERYWHERE.keys() <= {table.name for table in _tables()}
    for table in _tables():
        if table.name in EVERYWHERE:
            continue
        assert next(iter(table.primary_key.columns)).name == "tenant_id", table.name
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint):
                assert "tenant_id" in constraint.columns, (table.name, constraint.name)
        for index in table.indexes:
            assert not index.unique or "tenant_id" in index.columns, (table.name, index.name)


def test_every_foreign_key_carries_the_tenant() -> None:
    """From tenant to tenant, or to a table that is on every server."""
    for table in _tables():
        for key in table.foreign_key_constraints:
            if key.referred_table.name in EVERYWHERE:
                continue
            pairs = {(one.parent.name, one.column.name) for one in key.elements}
            assert ("tenant_id", "tenant_id") in pairs, (table.name, key.name)
