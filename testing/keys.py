"""Keys that live as long as the test's process."""

from __future__ import annotations

import os

from ..encryption.local_keys import LocalKeys

_KEY_SIZE = 32


class MemoryKeys(LocalKeys):
    """A key provider whose one random key is nowhere but in memory: what it sealed is lost with the process.

    For ``Guard.production(provider=MemoryKeys(), …)`` in tests, on a database that goes with them.
    """

    def __init__(self) -> None:
        """Make the key."""
        super().__init__({"memory": os.urandom(_KEY_SIZE)}, "memory")
