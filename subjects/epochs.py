"""Epochs: subjects' secrets are re-wrapped under a new key from time to time, and the old one is destroyed.

A backup of the table of secrets brings an erased person back for as long as the key of its epoch can be had. So:

1. When an epoch is old enough (`Settings.epoch_days`), or at once when asked, a new one begins: a provider key of its
   own, under which each tenant gets a new epoch key. New secrets are wrapped under it as processes learn of it.
2. After a day, when every process knows it, the secrets of those who were not erased are re-wrapped under it.
3. An old epoch key that wraps no secret any more is retired. It can still be had: backups need it.
4. As many days later as backups are kept (`Settings.backup_retention_days`) it is deleted, and when no tenant has one
   under that provider key any more, the provider destroys that. From then on the backups of before are dark.

`tend` does whatever of this is due. It is meant for cron, once a day; killed, it is run again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, delete, func, select, update

from ..database import PLATFORM
from ..encryption.models import EPOCH
from ..encryption.models import key as key_table
from ..encryption.models import subject as subject_table
from ..encryption.netstrings import after, netstring
from ..encryption.tenant_keys import add_epoch, new_epoch_key
from ..errors import KeyUnknown, ProviderCannot

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection

    from ..guard import Guard

_SECOND: Final = 1_000_000
_DAY: Final = 86_400 * _SECOND
_BATCH: Final = 1_000
_KEY = key_table.c
_SECRET = subject_table.c


@dataclass(slots=True)
class Tended:
    """What a run did. ``waiting``: secrets that are re-wrapped on a later day, once every process knows the new key."""

    begun: bool = False
    rewrapped: int = 0
    waiting: int = 0
    retired: int = 0
    destroyed: list[str] = field(default_factory=list)


class Epochs:
    """The epochs of one installation."""

    def __init__(
        self, guard: Guard, *, operator: str, settled: int = _DAY, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """``settled``: microseconds after which every process knows a new key. ``clock``: nanoseconds since 1970."""
        self._guard = guard
        self._operator = operator
        self._settled = settled
        self._now = clock() // 1000

    def tend(self, *, begin: bool = False) -> Tended:
        """Do what is due. Raises `KeysUnavailable`, and SQLAlchemy's errors; what was done until then stays done."""
        done = Tended()
        tenants = self._tenants()
        for tenant in tenants:
            self._provision(tenant)
        done.begun = self._begin(begin=begin)  # 1
        for tenant in tenants:
            self._follow(tenant)
            rewrapped, waiting = self._rewrap(tenant)  # 2
            done.rewrapped += rewrapped
            done.waiting += waiting
        done.retired = sum(map(self._retire, reversed(tenants)))  # 3, the calendar last: it waits for the tenants'
        done.destroyed = self._destroy()  # 4
        return done

    def _tenants(self) -> list[str]:
        """All tenants that have keys; the platform's come first, whose epochs are the calendar."""
        with self._guard.engine.connect() as connection:
            found = connection.scalars(select(_KEY.tenant_id).distinct()).all()
        return sorted(found, key=lambda one: (one != PLATFORM, one))

    def _provision(self, tenant: str) -> None:
        """A tenant from before there were epochs gets its first one."""
        try:
            with self._guard.engine.begin() as connection:
                self._guard.keyring.provision(connection, tenant)
        except KeyUnknown:
            return  # shut down: all its keys are retired

    def _begin(self, *, begin: bool) -> bool:
        with self._guard.engine.connect() as connection:
            newest = _newest(connection, PLATFORM)
        if newest is None:
            return False
        due = newest.created_at + self._guard.settings.epoch_days * _DAY <= self._now
        if not (due or begin):
            return False
        key_id = new_epoch_key(self._guard.provider)
        with self._guard.engine.begin() as connection:
            add_epoch(connection, self._guard.provider, PLATFORM, key_id, self._now)
        return True

    def _follow(self, tenant: str) -> None:
        """The tenant's newest epoch is the platform's."""
        with self._guard.engine.begin() as connection:
            calendar, mine = _newest(connection, PLATFORM), _newest(connection, tenant)
            if calendar is None or mine is None or mine.created_at >= calendar.created_at:
                return
            version = add_epoch(connection, self._guard.provider, tenant, calendar.provider_key_id, self._now)
            self._guard.note_act(connection, tenant, self._operator, {"act": "epoch.begin", "epoch": version})

    def _rewrap(self, tenant: str) -> tuple[int, int]:
        """The secrets of older epochs under the newest: how many were moved, and how many wait."""
        with self._guard.engine.connect() as connection:
            newest = _newest(connection, tenant)
            old = and_(_SECRET.tenant_id == tenant, _SECRET.epoch < (0 if newest is None else newest.version))
            count = connection.scalar(select(func.count()).select_from(subject_table).where(old)) or 0
        if newest is None or not count:
            return 0, 0
        if newest.created_at + self._settled > self._now:
            return 0, count
        self._guard.keyring.forget(tenant)  # what is in memory may not know the newest key
        cipher = self._guard.keyring.cipher(tenant)
        moved = 0
        while True:
            with self._guard.engine.begin() as connection:
                rows = connection.execute(
                    select(_SECRET.kind, _SECRET.subject, _SECRET.wrapped).where(old).limit(_BATCH)
                ).all()
                for kind, subject, wrapped in rows:
                    secret = cipher.unwrap_secret(kind, subject, after(bytes(wrapped), 0)[0])
                    anew = {"wrapped": netstring(cipher.wrap_secret(kind, subject, secret)), "epoch": cipher.epoch}
                    same = and_(old, _SECRET.kind == kind, _SECRET.subject == subject, _SECRET.wrapped == wrapped)
                    moved += connection.execute(update(subject_table).where(same).values(anew)).rowcount
            if len(rows) < _BATCH:
                return moved, 0

    def _retire(self, tenant: str) -> int:
        """Epoch keys that wrap no secret any more."""
        with self._guard.engine.begin() as connection:
            newest = _newest(connection, tenant)
            if newest is None or newest.created_at + self._settled > self._now:
                return 0
            used = select(_SECRET.epoch).where(_SECRET.tenant_id == tenant, _SECRET.epoch.is_not(None))
            if tenant == PLATFORM:
                names = select(_KEY.provider_key_id).where(
                    _KEY.kind == EPOCH, _KEY.tenant_id != PLATFORM, _KEY.retired_at.is_(None)
                )
                used = select(_KEY.version).where(_mine(tenant), _KEY.provider_key_id.in_(names))
            idle = and_(
                _mine(tenant), _KEY.version < newest.version, _KEY.retired_at.is_(None), _KEY.version.not_in(used)
            )
            return int(connection.execute(update(key_table).where(idle).values(retired_at=self._now)).rowcount)

    def _destroy(self) -> list[str]:
        """Epoch keys that no backup within the declared time needs, and the provider keys above them."""
        until = self._now - self._guard.settings.backup_retention_days * _DAY
        over = and_(_KEY.kind == EPOCH, _KEY.retired_at <= until)
        engine = self._guard.engine
        with engine.begin() as connection:
            gone = connection.scalars(select(_KEY.tenant_id).where(over, _KEY.tenant_id != PLATFORM)).all()
            connection.execute(delete(key_table).where(over, _KEY.tenant_id != PLATFORM))
            for tenant in sorted(set(gone)):
                self._guard.note_act(connection, tenant, self._operator, {"act": "epoch.destroy"})
            calendar = connection.execute(
                select(_KEY.version, _KEY.provider_key_id).where(over, _KEY.tenant_id == PLATFORM)
            ).all()
        destroyed = []
        for version, key_id in calendar:
            last = and_(_KEY.kind == EPOCH, _KEY.provider_key_id == key_id)
            with engine.begin() as connection:
                others = select(_KEY.tenant_id).where(last, ~and_(_KEY.tenant_id == PLATFORM, _KEY.version == version))
                if connection.execute(others.limit(1)).first() is None:
                    try:
                        self._guard.provider.destroy_key(key_id)
                    except ProviderCannot:  # one key for everything: only old backups that are deleted go dark
                        continue
                    destroyed.append(key_id)
                connection.execute(delete(key_table).where(_mine(PLATFORM), _KEY.version == version))
        for tenant in {*gone, PLATFORM}:
            self._guard.keyring.forget(tenant)
        return destroyed


