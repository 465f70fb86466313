from __future__ import annotations

import hashlib
import os
import sys

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes

from amanah.encryption.xaes import Xaes256Gcm

NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"
PLAINTEXT = b"XAES-256-GCM"


@pytest.mark.parametrize(
    "key, subkey, associated, ciphertext",
    [
        pytest.param(
            b"\x01" * 32,
            "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
            b"",
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            id="msb-0",
        ),
        pytest.param(
            b"\x03" * 32,
            "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
            b"c2sp.org/XAES-256-GCM",
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            id="msb-1",
        ),
    ],
)
def test_the_published_vectors_hold(key, subkey, associated, ciphertext):
    """Subkey, ciphertext and tag are those of the C2SP specification, for both values of the top bit of L."""
    xaes = Xaes256Gcm(key)
    assert xaes.subkey(NONCE[:12]).hex() == subkey
    assert xaes.encrypt(NONCE, PLAINTEXT, associated).hex() == ciphertext
    assert xaes.decrypt(NONCE, bytes.fromhex(ciphertext), associated) == PLAINTEXT


def drawn(count):
    """So many (key, nonce, plaintext, associated data) from the specification's generator: SHAKE-128 of nothing."""
    generator = hashes.XOFHash(hashes.SHAKE128(digest_size=sys.maxsize))
    stream, position = b"", 0

    def draw(size):
        nonlocal position
        position += size
        return stream[position - size : position]

    for _ in range(count):
        if len(stream) - position < 32 + 24 + 2 * 256:  # more than any one sequence of draws can use
            stream, position = stream[position:] + generator.squeeze(2**16), 0
        yield draw(32), draw(24), draw(draw(1)[0]), draw(draw(1)[0])


def accumulated(count):
    """The hash over the ciphertexts of so many messages, each of which was opened again."""
    hashed = hashlib.shake_128()
    for key, nonce, plaintext, associated in drawn(count):
        xaes = Xaes256Gcm(key)
        ciphertext = xaes.encrypt(nonce, plaintext, associated)
        hashed.update(ciphertext)
        assert xaes.decrypt(nonce, ciphertext, associated) == plaintext
    return hashed.hexdigest(32)


def test_the_generator_is_the_published_one():
    """Its stream begins as the specification says."""
    assert next(drawn(1))[0][:16].hex() == "7f9c2ba4e88f827d616045507605853e"


def test_the_accumulated_vector_of_ten_thousand_messages_holds():
    """Ten thousand messages from the specification's deterministic stream hash to its published value."""
    assert accumulated(10_000) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@pytest.mark.slow
@pytest.mark.skipif("AMANAH_TEST_LONG" not in os.environ, reason="takes a minute: make long")
def test_the_accumulated_vector_of_a_million_messages_holds():
    """A million messages hash to the specification's second published value."""
    assert accumulated(1_000_000) == "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(size):
    """There is only XAES-256: shorter keys are not stretched and longer ones not cut."""
    with pytest.raises(ValueError, match="32 bytes"):
        Xaes256Gcm(bytes(size))


@pytest.mark.parametrize("size", [0, 12, 23, 25])
def test_a_nonce_of_another_length_is_refused(size):
    """A plain 12-byte GCM nonce, for example, does not pass for an extended one."""
    xaes = Xaes256Gcm(bytes(32))
    with pytest.raises(ValueError, match="24 bytes"):
        xaes.encrypt(bytes(size), b"", b"")
    with pytest.raises(ValueError, match="24 bytes"):
        xaes.decrypt(bytes(size), bytes(16), b"")


def test_half_a_nonce_of_another_length_is_refused():
    """The subkey is derived from exactly 12 bytes."""
    with pytest.raises(ValueError, match="12 bytes"):
        Xaes256Gcm(bytes(32)).subkey(bytes(11))


def test_other_associated_data_does_not_open():
    """The associated data is under the tag."""
    xaes = Xaes256Gcm(b"\x01" * 32)
    with pytest.raises(InvalidTag):
        xaes.decrypt(NONCE, xaes.encrypt(NONCE, PLAINTEXT, b"a"), b"b")
