"""What the tests of rekeying share: time passes for keys, and what the key table and the trail say.

Loaded with ``from tests import rekeying_world``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text, update

from amanah.encryption.keyring import Keyring
from amanah.encryption.models import key as key_table
from amanah.rekeying.keys import rotate_data
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from amanah.guard import Guard

OPS = "operator:ops"
HOUR = 3600 * 1_000_000


def age(guard: Guard, by: int = HOUR) -> None:
    """Let an hour pass for every key, in every process. ``by``: so many microseconds."""
    with guard.engine.begin() as connection:
        connection.execute(update(key_table).values(created_at=key_table.c.created_at - by))
    for tenant in ("a", "b", "platform"):
        guard.keyring.forget(tenant)


def new_data_keys(guard: Guard, *tenants: str) -> None:
    """A data key more for each tenant, that is in use."""
    age(guard)
    rotate_data(guard, tenants or ["a", "b"], operator=OPS)
    age(guard)


def another_process(guard: Guard) -> Keyring:
    """A keyring that has nothing in memory."""
    return Keyring(guard.engine, guard.provider)


def acts(guard: Guard, tenant: str) -> list[dict[str, Any]]:
    """The details of what operators did, as the trail will say it, oldest first."""
    with guard.engine.connect() as connection:
        bodies = connection.scalars(text("SELECT body FROM amanah_staged ORDER BY at, event_id"))
        entries = [spelled_out(body) for body in bodies]
    return [e["detail"] for e in entries if e["kind"] == "admin" and e["tenant"] == tenant]


def keys(guard: Guard, tenant: str, kind: str) -> list[Any]:
    """The rows of the key table, lowest version first."""
    wanted = key_table.c.tenant_id == tenant, key_table.c.kind == kind
    with guard.engine.connect() as connection:
        return list(connection.execute(key_table.select().where(*wanted).order_by(key_table.c.version)))
