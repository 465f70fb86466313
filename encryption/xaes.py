"""XAES-256-GCM, the extended-nonce AEAD of C2SP (https://c2sp.org/XAES-256-GCM), over the primitives of cryptography.

The numbers in the code are the steps of "Detailed key derivation algorithm" in the specification. A 192-bit nonce can
be drawn at random for practically any number of messages (2^80 messages at a collision risk of 2^-32). The algorithm
itself does not commit to its key: :mod:`.sealing` adds that.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_SIZE = 32
NONCE_SIZE = 24
HALF_SIZE = 12
TAG_SIZE = 16

_BLOCK_BITS = 128
_REDUCTION = 0b10000111  # NIST SP 800-38B, R_128


class Xaes256Gcm:
    """XAES-256-GCM under one 32-byte key. Immutable, safe to share between threads.

    Raises ValueError for a key or a nonce of another length, ``cryptography.exceptions.InvalidTag`` from `decrypt`.
    """

    __slots__ = ("_k1", "_key")

    def __init__(self, key: bytes) -> None:
        """Precompute what depends on the key alone (steps 1 and 2)."""
        if len(key) != KEY_SIZE:
            message = f"an XAES-256-GCM key has {KEY_SIZE} bytes"
            raise ValueError(message)
        self._key = key
        # 1. L = AES-256_K(0x00 * 16)
        block = int.from_bytes(self._encrypt_blocks(bytes(16)), "big")
        # 2. K1 = L << 1, reduced where the top bit falls off
        top = block >> (_BLOCK_BITS - 1)
        self._k1 = ((block << 1) & ((1 << _BLOCK_BITS) - 1)) ^ (_REDUCTION if top else 0)

    def subkey(self, half: bytes) -> bytes:
        """Kx, the 32-byte AES-GCM key that belongs to the first 12 bytes of a nonce (steps 3 to 5)."""
        if len(half) != HALF_SIZE:
            message = f"the first half of an XAES-256-GCM nonce has {HALF_SIZE} bytes"
            raise ValueError(message)
        # 3., 4. M1 and M2: counter, the letter X, a zero byte, N[:12]
        # 5. Kx = AES-256_K(M1 xor K1) || AES-256_K(M2 xor K1)
        blocks = b"".join(
            (int.from_bytes(start + half, "big") ^ self._k1).to_bytes(16, "big")
            for start in (b"\x00\x01X\x00", b"\x00\x02X\x00")
        )
        return self._encrypt_blocks(blocks)

    def encrypt(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Ciphertext and 16-byte tag of ``plaintext`` under a 24-byte ``nonce`` (step 6: Nx is its second half)."""
        self._check(nonce)
        return AESGCM(self.subkey(nonce[:HALF_SIZE])).encrypt(nonce[HALF_SIZE:], plaintext, associated)

    def decrypt(self, nonce: bytes, ciphertext: bytes, associated: bytes) -> bytes:
        """The inverse of `encrypt`; raises ``InvalidTag``."""
        self._check(nonce)
        return AESGCM(self.subkey(nonce[:HALF_SIZE])).decrypt(nonce[HALF_SIZE:], ciphertext, associated)

    @staticmethod
    def _check(nonce: bytes) -> None:
        if len(nonce) != NONCE_SIZE:
            message = f"an XAES-256-GCM nonce has {NONCE_SIZE} bytes"
            raise ValueError(message)

    def _encrypt_blocks(self, blocks: bytes) -> bytes:
        # ECB over one or two blocks that never repeat is the bare block cipher that CMAC is made of.
        encryptor = Cipher(algorithms.AES(self._key), modes.ECB()).encryptor()  # noqa: S305
        return encryptor.update(blocks) + encryptor.finalize()
