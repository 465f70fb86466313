"""XAES-256-GCM made key-committing: what seals a cell, and what wraps a key.

*Why.* AES-GCM, and with it XAES-256-GCM, lets whoever knows two keys make one ciphertext that opens under both, to two
different plaintexts. A sealed value must mean one thing, and a wrong key must be told apart from a changed ciphertext.

*Construction.* From an input key ``IK`` (32 uniformly random bytes) and a context ``C`` (netstrings)::

    K   = HKDF-Expand-SHA-256(IK, "amanah/1 seal"   || C, 32)    RFC 5869; no Extract, as section 3.3 allows
    KC  = HKDF-Expand-SHA-256(IK, "amanah/1 commit" || C, 32)
    N   = 24 random bytes
    Kx  = the XAES-256-GCM subkey of K and N[:12]
    com = HMAC-SHA-256(KC, N[:12])                               32 bytes, in the envelope
    ct  = AES-256-GCM(Kx, N[12:], plaintext, associated data)

Opening compares ``com`` before it decrypts. One envelope that opens under two (input key, context) pairs would be a
collision of SHA-256 through HMAC (2^128 work); ``Kx`` is a function of what is committed to. It is a commitment to the
key (CMT-1), not to the associated data. ``com`` is no secret, it depends on the remembered half of the nonce only, and
so it costs nothing on the hot path. The all-AES variant (KC-XAES, eprint 2025/758) is proven in the ideal-cipher model;
HMAC needs only collision resistance, and its cost is paid once per remembered key.

*Bound.* Where the first half of a nonce is kept (:class:`~amanah.encryption.cipher.TenantCipher` does), at most 2^20
values of at most 1 MiB share ``Kx``, each with 96 fresh random bits: two equal nonces under one ``Kx`` have a
probability below 2^40 / 2^97 = 2^-57. A field's key may so serve 2^25 halves, 2^45 values, before the risk reaches
2^-32; two processes that draw the same half (2^-96 a pair) would merely share that budget. The data under one ``Kx``
stays below 2^36 AES blocks, far inside SP 800-38D.
"""

from __future__ import annotations

import hmac
import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from ..errors import Tampered
from .envelope import Envelope, parse
from .xaes import HALF_SIZE, KEY_SIZE, Xaes256Gcm


def derive(key: bytes, label: bytes, context: bytes) -> bytes:
    """HKDF-Expand-SHA-256 (RFC 5869, section 2.3) of a uniformly random 32-byte ``key`` to 32 bytes."""
    return HKDFExpand(SHA256(), KEY_SIZE, label + context).derive(key)


class Derived(NamedTuple):
    """What belongs to one key and one first half of a nonce."""

    aead: AESGCM
    commitment: bytes


class WrongKey(Exception):
    """The commitment names another key than the one at hand."""


class Sealing:
    """Seals and opens under one input key and one context. Immutable, safe to share between threads."""

    __slots__ = ("_commit", "_xaes")

    def __init__(self, key: bytes, context: bytes) -> None:
        """``key``: 32 uniformly random bytes. ``context``: netstrings that say what the key is used for."""
        if len(key) != KEY_SIZE:
            message = f"a key has {KEY_SIZE} bytes"
            raise ValueError(message)
        self._xaes = Xaes256Gcm(derive(key, b"amanah/1 seal", context))
        self._commit = derive(key, b"amanah/1 commit", context)

    def under(self, half: bytes) -> Derived:
        """The AES-GCM key and the commitment for the first 12 bytes of a nonce."""
        return Derived(AESGCM(self._xaes.subkey(half)), hmac.digest(self._commit, half, "sha256"))

    def seal(self, key_version: int, plaintext: bytes, associated: bytes) -> bytes:
        """An envelope with a nonce of its own."""
        half, nonce = os.urandom(HALF_SIZE), os.urandom(HALF_SIZE)
        derived = self.under(half)
        ciphertext = derived.aead.encrypt(nonce, plaintext, associated)
        return Envelope(key_version, half, derived.commitment, nonce, ciphertext).encode()

    def open(self, data: bytes, associated: bytes) -> bytes:
        """The plaintext; raises `WrongKey`, :class:`~amanah.errors.Tampered` or its `EnvelopeUnknown`."""
        envelope = parse(data)
        derived = self.under(envelope.half)
        if not hmac.compare_digest(derived.commitment, envelope.commitment):
            raise WrongKey
        try:
            return derived.aead.decrypt(envelope.nonce, envelope.ciphertext, associated)
        except InvalidTag:
            raise Tampered from None
