"""A tenant's keys as rows: made, wrapped, read back and unwrapped. The only place that creates tenant keys."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import AmanahError, KeysUnavailable, KeyUnknown, Tampered
from .cipher import TenantCipher
from .models import DATA, INDEX, KEK
from .models import key as key_table
from .netstrings import netstring
from .sealing import Sealing, WrongKey
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from .provider import KeyProvider


class KeyRow(NamedTuple):
    """One row of ``amanah_key``, as far as it is needed to unwrap it."""

    kind: str
    version: int
    provider_key_id: str | None
    kek_version: int | None
    wrapped: bytes
    created_at: int


def rows_of(connection: Connection, tenant_id: str) -> list[KeyRow]:
    """The tenant's keys that are not retired, in one query, lowest version first."""
    columns = [key_table.c[name] for name in KeyRow._fields]
    query = (
        select(*columns)
        .where(key_table.c.tenant_id == tenant_id, key_table.c.retired_at.is_(None))
        .order_by(key_table.c.kind, key_table.c.version)
    )
    return [KeyRow(*row) for row in connection.execute(query)]


def provision(connection: Connection, provider: KeyProvider, tenant_id: str) -> None:
    """Create what is lacking of KEK, data key 1 and index key 1, in the caller's transaction.

    Two transactions may do this for one tenant at once: the first to commit wins, the other one takes its keys.
    """
    rows = rows_of(connection, tenant_id)
    if not _newest(rows, KEK):
        key_id = provider.key_id()
        wrapped = provider.wrap(os.urandom(KEY_SIZE), context(KEK, tenant_id, 1), key_id)
        _insert(connection, tenant_id, KEK, 1, wrapped, provider_key_id=key_id)
        rows = rows_of(connection, tenant_id)
    lacking = [kind for kind in (DATA, INDEX) if not _newest(rows, kind)]
    if lacking:
        kek = _newest(rows, KEK)
        if kek is None:  # version 1 was retired: a tenant that was shut down is not opened again by this
            raise KeyUnknown
        wrapping = _unwrapped_kek(provider, tenant_id, kek)
        for kind in lacking:
            _insert_wrapped(connection, tenant_id, kind, 1, kek.version, wrapping)


def add_data_key(connection: Connection, provider: KeyProvider, tenant_id: str) -> int:
    """Create the next version of the tenant's data key in the caller's transaction; returns its version."""
    kek = _newest(rows_of(connection, tenant_id), KEK)
    if kek is None:
        raise KeyUnknown
    version = 1 + int(
        connection.execute(
            select(func.coalesce(func.max(key_table.c.version), 0)).where(
                key_table.c.tenant_id == tenant_id, key_table.c.kind == DATA
            )
        ).scalar_one()
    )
    wrapping = _unwrapped_kek(provider, tenant_id, kek)
    _insert_wrapped(connection, tenant_id, DATA, version, kek.version, wrapping)
    return version


def assemble(provider: KeyProvider, tenant_id: str, rows: Sequence[KeyRow], settled: int) -> TenantCipher:
    """Unwrap ``rows`` into a cipher that seals under the newest data key from before ``settled`` (µs since the epoch).

    Where none is that old, the oldest one seals. Raises :class:`~amanah.errors.KeyUnknown` where a kind is lacking.
    """
    keks = {row.version: _unwrapped_kek(provider, tenant_id, row) for row in rows if row.kind == KEK}
    data = {row.version: _unwrap(keks, tenant_id, row) for row in rows if row.kind == DATA}
    index = _newest(rows, INDEX)
    if not data or index is None:
        raise KeyUnknown
    versions = [row.version for row in rows if row.kind == DATA and row.created_at <= settled]
    return TenantCipher(tenant_id, data, max(versions, default=min(data)), _unwrap(keks, tenant_id, index))


def context(kind: str, tenant_id: str, version: int) -> bytes:
    """What a wrapped key is bound to."""
    return netstring("amanah key", kind, tenant_id, str(version))


def _newest(rows: Sequence[KeyRow], kind: str) -> KeyRow | None:
    return max((row for row in rows if row.kind == kind), key=lambda row: row.version, default=None)


def _unwrapped_kek(provider: KeyProvider, tenant_id: str, row: KeyRow) -> Sealing:
    bound = context(KEK, tenant_id, row.version)
    try:
        key = provider.unwrap(row.wrapped, bound, row.provider_key_id or "")
    except AmanahError:
        raise
    except Exception as error:  # whatever a key service's client raises: without the key nothing is opened
        raise KeysUnavailable from error
    if len(key) != KEY_SIZE:
        raise Tampered
    return Sealing(key, netstring("kek", tenant_id, str(row.version)))


def _unwrap(keks: dict[int, Sealing], tenant_id: str, row: KeyRow) -> bytes:
    kek = keks.get(row.kek_version or 0)
    if kek is None:
        raise KeyUnknown
    try:
        key = kek.open(row.wrapped, context(row.kind, tenant_id, row.version))
    except WrongKey:
        raise Tampered from None
    if len(key) != KEY_SIZE:
        raise Tampered
    return key


def _insert_wrapped(
    connection: Connection, tenant_id: str, kind: str, version: int, kek_version: int, wrapping: Sealing
) -> None:
    wrapped = wrapping.seal(kek_version, os.urandom(KEY_SIZE), context(kind, tenant_id, version))
    _insert(connection, tenant_id, kind, version, wrapped, kek_version=kek_version)


def _insert(
    connection: Connection,
    tenant_id: str,
    kind: str,
    version: int,
    wrapped: bytes,
    *,
    provider_key_id: str | None = None,
    kek_version: int | None = None,
) -> None:
    # ON CONFLICT DO NOTHING instead of a savepoint: on pysqlite a savepoint can commit the caller's transaction.
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert(key_table)
        .values(
            tenant_id=tenant_id,
            kind=kind,
            version=version,
            provider_key_id=provider_key_id,
            kek_version=kek_version,
            wrapped=wrapped,
            created_at=time.time_ns() // 1000,
        )
        .on_conflict_do_nothing()
    )
