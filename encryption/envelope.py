"""The envelope: the bytes that stand in a database cell instead of a value.

Format 1, all lengths in bytes, integers big-endian::

    1   format and algorithm: 0x01 = XAES-256-GCM with a commitment to the key
    4   key version, from 1
    12  first half of the nonce
    32  commitment (see amanah.encryption.sealing)
    12  second half of the nonce
    n   ciphertext, as long as the plaintext
    16  tag

The first 49 bytes (the *header*) depend only on key version, field and first half of the nonce, so the derived key is
remembered under them.

Format 2, of a value that is sealed under the secret of its subject as well (see amanah.encryption.subject_sealing)::

    1   format and algorithm: 0x02 = AES-256-GCM under a key of the subject, with a commitment to that key
    4   key version, from 1
    32  commitment
    12  nonce
    n   ciphertext, as long as the plaintext
    16  tag

Everything else than these layouts is refused: there is no negotiation, no optional part, no trailing data that is not
covered by the tag. Which of the two a column takes is declared, and never read off the value.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EnvelopeUnknown, Tampered
from .xaes import HALF_SIZE, TAG_SIZE

FORMAT = 0x01
SUBJECT_FORMAT = 0x02
COMMITMENT_SIZE = 32
LARGEST_VERSION = 2**32 - 1

VERSION_END = 5
HALF_END = VERSION_END + HALF_SIZE
HEADER_SIZE = HALF_END + COMMITMENT_SIZE
NONCE_END = HEADER_SIZE + HALF_SIZE
OVERHEAD = NONCE_END + TAG_SIZE
"""How many bytes longer than its plaintext an envelope is."""

OVERWRITTEN = bytes((SUBJECT_FORMAT,))
"""No envelope: what stands in place of one whose subject was erased."""

SUBJECT_COMMITMENT_END = VERSION_END + COMMITMENT_SIZE
SUBJECT_NONCE_END = SUBJECT_COMMITMENT_END + 12
SUBJECT_OVERHEAD = SUBJECT_NONCE_END + TAG_SIZE
"""The same for a value that is sealed under its subject's secret."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope. ``ciphertext`` ends with the tag."""

    key_version: int
    half: bytes
    commitment: bytes
    nonce: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """The bytes of this envelope; `parse` is the inverse."""
        return header(self.key_version, self.half, self.commitment) + self.nonce + self.ciphertext


def header(key_version: int, half: bytes, commitment: bytes) -> bytes:
    """The first 49 bytes of an envelope."""
    return start(FORMAT, key_version) + half + commitment


def start(format_: int, key_version: int) -> bytes:
    """The first 5 bytes of an envelope, by which stored values tell their format and key version."""
    if not 1 <= key_version <= LARGEST_VERSION:
        message = "a key version is a positive number of 32 bits"
        raise ValueError(message)
    return bytes((format_,)) + key_version.to_bytes(4, "big")


def parse(data: bytes) -> Envelope:
    """Take an envelope apart.

    Raises :class:`~amanah.errors.EnvelopeUnknown` for another format and :class:`~amanah.errors.Tampered` for what is
    no envelope at all: too short, key version 0, not bytes.
    """
    return Envelope(
        key_version=_version(data),
        half=data[VERSION_END:HALF_END],
        commitment=data[HALF_END:HEADER_SIZE],
        nonce=data[HEADER_SIZE:NONCE_END],
        ciphertext=data[NONCE_END:],
    )


def _version(data: bytes) -> int:
    if not isinstance(data, bytes) or not data:
        raise Tampered
    if data[0] != FORMAT:
        raise Tampered if data[0] == SUBJECT_FORMAT else EnvelopeUnknown  # the other one, in a place that has none
    if len(data) < OVERHEAD:
        raise Tampered
    key_version = int.from_bytes(data[1:VERSION_END], "big")
    if key_version == 0:
        raise Tampered
    return key_version
