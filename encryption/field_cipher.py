"""The hot path: sealing and opening single values under versioned keys.

Invariants:

- the associated data is the cipher's context (the tenant, a netstring) and the place that the caller names (netstrings
  of field id and key parts): a value that was moved does not open;
- the key is named in the envelope, there is never a trial;
- a derived key is remembered only under a header whose commitment was verified;
- no I/O, no lock: what threads share is read and replaced by single dictionary operations, so that a lost race costs
  one derivation and never mixes two keys.
"""

from __future__ import annotations

import hmac
import itertools
import os
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from cryptography.exceptions import InvalidTag

from ..errors import KeyRetired, KeyUnknown, Tampered
from ..measures import opened
from .envelope import HEADER_SIZE, NONCE_END, header, parse
from .netstrings import netstring
from .remembered import Remembered
from .sealing import Derived, Sealing
from .xaes import HALF_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

USES: Final = 2**20
"""How many values may share the first half of a nonce; :mod:`.sealing` says what that leaves."""

LARGEST_SHARED: Final = 2**20
"""Bytes of plaintext above which a value takes a first half of its own."""

_REMEMBERED: Final = 512


class Process:
    """Which process this is: renewed in a forked child, so that no first half of a nonce is used on by both."""

    current: ClassVar[object] = object()

    @classmethod
    def renew(cls) -> None:
        """Called in the child after a fork."""
        cls.current = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Process.renew)


class _Writer:
    """The derived key under which one field is sealed for a while, and the header that names it."""

    __slots__ = ("aead", "header", "process", "uses")

    def __init__(self, aead: AESGCM, head: bytes) -> None:
        self.aead = aead
        self.header = head
        self.process = Process.current
        self.uses = itertools.count(1)  # next() is atomic, so threads never share a number


class FieldCipher:
    """Seals and opens under versioned keys, with a derived key for each name and version. Thread-safe, no I/O."""

    __slots__ = ("_context", "_keys", "_openers", "_retired", "_sealings", "_version", "_writers")

    def __init__(
        self, context: bytes, keys: Mapping[int, bytes], sealing_version: int, retired: Collection[int] = ()
    ) -> None:
        """``keys``: version → 32 bytes; new values are sealed under ``sealing_version``, one of them.

        ``retired``: versions that were there once, so that a value under one of them is told what became of it.
        """
        if sealing_version not in keys:
            raise KeyUnknown
        self._context = context
        self._keys = dict(keys)
        self._version = sealing_version
        self._retired = frozenset(retired)
        self._sealings: Remembered[tuple[str, int], Sealing] = Remembered(_REMEMBERED)
        self._openers: Remembered[tuple[str, bytes], AESGCM] = Remembered(_REMEMBERED)
        self._writers: Remembered[str, _Writer] = Remembered(_REMEMBERED)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: keys do not travel."""
        message = f"a {type(self).__name__} holds keys and cannot be pickled"
        raise TypeError(message)

    @property
    def sealing_version(self) -> int:
        """The version of the key under which new values are sealed."""
        return self._version

    def key(self, version: int) -> bytes:
        """The 32 bytes of that version. Raises `KeyRetired` and `KeyUnknown`."""
        key = self._keys.get(version)
        if key is None:
            raise KeyRetired if version in self._retired else KeyUnknown
        return key

    def seal(self, field: str, place: bytes, plaintext: bytes) -> bytes:
        """The envelope of ``plaintext`` for this field id and place (netstrings of field id and key parts)."""
        writer = self._writers.get(field)
        if (
            writer is None
            or writer.process is not Process.current
            or len(plaintext) > LARGEST_SHARED
            or next(writer.uses) > USES
        ):
            writer = self._new_writer(field, keep=len(plaintext) <= LARGEST_SHARED)
        nonce = os.urandom(HALF_SIZE)
        return writer.header + nonce + writer.aead.encrypt(nonce, plaintext, self._context + place)

    def open(self, field: str, place: bytes, envelope: bytes) -> bytes:
        """The plaintext of ``envelope``.

        Raises :class:`~amanah.errors.Tampered` (changed, moved, or no envelope; `EnvelopeUnknown` for another format)
        and what `key` raises.
        """
        if type(envelope) is not bytes:  # here, because it may be sliced before it is parsed
            raise Tampered
        aead = self._aead(field, envelope)
        try:
            return aead.decrypt(envelope[HEADER_SIZE:NONCE_END], envelope[NONCE_END:], self._context + place)
        except (InvalidTag, ValueError):  # ValueError: a nonce cut short
            raise Tampered from None

    def opener(self, field: str) -> Callable[[bytes, bytes], bytes]:
        """`open` for the values of one field: it remembers the key of the last one, which those of a column share.

        It holds that key: keep it no longer than the cipher.
        """
        context = self._context
        last: tuple[bytes, AESGCM] | None = None

        def open_one(place: bytes, envelope: bytes) -> bytes:
            nonlocal last
            held = last  # header and key together: threads never take one's header for another's key
            if held is None or not envelope.startswith(held[0]):
                held = last = (envelope[:HEADER_SIZE], self._aead(field, envelope))
            try:
                value = held[1].decrypt(envelope[HEADER_SIZE:NONCE_END], envelope[NONCE_END:], context + place)
            except (InvalidTag, ValueError):  # ValueError: a nonce cut short
                raise Tampered from None
            opened()
            return value

        return open_one

    def _aead(self, field: str, envelope: bytes) -> AESGCM:
        aead = self._openers.get((field, envelope[:HEADER_SIZE]))
        return self._verified(field, envelope) if aead is None else aead

    def _sealing(self, field: str, key_version: int) -> Sealing:
        sealing = self._sealings.get((field, key_version))
        if sealing is None:
            sealing = Sealing(self.key(key_version), self._context + netstring(field, str(key_version)))
            self._sealings.put((field, key_version), sealing)
        return sealing

    def _new_writer(self, field: str, *, keep: bool) -> _Writer:
        half = os.urandom(HALF_SIZE)
        derived = self._sealing(field, self._version).under(half)
        writer = _Writer(derived.aead, header(self._version, half, derived.commitment))
        if keep:
            next(writer.uses)
            self._writers.put(field, writer)
            self._openers.put((field, writer.header), writer.aead)
        return writer

    def _verified(self, field: str, data: bytes) -> AESGCM:
        envelope = parse(data)
        derived: Derived = self._sealing(field, envelope.key_version).under(envelope.half)
        if not hmac.compare_digest(derived.commitment, envelope.commitment):
            raise Tampered
        self._openers.put((field, data[:HEADER_SIZE]), derived.aead)
        return derived.aead
