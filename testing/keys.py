"""Keys that live as long as the test's process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from ..encryption.local_keys import LocalKeys, NamedKeys
from ..errors import ProviderKeyCurrent

if TYPE_CHECKING:
    from ..encryption.provider import KeyUse

_KEY_SIZE = 32


class MemoryKeys(LocalKeys):
    """A key provider whose random keys are nowhere but in memory: what they sealed is lost with the process.

    For ``Guard.production(provider=MemoryKeys(), …)`` in tests, on a database that goes with them.
    """

    def __init__(self) -> None:
        """Make the first key."""
        super().__init__({"memory": os.urandom(_KEY_SIZE)}, "memory")
        self._lock = threading.Lock()

    def create_key(self, use: KeyUse) -> str:
        """Another random key."""
        name = f"memory-{use}-{os.urandom(8).hex()}"
        with self._lock:
            keys = {**self._named.keys, name: os.urandom(_KEY_SIZE)}
            self._named = NamedKeys(keys, name if use == "tenants" else self._named.current)
        return name

    def destroy_key(self, key_id: str) -> None:
        """Drop it; the current one is kept."""
        with self._lock:
            if key_id == self._named.current:
                raise ProviderKeyCurrent(key_id=key_id)
            keys = {name: key for name, key in self._named.keys.items() if name != key_id}
            self._named = NamedKeys(keys, self._named.current)
