"""A guard with two tenants and next to nothing else, for tests that look at keys only."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine

from amanah import Guard, Personal, declare
from amanah.audit.queue_table import QueueTable
from amanah.database import core, trail

assert QueueTable  # its module holds the table that the trail's metadata needs


@pytest.fixture
def vault(database_url, tmp_path, all_models):
    """A guard over one table, tenants ``a`` and ``b``, on SQLite and on PostgreSQL."""
    metadata = MetaData()
    names = "tenant_id", "id"
    Table(
        "customer", metadata, *(Column(name, String(36), primary_key=True) for name in names), Column("phone", String)
    )
    engine = create_engine(database_url)
    with pytest.warns(RuntimeWarning, match="Amanah"):
        guard = Guard.development(
            metadata=metadata,
            engine=engine,
            identify=lambda _: None,
            routes=[],
            declarations=[
                declare("customer", subject="id", columns={"phone": Personal(category="user.contact.phone_number")})
            ],
            state=tmp_path / "state",
        )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    metadata.create_all(guard.engine)
    for tenant in ("a", "b"):
        guard.create_tenant(tenant, tenant.upper(), template="blank", admin=None)
    yield SimpleNamespace(guard=guard)
    engine.dispose()
    guard.close()
