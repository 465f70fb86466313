"""What an admission knows of a tenant: its roster, its policy and its keys, all of the version that it has now.

Is the tenant known, what is its version now, and what time is it? One cheap question per request; what is remembered is
used only if it is of that version, and the policy if it is of this moment; no other clock is asked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from anyio import to_thread

from ..database import PLATFORM
from ..errors import PolicyBehind, PolicyUnavailable, TenantUnknown
from ..tenants.roster import ACTIVE
from ..tenants.version_sources import NO_TENANT

if TYPE_CHECKING:
    from ..access_policies.policies import Policies
    from ..access_policies.snapshot import Snapshot
    from ..encryption.keyring import Keyring, TenantCipher
    from ..tenants.directory import Directory
    from ..tenants.roster import Roster
    from ..tenants.version_sources import Current
    from ..tenants.versions import VersionReader


class Known(NamedTuple):
    """What is known of a tenant at ``now``, in µs. ``snapshot``: None if it is not active.

    ``arrived``: a stranger's status by now.
    """

    roster: Roster
    now: int
    snapshot: Snapshot | None
    cipher: TenantCipher | None
    platform: TenantCipher | None
    arrived: str | None = None


class KnownTenants:
    """Safe for threads; remembers the rosters of at most ``capacity`` tenants."""

    def __init__(
        self, keyring: Keyring, directory: Directory, policies: Policies, versions: VersionReader, capacity: int
    ) -> None:
        """Start with none."""
        self._keyring = keyring
        self._directory = directory
        self._policies = policies
        self._versions = versions
        self._capacity = capacity
        self._rosters: OrderedDict[str, Roster] = OrderedDict()
        self._lock = threading.Lock()

    async def known(self, tenant: str, at_least: int) -> Known:
        """What is known of it now, at this version or a newer one. Raises `TenantUnknown`, `PolicyBehind`."""
        current = await self._versions.current(tenant) if tenant != PLATFORM else NO_TENANT
        known = self._remembered(tenant, current)
        if known is None:
            known = await to_thread.run_sync(self._load, tenant, current)
        if known.roster.version < at_least:
            raise PolicyBehind
        return known

    def known_now(self, tenant: str) -> Known:
        """`known`, of any version, on this thread: never on an event loop's."""
        current = self._versions.current_now(tenant) if tenant != PLATFORM else NO_TENANT
        return self._remembered(tenant, current) or self._load(tenant, current)

    def _remembered(self, tenant: str, current: Current) -> Known | None:
        """What is in memory, if all of it is of this version; no I/O."""
        version, now = current
        if not version:
            raise TenantUnknown
        with self._lock:
            roster = self._rosters.get(tenant)
            if roster is None or roster.version < version:
                return None
            self._rosters.move_to_end(tenant)
        if roster.status != ACTIVE:
            return Known(roster, now, None, self._keyring.cached(tenant), self._keyring.cached(PLATFORM))
        snapshot = self._policies.cached(tenant, version, now)
        cipher = self._keyring.cached(tenant)
        platform = self._keyring.cached(PLATFORM)
        if snapshot is None or cipher is None or platform is None:
            return None
        return Known(roster, now, snapshot, cipher, platform)

    def _load(self, tenant: str, current: Current) -> Known:
        """Read what is missing. The version was read first, so that what is read now is at least as new."""
        version, now = current
        roster = self._directory.load(tenant)
        if roster.version < version:
            raise PolicyUnavailable
        with self._lock:
            self._rosters[tenant] = roster
            self._rosters.move_to_end(tenant)
            if len(self._rosters) > self._capacity:
                self._rosters.popitem(last=False)
        if roster.status != ACTIVE:  # a closed tenant may have neither policy nor keys any more
            return Known(roster, now, None, self._keyring.cached(tenant), self._keyring.cached(PLATFORM))
        snapshot = self._policies.snapshot(tenant, version, now)
        return Known(roster, now, snapshot, self._keyring.cipher(tenant), self._keyring.cipher(PLATFORM))
