"""Provider keys that are held in this process's memory: what the file and the environment provider have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import KeyFileWrong, ProviderCannot
from ..i18n import N_
from .sealing import Sealing, WrongKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .provider import KeyUse

_CONTEXT = b"provider"
_ONLY_VERSION = 1  # a provider key is named by its id; the envelope's number has nothing to tell here


@dataclass(frozen=True, slots=True)
class NamedKeys:
    """32-byte keys by name, and which of them new wraps are made under. Immutable; not shown in a traceback."""

    keys: Mapping[str, bytes]
    current: str

    def __repr__(self) -> str:
        return f"<{len(self.keys)} keys, current {self.current}>"

    def sealing(self, key_id: str) -> Sealing:
        """What seals under the key of that name; raises :class:`~amanah.errors.KeyFileWrong` where there is none."""
        key = self.keys.get(key_id)
        if key is None:
            raise KeyFileWrong(key_id=key_id, current=self.current)
        return Sealing(key, _CONTEXT)


class LocalKeys:
    """A :class:`~amanah.encryption.provider.KeyProvider` over named keys that nobody adds to or takes from."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """``current`` is the name of the key for new wraps."""
        self._named = NamedKeys(keys, current)

    def key_id(self) -> str:
        """The name of the key for new wraps."""
        return self._now().current

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """``key`` in an envelope (:mod:`.envelope`) under the named key, with ``context`` as associated data."""
        return self._now(key_id).sealing(key_id).seal(_ONLY_VERSION, key, context)

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """The inverse of `wrap`. The commitment tells another key of the same name from a changed row."""
        named = self._now(key_id)
        try:
            return named.sealing(key_id).open(wrapped, context)
        except WrongKey:
            raise KeyFileWrong(key_id=key_id, current=named.current) from None

    def create_key(self, use: KeyUse) -> str:
        """Refused: there is nowhere to keep it."""
        raise ProviderCannot(detail=N_("It has the keys that it was given, and cannot make another one."), use=use)

    def destroy_key(self, key_id: str) -> None:
        """Refused: whoever gave the keys still has them."""
        raise ProviderCannot(
            detail=N_("It was given its keys, and cannot destroy one where it came from."), key_id=key_id
        )

    def _now(self, wanted: str | None = None) -> NamedKeys:
        """The keys as of now; ``wanted`` is the one that will be asked for."""
        del wanted
        return self._named
