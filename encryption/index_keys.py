"""A tenant's index keys: which one searches go by, and its exchange for the next one.

At most two live at a time. Version ``v`` belongs to the search columns of slot ``(v - 1) % 2``, so that the tokens of
both stand side by side. Each change is one statement that does nothing where somebody else has made it already.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from ..errors import KeyUnknown
from .models import INDEX, KEK
from .models import key as key_table
from .tenant_keys import insert_wrapped, newest, rows_of, unwrapped_kek

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .provider import KeyProvider
    from .tenant_keys import KeyRow


@dataclass(frozen=True, slots=True)
class IndexKeys:
    """Where a tenant's exchange of index keys stands."""

    reading: KeyRow
    """By whose tokens searches go."""
    successor: KeyRow | None
    """Whose tokens are being written, and are not read yet."""
    predecessor: KeyRow | None
    """Whose tokens were read before, and are still written."""
    retired_at: int
    """When the last one was retired: µs since the epoch, UTC; 0 for never."""


def index_keys(connection: Connection, tenant_id: str) -> IndexKeys:
    """The tenant's index keys. Raises :class:`~amanah.errors.KeyUnknown` where there are none."""
    rows = [row for row in rows_of(connection, tenant_id) if row.kind == INDEX]
    live = [row for row in rows if row.retired_at is None]
    read = [row for row in live if row.read_from is not None]
    if not read:
        raise KeyUnknown
    reading = read[-1]
    return IndexKeys(
        reading=reading,
        successor=next((row for row in live if row.version > reading.version), None),
        predecessor=next((row for row in live if row.version < reading.version), None),
        retired_at=max((row.retired_at for row in rows if row.retired_at is not None), default=0),
    )


def versions_read(connection: Connection) -> dict[str, int]:
    """Everybody who has index keys, the platform too, with the version by which their searches go."""
    columns = key_table.c
    live = columns.kind == INDEX, columns.retired_at.is_(None), columns.read_from.is_not(None)
    query = select(columns.tenant_id, func.max(columns.version)).where(*live).group_by(columns.tenant_id)
    return {tenant_id: int(version) for tenant_id, version in connection.execute(query)}


def add_index_key(connection: Connection, provider: KeyProvider, tenant_id: str) -> int:
    """Make the successor of the tenant's index key in the caller's transaction; returns its version.

    Raises :class:`~amanah.errors.KeyUnknown` where there is none to follow, or an exchange is under way.
    """
    rows = rows_of(connection, tenant_id)
    versions = [row.version for row in rows if row.kind == INDEX]
    live = [row for row in rows if row.kind == INDEX and row.retired_at is None]
    kek = newest(rows, KEK)
    if kek is None or len(live) != 1:
        raise KeyUnknown
    version = max(versions) + 1
    # Of one reading of the table: two that do this at once make the same version, and the second one changes nothing.
    insert_wrapped(connection, tenant_id, INDEX, version, kek.version, unwrapped_kek(provider, tenant_id, kek))
    return version


def read_by(connection: Connection, tenant_id: str, version: int) -> bool:
    """From the commit on, searches go by that version as processes load their keys. False where they do already."""
    return _change(connection, tenant_id, version, "read_from")


def retire_index_key(connection: Connection, tenant_id: str, version: int) -> bool:
    """From the commit on nobody writes or searches by that version. False where it was retired already."""
    return _change(connection, tenant_id, version, "retired_at")


def hold(connection: Connection, tenant_id: str) -> None:
    """Let nobody else change the tenant's index keys until the caller's transaction ends; its first statement."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    rows = select(key_table.c.version).where(key_table.c.tenant_id == tenant_id, key_table.c.kind == INDEX)
    connection.execute(rows.with_for_update()).all()


def _change(connection: Connection, tenant_id: str, version: int, moment: str) -> bool:
    this = key_table.c.tenant_id == tenant_id, key_table.c.kind == INDEX, key_table.c.version == version
    now = time.time_ns() // 1000
    changed = update(key_table).where(*this, key_table.c[moment].is_(None)).values({moment: now})
    return connection.execute(changed).rowcount == 1


__all__ = ["IndexKeys", "add_index_key", "hold", "index_keys", "read_by", "retire_index_key", "versions_read"]
