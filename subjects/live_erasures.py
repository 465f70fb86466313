"""The doctor's look at erasures: do they hold, here and in the backups?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from ..database import PLATFORM
from ..encryption.models import EPOCH
from ..encryption.models import key as key_table
from ..errors import LedgerDamaged
from ..middleware.checks_of_installation import EPOCH_OVERDUE, LEDGER_AHEAD, LEDGER_DAMAGED
from .replay import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..guard import Guard
    from ..middleware.finding import Finding
    from ..settings import Settings

_DAY: Final = 86_400_000_000
_GRACE: Final = 2 * _DAY
"""`Epochs.tend` runs once a day, and one run may have failed."""


class _Epoch(NamedTuple):
    """One epoch key, as far as it is needed."""

    tenant_id: str
    created_at: int
    retired_at: int | None


def live_ledger(guard: Guard) -> Iterator[Finding]:
    """Erasures of the ledger that the database does not know."""
    path = str(guard.settings.erasure_ledger)
    try:
        with guard.engine.connect() as connection:
            waiting = unknown(guard, connection)
    except LedgerDamaged as error:
        yield LEDGER_DAMAGED(path, path=path, line=str(error.facts["line"]))
        return
    if waiting:
        yield LEDGER_AHEAD(path, count=str(len(waiting)))


def live_epochs(guard: Guard, *, clock: Callable[[], int] = time.time_ns) -> Iterator[Finding]:
    """Tenants, and the platform, for whom `Epochs.tend` has something to do for longer than two days."""
    now, columns = clock() // 1000, key_table.c
    query = select(columns.tenant_id, columns.created_at, columns.retired_at).where(columns.kind == EPOCH)
    with guard.engine.connect() as connection:
        rows = [_Epoch(*row) for row in connection.execute(query.order_by(columns.tenant_id, columns.version))]
    calendar = max((one.created_at for one in rows if one.tenant_id == PLATFORM and one.retired_at is None), default=0)
    for tenant, epochs in groupby(rows, lambda one: one.tenant_id):
        due = _due(list(epochs), calendar, guard.settings)
        if due + _GRACE <= now:
            since = datetime.fromtimestamp(due // 1_000_000, UTC).date()
            yield EPOCH_OVERDUE(tenant, since=since.isoformat())


def _due(epochs: Sequence[_Epoch], calendar: int, settings: Settings) -> int:
    """The first moment at which there is something to do, in microseconds since 1970; ``epochs``: one tenant's.

    ``calendar``: when the platform's newest began.
    """
    moments = [one.retired_at + settings.backup_retention_days * _DAY for one in epochs if one.retired_at is not None]
    live = [one.created_at for one in epochs if one.retired_at is None]
    if live:
        moments.append(live[-1] + settings.epoch_days * _DAY)
        if live[-1] < calendar:  # the next one is there for the others
            moments.append(calendar)
        if live[:-1]:  # secrets are to be re-wrapped once every process knows the newest
            moments.append(live[-1] + _DAY)
    return min(moments)


__all__ = ["live_epochs", "live_ledger"]
