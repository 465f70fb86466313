"""Two key providers while an installation moves from one to the other: from the key file to a key service, say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ProviderCannot, ProviderKeyCurrent, ProviderKeyUnusable, ProviderKeyWrong

if TYPE_CHECKING:
    from .provider import KeyProvider, KeyUse


class SucceedingProvider:
    """A :class:`~amanah.encryption.provider.KeyProvider` that makes new wraps in one and reads those of another too.

    The successor is asked first. Only where it says that a key is not its own the predecessor is: a successor that is
    away is never passed by.
    """

    def __init__(self, successor: KeyProvider, predecessor: KeyProvider) -> None:
        """``successor``: whose current key is the current one from now on."""
        self.successor = successor
        self.predecessor = predecessor

    def key_id(self) -> str:
        """The successor's current key."""
        return self.successor.key_id()

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """Under the named key of either: what lies under an epoch's key of the predecessor goes on under it."""
        try:
            return self.successor.wrap(key, context, key_id)
        except ProviderKeyWrong as foreign:
            if isinstance(foreign, ProviderKeyUnusable):
                raise
            return self.predecessor.wrap(key, context, key_id)

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """By the named key of either."""
        try:
            return self.successor.unwrap(wrapped, context, key_id)
        except ProviderKeyWrong as foreign:
            if isinstance(foreign, ProviderKeyUnusable):
                raise
            return self.predecessor.unwrap(wrapped, context, key_id)

    def create_key(self, use: KeyUse) -> str:
        """In the successor."""
        return self.successor.create_key(use)

    def destroy_key(self, key_id: str) -> None:
        """In both: which of them has the key only they know."""
        refused: list[ProviderCannot] = []
        for provider in (self.successor, self.predecessor):
            try:
                provider.destroy_key(key_id)
            except ProviderKeyCurrent:
                raise
            except ProviderCannot as error:
                refused.append(error)
        if len(refused) > 1:
            raise refused[0]
