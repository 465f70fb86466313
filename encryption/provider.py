"""The key provider: whoever holds the keys above all tenants' keys (a file, the environment, a key service)."""

from __future__ import annotations

from typing import Protocol


class KeyProvider(Protocol):
    """Wraps and unwraps tenants' key-encryption keys. Safe to call from several threads; may do I/O."""

    def key_id(self) -> str:
        """The name of the provider's key for new wraps, at most 255 characters; stored in the clear."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` (32 bytes) wrapped under `key_id`, bound to ``context``.

        Raises :class:`~amanah.errors.KeysUnavailable`.
        """

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """The inverse of `wrap` for what was wrapped under ``key_id``.

        Raises :class:`~amanah.errors.KeyFileWrong` (that key is not here, or is another one),
        :class:`~amanah.errors.KeysUnavailable`, :class:`~amanah.errors.Tampered` (changed, or of another context).
        """
