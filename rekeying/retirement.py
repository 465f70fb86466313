"""`amanah keys retire`: data keys below a version are refused from then on, for one tenant.

What a retired key goes on to open are the sealed parts of the trail's entries (`cipher.ARCHIVED`): their bytes are
hashed into leaves and never written anew. Of a retired key a process therefore holds nothing but what is derived for
those fields, and its row is bound to being retired: neither clearing ``retired_at`` nor an older copy of the row beside
the newer ones makes it a living key again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..adoption.requests import under
from ..adoption.sealing_targets import engine_for, sealed, tables_there
from ..audit.entries import now_us
from ..encryption.key_rotation import held, retire_below
from ..encryption.models import DATA
from ..encryption.tenant_keys import newest, rows_of
from ..errors import InvalidInput, KeyNotSettled, KeyStillUsed
from ..i18n import N_
from ..middleware.row_seals import SEAL_COLUMN
from .alone import alone
from .envelopes import Census, Envelopes, version_in
from .reencrypt import REQUESTS, moment
from .row_seals import seals_under, with_row_seals

if TYPE_CHECKING:
    from ..encryption.tenant_keys import KeyRow
    from ..guard import Guard


class Retired(NamedTuple):
    """What changed: ``versions`` that were retired, or, where the minimum was lowered, that live again.

    ``lost``: how many values cannot be opened any more, by column; none unless it was forced.
    """

    versions: list[int]
    lowered: bool
    lost: dict[str, int]


def retire(guard: Guard, tenant: str, min_version: int, *, operator: str, force: str = "") -> Retired:
    """Refuse the data keys of ``tenant`` below ``min_version``; in every process within the keyring's time limit.

    ``force``: a reason, for the trail, to do it although values are still sealed under one of them, or to lower the
    minimum, which makes the keys from it on live again. Raises `KeyStillUsed`, `KeyNotSettled` while some process may
    still seal under an older version, `InvalidInput`, `RotationBusy`, and what the provider raises.
    """
    lost: dict[str, int] = {}
    with alone(guard.engine):
        with guard.engine.connect() as connection:
            data = [row for row in rows_of(connection, tenant) if row.kind == DATA]
        lowered = _check(guard, tenant, data, min_version)
        if lowered and not force:
            raise InvalidInput(detail=N_("this makes retired keys live again: it takes --force and a reason"))
        if not lowered:  # not in a transaction that others wait for: all rows of the tenant are looked at
            lost = still_under(guard, tenant, min_version)
            if lost and not force:
                raise KeyStillUsed(tenant=tenant, count=sum(lost.values()), columns=", ".join(sorted(lost)))
        with guard.engine.begin() as connection:
            rows = held(connection, tenant)
            versions = retire_below(connection, guard.provider, tenant, rows, min_version)
            detail: dict[str, str | int | bool] = {"act": "keys.retire", "min_version": min_version}
            if force:
                detail |= {"forced": force, "lost": sum(lost.values())}
            guard.note_act(connection, tenant, operator, detail)
    guard.keyring.forget(tenant)
    return Retired(versions, lowered, lost)


def still_under(guard: Guard, tenant: str, min_version: int) -> dict[str, int]:
    """How many values of the tenant are under a data key below ``min_version``, by column; those that count only."""
    with engine_for(guard) as engine:
        tables = [Envelopes(table, mine, engine.dialect) for table, mine in tables_there(engine, sealed(guard, ()))]
        found = dict(Census(engine, tables, tenant).cells(tenant, lambda _, begin: version_in(begin) < min_version))
        for seal in with_row_seals(guard, ()):
            seals = seals_under(engine, seal, tenant)
            old = sum(count for begin, count in seals.items() if version_in(begin) < min_version)
            if old:
                found[f"{seal.table.name}.{SEAL_COLUMN}"] = old
    requests = sum(count for begin, count in under(guard, tenant).items() if version_in(begin) < min_version)
    return found | ({REQUESTS: requests} if requests else {})


def _check(guard: Guard, tenant: str, data: list[KeyRow], min_version: int) -> bool:
    """Whether it lowers the minimum. Raises where it cannot be done."""
    last = newest(data, DATA)
    kept = next((row for row in data if row.version == min_version), None)
    if kept is None or last is None or min_version > last.version:
        raise InvalidInput(detail=N_("there is no such version of the data key"))
    live = min(row.version for row in data if row.retired_at is None)
    if min_version < live:
        return True
    unused = guard.keyring.unused_at(kept.created_at)
    if min_version > 1 and unused > now_us():
        raise KeyNotSettled(tenant=tenant, version=min_version, when=moment(unused))
    return False
