"""Provider keys that are held in this process's memory: what the file and the environment provider have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import KeyFileWrong
from .sealing import Sealing, WrongKey

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTEXT = b"provider"
_ONLY_VERSION = 1  # a provider key is named by its id; the envelope's number has nothing to tell here


class LocalKeys:
    """A :class:`~amanah.encryption.provider.KeyProvider` over named 32-byte keys."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """``current`` is the name of the key for new wraps."""
        self._current = current
        self._sealings = {name: Sealing(key, _CONTEXT) for name, key in keys.items()}

    def key_id(self) -> str:
        """The name of the key for new wraps."""
        return self._current

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` in an envelope (:mod:`.envelope`) under the current key, with ``context`` as associated data."""
        return self._sealings[self._current].seal(_ONLY_VERSION, key, context)

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """The inverse of `wrap`. The commitment tells another key of the same name from a changed row."""
        sealing = self._sealings.get(key_id)
        if sealing is None:
            raise KeyFileWrong(key_id=key_id)
        try:
            return sealing.open(wrapped, context)
        except WrongKey:
            raise KeyFileWrong(key_id=key_id) from None
