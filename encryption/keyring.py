"""The keyring: a tenant's keys from the database, unwrapped, and kept in memory for a while.

The hierarchy: the provider's key wraps a tenant's key-encryption key (KEK); the KEK wraps versioned data keys and the
index key; HKDF makes a key per field and use of them (:mod:`.sealing`). Each wrap is bound to tenant, kind and version.

Invariants:

- keys are created by `provision` and `rotate_data_key` only, in the caller's transaction, never by a read;
- one load per tenant at a time, whoever else asks meanwhile gets its result (single-flight);
- at most ``capacity`` tenants are held, none is used longer than ``ttl`` seconds, and each load drops those whose time
  is over;
- what `forget` was told to forget is not brought back by a load that had begun before.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from ..errors import AmanahError, DatabaseNotMigrated, KeysUnavailable
from .cipher import TenantCipher
from .models import key as key_table
from .tenant_keys import add_data_key, assemble, provision, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from .provider import KeyProvider

__all__ = ["Keyring", "TenantCipher"]

_MICROSECONDS = 1_000_000


class Keyring:
    """Tenants' ciphers, loaded when first asked for. Thread-safe, and usable in a forked child."""

    def __init__(
        self,
        engine: Engine,
        provider: KeyProvider,
        *,
        capacity: int = 500,
        ttl: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``engine`` reaches Amanah's own tables; ``ttl`` in seconds of ``clock``, the same in all processes."""
        if capacity < 1 or ttl <= 0:
            raise ValueError("a keyring holds at least one tenant for some time")
        self._engine = engine
        self._provider = provider
        self._capacity = capacity
        self._ttl = ttl
        self._clock = clock
        self._held: OrderedDict[str, tuple[TenantCipher, float]] = OrderedDict()
        self._flights: dict[str, Future[TenantCipher]] = {}
        self._lock = threading.Lock()
        _keyrings.add(self)

    @property
    def ttl(self) -> float:
        """For how many seconds keys are held."""
        return self._ttl

    def now(self) -> float:
        """Seconds of the keyring's clock."""
        return self._clock()

    def provision(self, connection: Connection, tenant_id: str) -> None:
        """Create what the tenant lacks of KEK, data key and index key, in the caller's transaction. Idempotent."""
        provision(connection, self._provider, tenant_id)

    def rotate_data_key(self, connection: Connection, tenant_id: str) -> int:
        """Add a data key in the caller's transaction and return its version.

        New values are sealed under it once every process is sure to know it, that is two ``ttl`` later; no value ever
        names a key that some process has not loaded yet. The older keys stay for what they sealed.
        """
        return add_data_key(connection, self._provider, tenant_id)

    def settles_at(self, created_at: int) -> int:
        """When every process is sure to know a key that was made at ``created_at`` (µs since the epoch, UTC)."""
        return created_at + int(2 * self._ttl * _MICROSECONDS)

    def forgotten_at(self, changed_at: int) -> int:
        """When nobody works any more by keys that were loaded before ``changed_at``.

        A process holds them for one ``ttl``, and an access that took them at the end of that for another one.
        """
        return changed_at + int(2 * self._ttl * _MICROSECONDS)

    def unused_at(self, created_at: int) -> int:
        """When nobody seals under an older key any more: keys that were loaded before `settles_at` are forgotten."""
        return self.forgotten_at(self.settles_at(created_at))

    def cipher(self, tenant_id: str) -> TenantCipher:
        """The tenant's cipher; asks database and provider where it is not in memory.

        Raises :class:`~amanah.errors.KeyUnknown` (the tenant has no keys), :class:`~amanah.errors.KeysUnavailable`,
        :class:`~amanah.errors.KeyFileWrong`, :class:`~amanah.errors.DatabaseNotMigrated`,
        :class:`~amanah.errors.Tampered` (a wrapped key was changed).
        """
        with self._lock:
            found = self._held_now(tenant_id)
            if found is not None:
                return found
            flight = self._flights.get(tenant_id)
            leading = flight is None
            if flight is None:
                flight = self._flights[tenant_id] = Future()
        return self._lead(tenant_id, flight) if leading else _follow(flight)

    def cached(self, tenant_id: str) -> TenantCipher | None:
        """The tenant's cipher if it is in memory. No I/O."""
        with self._lock:
            return self._held_now(tenant_id)

    def forget(self, tenant_id: str) -> None:
        """Drop the tenant's keys; the next `cipher` loads them anew, also while a load is under way."""
        with self._lock:
            self._held.pop(tenant_id, None)
            self._flights.pop(tenant_id, None)

    def _held_now(self, tenant_id: str) -> TenantCipher | None:
        entry = self._held.get(tenant_id)
        if entry is None:
            return None
        cipher, until = entry
        if self._clock() >= until:
            del self._held[tenant_id]
            return None
        self._held.move_to_end(tenant_id)
        return cipher

    def _lead(self, tenant_id: str, flight: Future[TenantCipher]) -> TenantCipher:
        begun = self._clock()  # the keys are as old as the question, not as the answer
        try:
            cipher = self._load(tenant_id)
        except BaseException as error:
            self._land(tenant_id, flight)
            flight.set_exception(error)
            raise
        self._land(tenant_id, flight, cipher, begun + self._ttl)
        flight.set_result(cipher)
        return cipher

    def _land(
        self, tenant_id: str, flight: Future[TenantCipher], cipher: TenantCipher | None = None, until: float = 0.0
    ) -> None:
        with self._lock:
            if self._flights.get(tenant_id) is not flight:
                return  # forgotten meanwhile
            del self._flights[tenant_id]
            if cipher is None:
                return
            now = self._clock()  # nobody may ever ask again for those whose time is over
            for over in [tenant for tenant, (_, end) in self._held.items() if now >= end]:
                del self._held[over]
            self._held[tenant_id] = cipher, until
            self._held.move_to_end(tenant_id)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)

    def _load(self, tenant_id: str) -> TenantCipher:
        try:
            with self._engine.connect() as connection:
                rows = rows_of(connection, tenant_id)
        except SQLAlchemyError as error:
            self._blame(error)
        settled = int((time.time() - 2 * self._ttl) * _MICROSECONDS)
        return assemble(self._provider, tenant_id, rows, settled)

    def _blame(self, error: SQLAlchemyError) -> NoReturn:
        """Say which situation a failed query is: the tables are not there, or the database is away. Always raises."""
        try:
            migrated = inspect(self._engine).has_table(key_table.name)
        except SQLAlchemyError:
            migrated = True  # the database is away: nothing is known of its tables
        if migrated:
            raise KeysUnavailable from error
        raise DatabaseNotMigrated from error

    def _renew(self) -> None:
        """In a forked child: the threads that held the lock or were loading are not here."""
        self._lock = threading.Lock()
        self._flights = {}


def _follow(flight: Future[TenantCipher]) -> TenantCipher:
    error = flight.exception()
    if error is None:
        return flight.result()
    # An error of one's own: the gate writes its decision id onto it.
    if isinstance(error, AmanahError):
        raise type(error)(**error.facts) from error
    raise KeysUnavailable from error


_keyrings: weakref.WeakSet[Keyring] = weakref.WeakSet()


def _after_fork() -> None:
    for keyring in _keyrings:
        keyring._renew()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
