"""A tenant's keys as rows: made, wrapped, read back and unwrapped. The only place that creates tenant keys."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from ..database import PLATFORM
from ..errors import AmanahError, KeysUnavailable, KeyUnknown, ProviderCannot, ProviderKeyWrong, Tampered
from .cipher import TenantCipher, TenantKeys
from .models import DATA, EPOCH, INDEX, KEK
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
    retired_at: int | None
    read_from: int | None


def rows_of(connection: Connection, tenant_id: str) -> list[KeyRow]:
    """The tenant's keys, those that are retired too, in one query, lowest version first."""
    columns = [key_table.c[name] for name in KeyRow._fields]
    query = select(*columns).where(key_table.c.tenant_id == tenant_id).order_by(key_table.c.kind, key_table.c.version)
    return [KeyRow(*row) for row in connection.execute(query)]


def provision(connection: Connection, provider: KeyProvider, tenant_id: str) -> None:
    """Create what is lacking of KEK, data key 1, index key 1 and epoch key 1, in the caller's transaction.

    Two transactions may do this for one tenant at once: the first to commit wins, the other one takes its keys.
    """
    rows = rows_of(connection, tenant_id)
    if not any(row.kind == KEK for row in rows):
        key_id = provider.key_id()
        wrapped = provider.wrap(os.urandom(KEY_SIZE), context(KEK, tenant_id, 1), key_id)
        insert(connection, tenant_id, KEK, 1, wrapped, provider_key_id=key_id)
        rows = rows_of(connection, tenant_id)
    lacking = [kind for kind in (DATA, INDEX) if newest(rows, kind) is None]
    if lacking:
        kek = newest(rows, KEK)
        if kek is None:  # version 1 was retired: a tenant that was shut down is not opened again by this
            raise KeyUnknown
        wrapping = unwrapped_kek(provider, tenant_id, kek)
        for kind in lacking:
            insert_wrapped(connection, tenant_id, kind, 1, kek.version, wrapping)
    if newest(rows, EPOCH) is None:
        add_epoch(connection, provider, tenant_id, epoch_key_id(connection, provider))


def epoch_key_id(connection: Connection, provider: KeyProvider) -> str:
    """The provider's key of the present epoch: the one that wraps the platform's newest epoch key.

    Where there is none, a new one; the current key where the provider makes none, which then is never destroyed.
    """
    of_platform = newest(rows_of(connection, PLATFORM), EPOCH)
    return new_epoch_key(provider) if of_platform is None else of_platform.provider_key_id or ""


def new_epoch_key(provider: KeyProvider) -> str:
    """The id of a new provider key for an epoch; the current key's where the provider makes none."""
    try:
        return provider.create_key("epoch")
    except ProviderCannot:
        return provider.key_id()


def add_epoch(connection: Connection, provider: KeyProvider, tenant_id: str, key_id: str, at: int | None = None) -> int:
    """The tenant's next epoch key, wrapped under the provider's key ``key_id``, in the caller's transaction.

    ``at``: when it begins, in microseconds since 1970; now by default. Returns its version.
    """
    version = next_version(connection, tenant_id, EPOCH)
    wrapped = provider.wrap(os.urandom(KEY_SIZE), context(EPOCH, tenant_id, version), key_id)
    insert(connection, tenant_id, EPOCH, version, wrapped, provider_key_id=key_id, at=at)
    return version


def add_data_key(connection: Connection, provider: KeyProvider, tenant_id: str) -> int:
    """Create the next version of the tenant's data key in the caller's transaction; returns its version."""
    kek = newest(rows_of(connection, tenant_id), KEK)
    if kek is None:
        raise KeyUnknown
    version = next_version(connection, tenant_id, DATA)
    wrapping = unwrapped_kek(provider, tenant_id, kek)
    insert_wrapped(connection, tenant_id, DATA, version, kek.version, wrapping)
    return version


def next_version(connection: Connection, tenant_id: str, kind: str) -> int:
    """One more than the newest version that there ever was."""
    known = select(func.coalesce(func.max(key_table.c.version), 0)).where(
        key_table.c.tenant_id == tenant_id, key_table.c.kind == kind
    )
    return 1 + int(connection.execute(known).scalar_one())


def assemble(provider: KeyProvider, tenant_id: str, rows: Sequence[KeyRow], settled: int) -> TenantCipher:
    """Unwrap ``rows`` into a cipher that seals under the newest data key from before ``settled`` (µs since the epoch).

    Where none is that old, the oldest one seals. Index keys that were exchanged come along for tokens that are never
    computed anew. Raises :class:`~amanah.errors.KeyUnknown` where a kind is lacking.
    """
    live = [row for row in rows if row.retired_at is None]
    kek = newest(rows, KEK)
    if kek is None:
        raise KeyUnknown
    wrapping = unwrapped_kek(provider, tenant_id, kek)
    data = {row.version: unwrap(wrapping, kek.version, tenant_id, row) for row in live if row.kind == DATA}
    index = {row.version: unwrap(wrapping, kek.version, tenant_id, row) for row in live if row.kind == INDEX}
    old = [row for row in rows if row.kind == DATA and row.retired_at is not None]
    exchanged = [row for row in rows if row.kind == INDEX and row.retired_at is not None]
    reading = max((r.version for r in live if r.kind == INDEX and r.read_from is not None), default=None)
    if not data or reading is None:
        raise KeyUnknown
    versions = [row.version for row in live if row.kind == DATA and row.created_at <= settled]
    keys = TenantKeys(
        data=data,
        sealing=max(versions, default=min(data)),
        index=index,
        reading=reading,
        retired_index={row.version: unwrap(wrapping, kek.version, tenant_id, row) for row in exchanged},
        epochs=_epochs(provider, tenant_id, rows),
        retired={row.version: unwrap(wrapping, kek.version, tenant_id, row) for row in old},
    )
    return TenantCipher(tenant_id, keys)


