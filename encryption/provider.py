"""The key provider: whoever holds the keys above all tenants' keys (a file, the environment, a key service).

This page is for whoever writes another one; `docs/how-to/add-a-key-provider.md` has a complete example.

A provider has *provider keys*. They never leave it (or, for development, its process), and each has a *key id*: a name
that is stored in the clear beside everything that the key wrapped, and by which it is found again for as long as that
exists. Ids are never used again for another key. There are two uses:

- ``tenants``: these wrap tenants' key-encryption keys. One of them is *current*: new wraps are made under it. The
  older ones stay until nothing in the database names them.
- ``epoch``: these wrap the keys under which the secrets of subjects lie, and exist to be destroyed: what only they
  could open is then unreadable, in every backup too. They are used by their id, and are never current.

What all five methods promise:

- They may be called from several threads at once, and in a child after a fork.
- They may do I/O, and come back within a bounded time (a few seconds). A service that does not answer is
  :class:`~amanah.errors.KeysUnavailable`, never a thread that waits for ever.
- They raise what is listed here, and nothing of a client's own: :class:`~amanah.errors.KeysUnavailable` (away, slow,
  overloaded: trying again may help), :class:`~amanah.errors.ProviderKeyWrong` (the key is not here: trying again does
  not help), :class:`~amanah.errors.ProviderCannot` (not this provider, or not this key).
- No key, wrapped or not, and no secret of the provider's own (PIN, token) stands in an exception, its traceback's
  message or a log line. Ids may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from typing import Final

KeyUse: TypeAlias = Literal["tenants", "epoch"]
"""What a provider key is for."""

LONGEST_KEY_ID: Final = 255
"""Characters of a key id, as the key tables have room for."""


class KeyProvider(Protocol):
    """Wraps and unwraps keys under provider keys. See the module for what holds for all methods."""

    def key_id(self) -> str:
        """The id of the current key: 1 to 255 characters, stored in the clear.

        After `create_key` for tenants every process answers the new id within a minute. Two calls may so answer
        differently: ask once, wrap under the answer, store it with the result.

        Raises :class:`~amanah.errors.KeysUnavailable`, and :class:`~amanah.errors.ConfigurationError` where there is
        no current key.
        """

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """``key`` (32 bytes) wrapped under the provider key ``key_id``, bound to ``context`` (at most 2 KiB).

        *Bound* means authenticated: `unwrap` with another context fails. The result has at most 1 KiB, differs from
        call to call, and needs nothing but ``context`` and ``key_id`` to be unwrapped.

        Raises :class:`~amanah.errors.ProviderKeyWrong` (no such key), :class:`~amanah.errors.KeysUnavailable`.
        """

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """The inverse of `wrap`, for the same ``context`` and ``key_id``. Never tries another key.

        ``wrapped`` and ``key_id`` come from the database, which somebody may have written to: only keys of this
        installation are used, whatever ``key_id`` says.

        Raises :class:`~amanah.errors.ProviderKeyWrong` (that key is not here, or is another one),
        :class:`~amanah.errors.KeysUnavailable`, :class:`~amanah.errors.Tampered` (changed, or of another context).
        """

    def create_key(self, use: KeyUse) -> str:
        """Make a new provider key, durably, and return its id. Not idempotent: each call makes one.

        ``tenants``: it is current from then on. ``epoch``: it is only ever used by its id, and `destroy_key` will be
        called for it one day.

        Raises :class:`~amanah.errors.ProviderCannot` and makes nothing where the provider cannot do this,
        :class:`~amanah.errors.KeysUnavailable` where it is not known whether a key was made (one that was is never
        used).
        """

    def destroy_key(self, key_id: str) -> None:
        """Destroy a provider key for ever; what it wrapped cannot be unwrapped any more, by anybody.

        Idempotent: a key that is not here (any more) is destroyed. Where a service destroys only after a while, this
        starts the shortest such while, and the key is of no use at once.

        Raises :class:`~amanah.errors.ProviderCannot` for the current key and where the provider cannot do this,
        :class:`~amanah.errors.KeysUnavailable` (ask again).
        """
