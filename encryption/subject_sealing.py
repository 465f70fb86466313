"""Sealing under the secret of the person whom a value is about: destroy 32 bytes, and the person is erased.

*Construction.* A subject's secret ``S`` is 32 uniformly random bytes. For a data key ``IK`` of the tenant (32 bytes, of
version ``v``) and a field ``F``::

    KF      = HKDF-Expand-SHA-256(IK, "amanah/1 subject" || tenant, F, v (netstrings), 32)    RFC 5869, section 2.3
    K, com  = the halves of HMAC-SHA-512(KF, S)
    N       = 12 random bytes
    ct      = AES-256-GCM(K, N, plaintext, associated data)          format 2 of the envelope: v, com, N, ct

Without ``IK`` nothing opens (a stolen secret is no key), and without ``S`` nothing opens (a stolen data key is none for
an erased person). Opening compares ``com`` first: one envelope that opens under two (data key, field, secret) triples
would be a collision in half of SHA-512's output (2^128 work), so the construction commits to its key (CMT-1).

*Bound.* ``K`` seals the values of one field of one person under one data key. With random 96-bit nonces it may do so
2^32 times before two nonces are equal with a probability of 2^-32 (NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC

from ..errors import Tampered
from .envelope import SUBJECT_COMMITMENT_END, SUBJECT_FORMAT, SUBJECT_NONCE_END, VERSION_END, start
from .netstrings import netstring
from .remembered import Remembered
from .sealing import derive
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from .field_cipher import FieldCipher

_REMEMBERED: Final = 512
_NONCE_SIZE: Final = SUBJECT_NONCE_END - SUBJECT_COMMITMENT_END


class Secret(bytes):
    """A subject's secret, 32 bytes; told apart from a wrapped one by its type. Its text does not show it."""

    __slots__ = ()

    @classmethod
    def new(cls) -> Secret:
        """A random one."""
        return cls(os.urandom(KEY_SIZE))

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Secret(…)"

    __str__ = __repr__


class SubjectSealing:
    """Seals and opens under the data keys of ``keys`` and a subject's secret. Thread-safe, no I/O."""

    __slots__ = ("_context", "_field_keys", "_keys")

    def __init__(self, keys: FieldCipher, context: bytes) -> None:
        """``context``: the tenant's netstring."""
        self._keys = keys
        self._context = context
        self._field_keys: Remembered[tuple[str, bytes], HMAC] = Remembered(_REMEMBERED)

    def seal(self, secret: Secret, field: str, place: bytes, plaintext: bytes) -> bytes:
        """An envelope of format 2."""
        head = start(SUBJECT_FORMAT, self._keys.sealing_version)
        key = self._derived(field, head, secret)
        nonce = os.urandom(_NONCE_SIZE)
        ciphertext = AESGCM(key[:KEY_SIZE]).encrypt(nonce, plaintext, self._context + place)
        return b"".join((head, key[KEY_SIZE:], nonce, ciphertext))

    def open(self, secret: Secret, field: str, place: bytes, envelope: bytes) -> bytes:
        """The plaintext. Raises :class:`~amanah.errors.Tampered`, and `KeyUnknown` or `KeyRetired`."""
        if type(envelope) is not bytes or envelope[:1] != _FORMAT:
            raise Tampered
        key = self._derived(field, envelope[:VERSION_END], secret)
        if not hmac.compare_digest(key[KEY_SIZE:], envelope[VERSION_END:SUBJECT_COMMITMENT_END]):
            raise Tampered
        nonce = envelope[SUBJECT_COMMITMENT_END:SUBJECT_NONCE_END]
        try:
            return AESGCM(key[:KEY_SIZE]).decrypt(nonce, envelope[SUBJECT_NONCE_END:], self._context + place)
        except (InvalidTag, ValueError):  # ValueError: a nonce cut short
            raise Tampered from None

    def _derived(self, field: str, head: bytes, secret: Secret) -> bytes:
        """64 bytes: the AES key and the commitment. ``head``: format and key version."""
        keyed = self._field_keys.get((field, head))
        if keyed is None:
            version = int.from_bytes(head[1:], "big")
            if len(head) != VERSION_END or not version:
                raise Tampered
            context = self._context + netstring(field, str(version))
            keyed = HMAC(derive(self._keys.key(version), b"amanah/1 subject", context), SHA512())
            self._field_keys.put((field, head), keyed)
        mac = keyed.copy()
        mac.update(secret)
        return mac.finalize()


_FORMAT: Final = bytes((SUBJECT_FORMAT,))
