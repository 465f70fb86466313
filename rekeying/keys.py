"""`amanah keys rotate`: new data keys, new key-encryption keys, and the move to another key of the provider.

Each tenant is one transaction with its entry in the trail. A run that was killed is run again: what is done is seen in
the key table, and nothing is done twice.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select

from ..audit.entries import now_us
from ..database import PLATFORM
from ..encryption.key_rotation import held, replace_kek, rewrap
from ..encryption.models import DATA, EPOCH, KEK
from ..encryption.models import key as key_table
from ..encryption.tenant_keys import add_data_key, newest, rows_of
from ..errors import ProviderKeyCurrent, ProviderKeyNamed, ProviderKeyWrong, Tampered
from .alone import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..guard import Guard

SETTLING: Final = 60.0
"""Seconds within which every process asks the provider anew which of its keys is current (`KeyProvider.key_id`)."""

_PASSES: Final = 3


class Rotated(NamedTuple):
    """One tenant's newest key of that kind. ``made``: now; else another run made it just before.

    ``used_from``: µs since the epoch, when values begin to be sealed under it; None where that needs no waiting.
    """

    tenant: str
    version: int
    made: bool
    used_from: int | None = None


def with_keys(guard: Guard) -> list[str]:
    """Every tenant that has keys, and the platform."""
    with guard.engine.connect() as connection:
        found = connection.scalars(select(key_table.c.tenant_id).where(key_table.c.kind == KEK).distinct())
        return sorted(found)


def rotate_data(guard: Guard, tenants: Sequence[str], *, operator: str) -> list[Rotated]:
    """Add a data key for each of ``tenants``; one whose newest is not in use yet keeps that.

    Raises `RotationBusy`, `KeyUnknown`, and what the provider raises; tenants that were done until then are done.
    """
    made = []
    with alone(guard.engine):
        for tenant in tenants:
            with guard.engine.begin() as connection:
                last = newest(held(connection, tenant), DATA)
                if last is not None and guard.keyring.settles_at(last.created_at) > now_us():
                    settles = guard.keyring.settles_at(last.created_at)
                    made.append(Rotated(tenant, last.version, made=False, used_from=settles))
                    continue
                version = add_data_key(connection, guard.provider, tenant)
                guard.note_act(connection, tenant, operator, {"act": "keys.rotate.data", "version": version})
            made.append(Rotated(tenant, version, made=True, used_from=guard.keyring.settles_at(now_us())))
    return made


def rotate_tenant(guard: Guard, tenants: Sequence[str], *, operator: str) -> list[Rotated]:
    """Replace the key-encryption key of each of ``tenants``; the old one is destroyed. Raises as `rotate_data`."""
    made = []
    with alone(guard.engine):
        for tenant in tenants:
            with guard.engine.begin() as connection:
                version = replace_kek(connection, guard.provider, tenant, held(connection, tenant))
                guard.note_act(connection, tenant, operator, {"act": "keys.rotate.tenant", "version": version})
            made.append(Rotated(tenant, version, made=True))
    return made


@dataclass(slots=True)
class Rewrapped:
    """What the move to the provider's key ``key_id`` came to.

    ``done``: tenants whose key-encryption key was wrapped anew. ``left``: of the others, how many are under which other
    key. ``epochs``: how many epoch keys are under which other key; they are not touched. ``refused``: tenants whose key
    the provider does not unwrap, with the code of its error.
    """

    key_id: str
    done: int = 0
    left: dict[str, int] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    """Keys of the provider that were in use before, and that no row names any more."""


def rotate_provider(
    guard: Guard,
    tenants: Sequence[str] | None,
    *,
    operator: str,
    new: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Rewrapped:
    """Wrap the key-encryption keys of ``tenants`` (None: all, the platform too) under the provider's current key.

    ``new``: make that first. ``advance`` is told of each tenant. Raises `RotationBusy`, and `ProviderCannot` and
    `KeysUnavailable` of the provider; run it again, then.
    """
    with alone(guard.engine):
        before = _named(guard)
        key_id = guard.provider.create_key("tenants") if new else guard.provider.key_id()
        result = Rewrapped(key_id)
        for _ in range(_PASSES):
            due = [one for one in _elsewhere(guard, key_id) if tenants is None or one in tenants]
            for tenant in due:
                if tenant not in result.refused:
                    result.done += _moved(guard, tenant, operator, result)
                    advance(1)
            if set(due) <= set(result.refused):
                break
        named = _named(guard)
        result.left = {one: n for (one, kind), n in sorted(named.items()) if kind == KEK and one != key_id}
        result.epochs = {one: n for (one, kind), n in sorted(named.items()) if kind == EPOCH and (one, KEK) in before}
        result.free = sorted({one for one, _ in before} - {one for one, _ in named} - {key_id})
        return result


def _moved(guard: Guard, tenant: str, operator: str, result: Rewrapped) -> bool:
    with guard.engine.connect() as connection:
        rows = [row for row in rows_of(connection, tenant) if row.kind == KEK]
    key_id = result.key_id
    stored = False
    for row in rows:
        if row.provider_key_id == key_id:
            continue
        try:
            store = rewrap(guard.provider, tenant, row, key_id)  # while no transaction is open: it asks the provider
        except (ProviderKeyWrong, Tampered) as error:  # this tenant cannot work now either; the others are moved
            result.refused[tenant] = error.code
            return False
        with guard.engine.begin() as connection:
            if not store(connection):
                continue
            detail = {"act": "keys.rotate.provider", "provider_key": key_id, "before": row.provider_key_id or ""}
            guard.note_act(connection, tenant, operator, detail)
            stored = True
    return stored


def _named(guard: Guard) -> Counter[tuple[str, str]]:
    """How many rows name which key of the provider's, by its id and their kind."""
    query = select(key_table.c.provider_key_id, key_table.c.kind, func.count())
    query = query.where(key_table.c.provider_key_id.is_not(None)).group_by(*query.selected_columns[:2])
    with guard.engine.connect() as connection:
        return Counter({(key_id, kind): count for key_id, kind, count in connection.execute(query)})


def _elsewhere(guard: Guard, key_id: str) -> list[str]:
    query = select(key_table.c.tenant_id).where(key_table.c.kind == KEK, key_table.c.provider_key_id != key_id)
    with guard.engine.connect() as connection:
        return sorted(connection.scalars(query.distinct()))


def destroy(guard: Guard, key_id: str, *, operator: str, pause: Callable[[float], None]) -> None:
    """Destroy a key of the provider's that nothing in the database names. For ever, and for every backup.

    ``pause(seconds)`` waits: for longer than a process may take the key for the current one. Raises `ProviderKeyNamed`,
    `ProviderKeyCurrent`, `RotationBusy` and what the provider raises.
    """
    with alone(guard.engine):
        _refuse_named(guard, key_id)
        pause(SETTLING)
        _refuse_named(guard, key_id)
        with guard.engine.begin() as connection:
            guard.note_act(connection, PLATFORM, operator, {"act": "keys.destroy", "provider_key": key_id})
        guard.provider.destroy_key(key_id)


def _refuse_named(guard: Guard, key_id: str) -> None:
    rows = sum(count for (one, _), count in _named(guard).items() if one == key_id)
    if rows:
        raise ProviderKeyNamed(key_id=key_id, rows=rows)
    if guard.provider.key_id() == key_id:
        raise ProviderKeyCurrent(key_id=key_id)