def _epochs(provider: KeyProvider, tenant_id: str, rows: Sequence[KeyRow]) -> dict[int, bytes]:
    """The epoch keys, also those that are retired: a secret may still be wrapped under one until it is destroyed."""
    keys = {}
    for row in rows:
        if row.kind == EPOCH:
            try:
                keys[row.version] = provided(provider, tenant_id, row)
            except ProviderKeyWrong:
                if row.retired_at is None:
                    raise
    return keys


def context(kind: str, tenant_id: str, version: int) -> bytes:
    """What a wrapped key is bound to."""
    return netstring("amanah key", kind, tenant_id, str(version))


def context_of(tenant_id: str, row: KeyRow) -> bytes:
    """What the key of ``row`` is bound to: a retired data key to that, so that no row makes it a living one again."""
    bound = context(row.kind, tenant_id, row.version)
    return netstring("retired") + bound if row.kind == DATA and row.retired_at is not None else bound


def newest(rows: Sequence[KeyRow], kind: str) -> KeyRow | None:
    """The newest key of that kind that is not retired."""
    live = (row for row in rows if row.kind == kind and row.retired_at is None)
    return max(live, key=lambda row: row.version, default=None)


def unwrapped_kek(provider: KeyProvider, tenant_id: str, row: KeyRow) -> Sealing:
    """What the tenant's key-encryption key of ``row`` wraps with. Raises as `assemble`, and `KeysUnavailable`."""
    return Sealing(provided(provider, tenant_id, row), netstring("kek", tenant_id, str(row.version)))


def provided(provider: KeyProvider, tenant_id: str, row: KeyRow) -> bytes:
    """The key of a row that the provider's key wraps. Raises what the provider raises, and `Tampered`."""
    bound = context(row.kind, tenant_id, row.version)
    try:
        key = provider.unwrap(row.wrapped, bound, row.provider_key_id or "")
    except AmanahError:
        raise
    except Exception as error:  # whatever a key service's client raises: without the key nothing is opened
        raise KeysUnavailable from error
    if len(key) != KEY_SIZE:
        raise Tampered
    return key


def unwrap(wrapping: Sealing, kek_version: int, tenant_id: str, row: KeyRow) -> bytes:
    """The data or index key of ``row``. Raises `KeyUnknown` where another key-encryption key wraps it, and `Tampered`.

    All of a tenant's keys are wrapped under its newest one at any time: what names an older one was put back.
    """
    if row.kek_version != kek_version:
        raise KeyUnknown
    try:
        key = wrapping.open(row.wrapped, context_of(tenant_id, row))
    except WrongKey:
        raise Tampered from None
    if len(key) != KEY_SIZE:
        raise Tampered
    return key


def insert_wrapped(
    connection: Connection, tenant_id: str, kind: str, version: int, kek_version: int, wrapping: Sealing
) -> None:
    """A new random key of that kind and version, wrapped under the tenant's key-encryption key.

    Raises `KeysUnavailable` where that was replaced meanwhile, and then the caller's transaction must be rolled back.
    """
    wrapped = wrapping.seal(kek_version, os.urandom(KEY_SIZE), context(kind, tenant_id, version))
    insert(connection, tenant_id, kind, version, wrapped, kek_version=kek_version)
    there = select(key_table.c.version).where(
        key_table.c.tenant_id == tenant_id, key_table.c.kind == KEK, key_table.c.version == kek_version
    )
    # Held until the caller commits (SQLite: by the INSERT), so that whoever replaces it finds the new key.
    if connection.execute(there.with_for_update(read=True, key_share=True)).first() is None:
        raise KeysUnavailable


def insert(
    connection: Connection,
    tenant_id: str,
    kind: str,
    version: int,
    wrapped: bytes,
    *,
    provider_key_id: str | None = None,
    kek_version: int | None = None,
    at: int | None = None,
) -> None:
    """A row of the key table; one that is there already stays as it is."""
    now = time.time_ns() // 1000 if at is None else at
    first = kind == INDEX and version == 1  # has no rows to be filled in before searches go by it
    # ON CONFLICT DO NOTHING instead of a savepoint: on pysqlite a savepoint can commit the caller's transaction.
    into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        into(key_table)
        .values(
            tenant_id=tenant_id,
            kind=kind,
            version=version,
            provider_key_id=provider_key_id,
            kek_version=kek_version,
            wrapped=wrapped,
            created_at=now,
            read_from=now if first else None,
        )
        .on_conflict_do_nothing()
    )
