"""Keys are replaced while requests run: each step is one transaction of one tenant, and leaves nothing half done.

Who holds unwrapped keys does not notice: a wrap is changed, never the key in it, except where a new data key is added.
Whoever loads meanwhile reads all of a tenant's rows in one query, so those from before or those from after.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from ..errors import KeyUnknown
from .models import DATA, INDEX, KEK
from .models import key as key_table
from .netstrings import netstring
from .sealing import Sealing
from .tenant_keys import context, context_of, insert, newest, next_version, provided, rows_of, unwrap, unwrapped_kek
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection

    from .provider import KeyProvider
    from .tenant_keys import KeyRow


def held(connection: Connection, tenant_id: str) -> list[KeyRow]:
    """The tenant's keys, of which nobody else adds or replaces one until the caller's transaction ends.

    To be the first statement of the transaction. Raises `KeyUnknown` where there is no key-encryption key.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    lock = select(key_table.c.version).where(key_table.c.tenant_id == tenant_id, key_table.c.kind == KEK)
    # Another query sees what was committed while this one waited. Of no row that is left: it was replaced meanwhile.
    while not connection.execute(lock.with_for_update()).all():
        if newest(rows_of(connection, tenant_id), KEK) is None:
            raise KeyUnknown
    return rows_of(connection, tenant_id)


def replace_kek(connection: Connection, provider: KeyProvider, tenant_id: str, rows: list[KeyRow]) -> int:
    """A new key-encryption key under the provider's current key; all others that there were are destroyed.

    ``rows``: what `held` gave, in the same transaction. Every data and index key is wrapped under the new one. Returns
    its version. Raises what the provider raises, `Tampered` and `KeyUnknown`; the transaction must then be rolled back.
    """
    present = newest(rows, KEK)
    if present is None:
        raise KeyUnknown
    old = unwrapped_kek(provider, tenant_id, present)
    version = next_version(connection, tenant_id, KEK)
    key, key_id = os.urandom(KEY_SIZE), provider.key_id()
    wrapped = provider.wrap(key, context(KEK, tenant_id, version), key_id)
    insert(connection, tenant_id, KEK, version, wrapped, provider_key_id=key_id)
    new = Sealing(key, netstring("kek", tenant_id, str(version)))
    for row in rows:
        if row.kind in {DATA, INDEX}:
            inner = unwrap(old, present.version, tenant_id, row)
            values = {"wrapped": new.seal(version, inner, context_of(tenant_id, row)), "kek_version": version}
            connection.execute(update(key_table).where(*_is(tenant_id, row)).values(values))
    older = key_table.c.tenant_id == tenant_id, key_table.c.kind == KEK, key_table.c.version != version
    connection.execute(delete(key_table).where(*older))
    return version


def rewrap(
    provider: KeyProvider,
    tenant_id: str,
    row: KeyRow,
    key_id: str,
) -> Callable[[Connection], bool]:
    """Unwrap a key-encryption key and wrap it under the provider's key ``key_id``; nothing is stored yet.

    Returns what stores it, in the caller's transaction, if the row is still the same; and says whether it was. Raises
    what the provider raises.
    """
    bound = context_of(tenant_id, row)
    wrapped = provider.wrap(provided(provider, tenant_id, row), bound, key_id)

    def store(connection: Connection) -> bool:
        same = key_table.c.wrapped == row.wrapped
        changed = update(key_table).where(*_is(tenant_id, row), same).values(wrapped=wrapped, provider_key_id=key_id)
        return connection.execute(changed).rowcount == 1

    return store


def retire_below(
    connection: Connection, provider: KeyProvider, tenant_id: str, rows: list[KeyRow], min_version: int
) -> list[int]:
    """Data keys below ``min_version`` are retired, all others live. Returns the versions of which that is new.

    ``rows``: what `held` gave, in the same transaction. The tenant takes a new key-encryption key, so that no row of an
    older copy of the table unwraps beside the newer ones. Raises `KeyUnknown` where no data key would be left, and what
    `replace_kek` raises.
    """
    kek = newest(rows, KEK)
    if kek is None or not any(row.kind == DATA and row.version >= min_version for row in rows):
        raise KeyUnknown
    wrapping = unwrapped_kek(provider, tenant_id, kek)
    now, changed, after = time.time_ns() // 1000, [], []
    for row in rows:
        due = row.kind == DATA and (row.version < min_version) is (row.retired_at is None)
        if not due:
            after.append(row)
            continue
        key = unwrap(wrapping, kek.version, tenant_id, row)
        now_row = row._replace(retired_at=now if row.retired_at is None else None)
        now_row = now_row._replace(wrapped=wrapping.seal(kek.version, key, context_of(tenant_id, now_row)))
        after.append(now_row)
        changed.append(row.version)
        connection.execute(update(key_table).where(*_is(tenant_id, row)).values(retired_at=now_row.retired_at))
    replace_kek(connection, provider, tenant_id, after)
    return changed


def _is(tenant_id: str, row: KeyRow) -> tuple[ColumnElement[bool], ...]:
    return key_table.c.tenant_id == tenant_id, key_table.c.kind == row.kind, key_table.c.version == row.version
