"""`amanah keys list`: which keys there are, what each is good for now, and which of the provider's keys wraps what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..audit.entries import now_us
from ..encryption.models import DATA, EPOCH, INDEX, KEK
from ..encryption.tenant_keys import rows_of
from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final

    from ..encryption.tenant_keys import KeyRow
    from ..guard import Guard

STATES: Final = {
    "seals": N_("seals and opens"),
    "waits": N_("opens; seals from {when}"),
    "opens": N_("opens"),
    "retired": N_("retired"),
    "wraps": N_("wraps"),
    "searches": N_("searched by"),
    "filling": N_("is filled in"),
}
"""What a key is good for now."""


class Key(NamedTuple):
    """One key. ``under``: the id of the provider's key that wraps it, or the version of the tenant's.

    ``state``: one of `STATES`. Times are µs since the epoch, UTC; ``from_``: when a data key begins to seal.
    """

    tenant: str
    kind: str
    version: int
    state: str
    created_at: int
    under: str
    from_: int | None


class ProviderKey(NamedTuple):
    """One key of the provider's: how many tenants' keys and how many epoch keys are wrapped under it."""

    key_id: str
    current: bool
    tenants: int
    epochs: int


def keys_of(guard: Guard, tenants: Sequence[str]) -> list[Key]:
    """The keys of ``tenants``, none of them unwrapped."""
    found: list[Key] = []
    with guard.engine.connect() as connection:
        for tenant in tenants:
            found += _judged(guard, tenant, rows_of(connection, tenant))
    return found


def provider_keys(guard: Guard, keys: Sequence[Key]) -> list[ProviderKey]:
    """The keys of the provider under which ``keys`` are, and its current one. Raises what the provider raises."""
    current = guard.provider.key_id()
    ids = {current} | {one.under for one in keys if one.kind in {KEK, EPOCH}}
    count = [(one.under, one.kind) for one in keys].count
    return [ProviderKey(one, one == current, count((one, KEK)), count((one, EPOCH))) for one in sorted(ids)]


def _judged(guard: Guard, tenant: str, rows: Sequence[KeyRow]) -> Iterator[Key]:
    now = now_us()
    live = [row for row in rows if row.retired_at is None]
    data = [row for row in live if row.kind == DATA]
    ready = [row.version for row in data if guard.keyring.settles_at(row.created_at) <= now]
    seals = max(ready, default=min((row.version for row in data), default=0))
    reads = max((row.version for row in live if row.kind == INDEX and row.read_from is not None), default=0)
    for row in rows:
        last = max(other.version for other in rows if other.kind == row.kind)
        from_ = None
        if row.retired_at is not None:
            state = "retired"
        elif row.kind == DATA:
            state = "seals" if row.version == seals else "waits" if row.version > seals else "opens"
            from_ = guard.keyring.settles_at(row.created_at) if state == "waits" else None
        elif row.kind == INDEX:
            state = "searches" if row.version == reads else "filling" if row.read_from is None else "opens"
        else:
            state = "wraps" if row.version == last else "opens"
        under = row.provider_key_id or f"kek {row.kek_version}"
        yield Key(tenant, row.kind, row.version, state, row.created_at, under, from_)
