"""Attack: a tenant column that is no text."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import BigInteger, Uuid, create_engine, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.audit.staging import Staging
from amanah.errors import TenantCrossed
from amanah.middleware.access import Access, open_access
from amanah.middleware.declare import build
from amanah.middleware.hooks import Gate

if TYPE_CHECKING:
    from sqlalchemy import Engine

ONE, TWO = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


def _policy(tenant: str) -> Snapshot:
    """Everything is allowed: the wall stands whatever the policy says."""
    actions = enumerate(("read", "create", "update"), 1)
    rules = [Rule(number, "clerk", "*", action, "*", "allow") for number, action in actions]
    return Snapshot(tenant, 1, {"clerk": ()}, [Purpose("billing", "", "contract", {}, "")], rules, {})


@pytest.mark.parametrize(
    "kind, ours, theirs, stranger", [(BigInteger, "7", "8", 9), (Uuid, ONE, TWO, uuid.UUID(int=3))]
)
def test_the_wall_speaks_the_type_of_the_tenants_column(
    own_database: Engine, trail_database: Engine, database_url: str, kind: Any, ours: str, theirs: str, stranger: Any
) -> None:
    """Integers and UUIDs: the tenant's name is turned into the column's type, in the wall and in new rows."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "note"
        tenant_id: Mapped[Any] = mapped_column(kind, primary_key=True, autoincrement=False)
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    Base.metadata.create_all(own_database)
    engine = create_engine(database_url)
    Gate(build(Base.metadata, [], "tenant_id"), Staging(trail_database)).protect(engine)
    for tenant in (ours, theirs):
        access = Access(
            kind="job", tenant=tenant, purpose="billing", roles=frozenset({"clerk"}), snapshot=_policy(tenant)
        )
        with open_access(access), Session(engine) as session:
            session.execute(insert(Note).values(id=1))
            session.add(Note(id=2))
            session.commit()
            assert [str(row.tenant_id) for row in session.scalars(select(Note))] == [tenant, tenant]
            assert session.execute(update(Note).values(id=Note.id + 10)).rowcount == 2
            with pytest.raises(TenantCrossed):
                session.execute(insert(Note).values(id=3, tenant_id=stranger))
    engine.dispose()
