"""The hot path: a tenant's cipher, which seals and opens single cells.

Invariants:

- the associated data is the tenant (a netstring) and the place that the caller names (netstrings of field id and key
  parts): a value that was moved does not open;
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
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from ..errors import KeyUnknown, Tampered
from .envelope import HEADER_SIZE, NONCE_END, header, parse
from .netstrings import netstring
from .remembered import Remembered
from .sealing import Derived, Sealing, derive
from .xaes import HALF_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

USES: Final = 2**20
"""How many values may share the first half of a nonce; :mod:`.sealing` says what that leaves."""

LARGEST_SHARED: Final = 2**20
"""Bytes of plaintext above which a value takes a first half of its own."""

TOKEN_SIZE: Final = 16

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


class TenantCipher:
    """Seals, opens and tokenises for one tenant. Holds every data key that is not retired. Thread-safe, no I/O."""

    __slots__ = (
        "_context",
        "_data_keys",
        "_index_key",
        "_openers",
        "_sealings",
        "_tokens",
        "_version",
        "_writers",
        "tenant_id",
    )

    tenant_id: str

    def __init__(self, tenant_id: str, data_keys: Mapping[int, bytes], sealing_version: int, index_key: bytes) -> None:
        """``data_keys``: version → 32 bytes; new values are sealed under ``sealing_version``, one of them."""
        if sealing_version not in data_keys:
            raise KeyUnknown
        self.tenant_id = tenant_id
        self._context = netstring(tenant_id)
        self._data_keys = dict(data_keys)
        self._version = sealing_version
        self._index_key = index_key
        self._sealings: Remembered[tuple[str, int], Sealing] = Remembered(_REMEMBERED)
        self._openers: Remembered[tuple[str, bytes], AESGCM] = Remembered(_REMEMBERED)
        self._writers: Remembered[str, _Writer] = Remembered(_REMEMBERED)
        self._tokens: Remembered[str, HMAC] = Remembered(_REMEMBERED)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: keys do not travel."""
        message = "a TenantCipher holds keys and cannot be pickled"
        raise TypeError(message)

    @property
    def sealing_version(self) -> int:
        """The version of the data key under which new values are sealed."""
        return self._version

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
        and :class:`~amanah.errors.KeyUnknown` (sealed under a key version that this tenant does not have).
        """
        if type(envelope) is not bytes:  # here, because it may be sliced before it is parsed
            raise Tampered
        aead = self._openers.get((field, envelope[:HEADER_SIZE]))
        if aead is None:
            aead = self._opener(field, envelope)
        try:
            return aead.decrypt(envelope[HEADER_SIZE:NONCE_END], envelope[NONCE_END:], self._context + place)
        except (InvalidTag, ValueError):  # ValueError: a nonce cut short
            raise Tampered from None

    def token(self, domain: str, value: bytes) -> bytes:
        """The blind index of a normalised value: 16 bytes of HMAC-SHA-256 under this tenant's key for ``domain``."""
        keyed = self._tokens.get(domain)
        if keyed is None:
            keyed = HMAC(derive(self._index_key, b"amanah/1 index", self._context + netstring(domain)), SHA256())
            self._tokens.put(domain, keyed)
        mac = keyed.copy()  # hmac.digest would let go of the interpreter's lock, which costs more than the digest
        mac.update(value)
        return mac.finalize()[:TOKEN_SIZE]

    def _sealing(self, field: str, key_version: int) -> Sealing:
        sealing = self._sealings.get((field, key_version))
        if sealing is None:
            key = self._data_keys.get(key_version)
            if key is None:
                raise KeyUnknown
            sealing = Sealing(key, self._context + netstring(field, str(key_version)))
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

    def _opener(self, field: str, data: bytes) -> AESGCM:
        envelope = parse(data)
        derived: Derived = self._sealing(field, envelope.key_version).under(envelope.half)
        if not hmac.compare_digest(derived.commitment, envelope.commitment):
            raise Tampered
        self._openers.put((field, data[:HEADER_SIZE]), derived.aead)
        return derived.aead
