"""Provider keys in a file: for development, and for small installations that keep a copy of it somewhere safe.

The file's format is that of :mod:`.key_file`. Whoever has it and the database can read everything; who loses it has
lost everything that is sealed. A key that is destroyed is gone from the file; what the disk, a snapshot or a copy still
holds of the old one is beyond this provider, so it cannot promise an erasure that a key service can.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ProviderKeyCurrent
from . import key_file
from .local_keys import LocalKeys, NamedKeys
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import KeyUse

_REREAD_SECONDS: Final = 1.0


class FileKeyProvider(LocalKeys):
    """A :class:`~amanah.encryption.provider.KeyProvider` that keeps its keys in a file.

    Each call looks (``stat``) whether the file was replaced, and then reads it anew: keys that another process made are
    there, and those that it destroyed are not. For an id that the file does not have it is read anew as well, once a
    second at most.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file at ``path``. All methods raise, too, what this raises.

        Raises :class:`~amanah.errors.KeyFileMissing`, and :class:`~amanah.errors.KeyFileUnreadable` where the file
        cannot be read, is open to group or others, belongs to another user or is not in the documented format.
        """
        self.path = Path(path)
        self._clock = clock
        named, stamp = key_file.read(self.path)
        self._seen = named, stamp, clock()
        super().__init__(named.keys, named.current)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> FileKeyProvider:
        """Write a new file with one random key, durably, and read it.

        Raises :class:`~amanah.errors.KeyFileExists` and leaves the file alone where there is one, and
        :class:`~amanah.errors.KeyFileUnreadable` where none can be written.
        """
        name = key_file.new_name()
        key_file.create(Path(path), NamedKeys({name: os.urandom(KEY_SIZE)}, name))
        return cls(path)

    def create_key(self, use: KeyUse) -> str:
        """A random key in the file; on the disk when this returns."""
        name = key_file.new_name()
        with key_file.locked(self.path):
            named, _ = key_file.read(self.path)
            current = name if use == "tenants" else named.current
            key_file.replace(self.path, NamedKeys({**named.keys, name: os.urandom(KEY_SIZE)}, current))
        return name

    def destroy_key(self, key_id: str) -> None:
        """The file without that key; on the disk when this returns."""
        with key_file.locked(self.path):
            named, _ = key_file.read(self.path)
            if key_id == named.current:
                raise ProviderKeyCurrent(key_id=key_id)
            if key_id in named.keys:
                kept = {name: key for name, key in named.keys.items() if name != key_id}
                key_file.replace(self.path, NamedKeys(kept, named.current))

    def _now(self, wanted: str | None = None) -> NamedKeys:
        # No lock, which a fork could leave locked: of two threads that read, the later look finds what is behind.
        named, stamp, read_at = self._seen
        unknown = wanted is not None and wanted not in named.keys
        if key_file.stamp(self.path) != stamp or (unknown and self._clock() - read_at >= _REREAD_SECONDS):
            named, stamp = key_file.read(self.path)
            self._seen = named, stamp, self._clock()
        return named