def dark_on(guard: Guard, connection: Connection, tenant: str, kind: str, subject: str, at: int) -> date:
    """The day from which no backup holds the subject's secret in a form that can be unwrapped, if `tend` runs daily.

    ``at``: the erasure, in microseconds since 1970; asked before the secret is destroyed.
    """
    epoch = connection.scalar(
        select(_SECRET.epoch).where(_SECRET.tenant_id == tenant, _SECRET.kind == kind, _SECRET.subject == subject)
    )
    ends = at
    if epoch is not None:
        later = select(func.min(_KEY.created_at)).where(_mine(tenant), _KEY.version > epoch)
        began = select(_KEY.created_at).where(_mine(tenant), _KEY.version == epoch)
        following = connection.scalar(later)
        if following is None:
            following = (connection.scalar(began) or at) + guard.settings.epoch_days * _DAY
        ends = max(at, following) + 2 * _DAY  # the day on which it begins, and the one on which secrets are moved
    # A key service lets the destruction of a key be called off for a while.
    window = getattr(guard.provider, "destruction_days", 0)
    dark = ends + (guard.settings.backup_retention_days + window) * _DAY
    return datetime.fromtimestamp(-(-dark // _DAY) * 86_400, UTC).date()


class _Epoch(NamedTuple):
    """One row, as far as it is needed."""

    version: int
    created_at: int
    provider_key_id: str


def _mine(tenant: str) -> ColumnElement[bool]:
    return and_(_KEY.tenant_id == tenant, _KEY.kind == EPOCH)


def _newest(connection: Connection, tenant: str) -> _Epoch | None:
    query = select(_KEY.version, _KEY.created_at, _KEY.provider_key_id).where(_mine(tenant), _KEY.retired_at.is_(None))
    row = connection.execute(query.order_by(_KEY.version.desc()).limit(1)).first()
    return None if row is None else _Epoch(*row)


__all__ = ["Epochs", "Tended", "dark_on"]
