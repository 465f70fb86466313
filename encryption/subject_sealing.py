"""Sealing under the secret of the person whom a value is about: destroy 32 bytes, and the person is erased.

*Construction.* A subject's secret ``S`` is 32 uniformly random bytes. For a data key ``IK`` of the tenant (32 bytes, of
version ``v``)::

    KS      = HKDF-Expand-SHA-256(IK, "amanah/1 subject" || tenant, v (netstrings), 32)       RFC 5869, section 2.3
    K, com  = the halves of HMAC-SHA-512(KS, S)
    N       = 12 random bytes
    ct      = AES-256-GCM(K, N, plaintext, associated data)          format 2 of the envelope: v, com, N, ct

Without ``IK`` nothing opens (a stolen secret is no key), and without ``S`` nothing opens (a stolen data key is none for
an erased person). Opening compares ``com`` first: one envelope that opens under two (data key, secret) pairs would be a
collision in half of SHA-512's output (2^128 work), so the construction commits to its key (CMT-1).

``K`` is the same for all columns of a person: a row's cells then need one derivation, not one each. What belongs to
another column, row or tenant is kept apart by the associated data.

*Bound.* ``K`` seals the values of one person under one data key. With random 96-bit nonces it may do so 2^32 times
before two nonces are equal with a probability of 2^-32 (NIST SP 800-38D, section 8.3).
"""

from __future__ import annotations

import os
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC

from ..errors import Tampered
from .envelope import SUBJECT_COMMITMENT_END, SUBJECT_FORMAT, SUBJECT_NONCE_END, VERSION_END, start
from .netstrings import netstring
from .sealing import derive
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from .field_cipher import FieldCipher

_NONCE_SIZE: Final = SUBJECT_NONCE_END - SUBJECT_COMMITMENT_END
_FORMAT: Final = bytes((SUBJECT_FORMAT,))


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


class _Under(NamedTuple):
    """What belongs to one data key and one subject."""

    secret: Secret
    head: bytes
    """Format, key version and commitment: what an envelope under both begins with."""
    aead: AESGCM


class SubjectSealing:
    """Seals and opens under the data keys of ``keys`` and a subject's secret. Thread-safe, no I/O."""

    __slots__ = ("_context", "_keys", "_last", "_versions")

    def __init__(self, keys: FieldCipher, context: bytes) -> None:
        """``context``: the tenant's netstring."""
        self._keys = keys
        self._context = context
        self._versions: dict[bytes, HMAC] = {}
        self._last: _Under | None = None  # one and no more: what is derived is not kept for persons

    def seal(self, secret: Secret, place: bytes, plaintext: bytes) -> bytes:
        """An envelope of format 2."""
        under = self._under(start(SUBJECT_FORMAT, self._keys.sealing_version), secret)
        nonce = os.urandom(_NONCE_SIZE)
        ciphertext = under.aead.encrypt(nonce, plaintext, self._context + place)
        return b"".join((under.head, nonce, ciphertext))

    def open(self, secret: Secret, place: bytes, envelope: bytes) -> bytes:
        """The plaintext. Raises :class:`~amanah.errors.Tampered`, and `KeyUnknown` or `KeyRetired`."""
        if type(envelope) is not bytes:
            raise Tampered
        under = self._last
        if under is None or under[0] is not secret or not envelope.startswith(under[1]):
            under = self._verified(secret, envelope)
        nonce = envelope[SUBJECT_COMMITMENT_END:SUBJECT_NONCE_END]
        try:
            return under[2].decrypt(nonce, envelope[SUBJECT_NONCE_END:], self._context + place)
        except (InvalidTag, ValueError):  # ValueError: a nonce cut short
            raise Tampered from None

    def _verified(self, secret: Secret, envelope: bytes) -> _Under:
        """What the header of ``envelope`` names, once its commitment is that of ``secret``."""
        if envelope[:1] != _FORMAT:
            raise Tampered
        under = self._under(envelope[:VERSION_END], secret)
        if not compare_digest(under.head, envelope[:SUBJECT_COMMITMENT_END]):
            raise Tampered
        return under

    def _under(self, begin: bytes, secret: Secret) -> _Under:
        """``begin``: format and key version."""
        last = self._last
        if last is not None and last.secret is secret and last.head.startswith(begin):
            return last
        keyed = self._versions.get(begin)
        if keyed is None:
            version = int.from_bytes(begin[1:], "big")
            if len(begin) != VERSION_END or not version:
                raise Tampered
            label = b"amanah/1 subject"
            keyed = HMAC(derive(self._keys.key(version), label, self._context + netstring(str(version))), SHA512())
            self._versions[begin] = keyed  # as many as there are keys
        mac = keyed.copy()
        mac.update(secret)
        key = mac.finalize()
        made = self._last = _Under(secret, begin + key[KEY_SIZE:], AESGCM(key[:KEY_SIZE]))
        return made
