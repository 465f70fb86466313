from __future__ import annotations

import pytest

from amanah.encryption.envelope import OVERHEAD, header, parse
from amanah.encryption.netstrings import netstring
from amanah.encryption.sealing import Sealing, WrongKey
from amanah.errors import EnvelopeUnknown, Tampered

KEY = bytes(range(32))


def test_the_layout_is_the_documented_one():
    """Format byte, version, half nonce, commitment, half nonce, ciphertext and tag stand where the docs say."""
    envelope = parse(b"\x01" + b"\x00\x00\x00\x07" + b"h" * 12 + b"c" * 32 + b"n" * 12 + b"x" * 3 + b"t" * 16)
    assert envelope.key_version == 7
    assert envelope.half == b"h" * 12
    assert envelope.commitment == b"c" * 32
    assert envelope.nonce == b"n" * 12
    assert envelope.ciphertext == b"xxx" + b"t" * 16


def test_an_envelope_is_77_bytes_longer_than_its_value():
    """What a sealed cell costs in storage is fixed and documented."""
    assert len(Sealing(KEY, b"").seal(1, b"12345", b"")) == 5 + OVERHEAD == 82


@pytest.mark.parametrize("first", [0, 3, 0x30, 0xFF])
def test_another_format_is_refused_by_name(first):
    """A value of a newer library, or plain text in a sealed column, is told apart from a changed one."""
    sealed = Sealing(KEY, b"").seal(1, b"x", b"")
    with pytest.raises(EnvelopeUnknown):
        parse(bytes((first,)) + sealed[1:])


@pytest.mark.parametrize("size", range(OVERHEAD))
def test_a_truncated_envelope_is_refused(size):
    """No prefix of an empty value's envelope is an envelope."""
    with pytest.raises(Tampered):
        parse(Sealing(KEY, b"").seal(1, b"", b"")[:size])


def test_key_version_0_is_refused():
    """Versions begin at 1, so zeroed bytes name no key."""
    sealed = Sealing(KEY, b"").seal(1, b"x", b"")
    with pytest.raises(Tampered):
        parse(sealed[:1] + bytes(4) + sealed[5:])


@pytest.mark.parametrize("version", [0, -1, 2**32])
def test_a_version_that_does_not_fit_is_never_written(version):
    """Nothing is sealed that could not be opened again."""
    with pytest.raises(ValueError, match="32 bits"):
        header(version, bytes(12), bytes(32))


@pytest.mark.parametrize("value", ["text", None, 7, bytearray(100)])
def test_what_is_no_bytes_is_refused(value):
    """A column that was turned into text does not get as far as the cipher."""
    with pytest.raises(Tampered):
        parse(value)


def test_another_key_is_told_apart_from_a_changed_ciphertext():
    """The commitment answers before the tag does."""
    sealed = Sealing(KEY, b"").seal(1, b"x", b"")
    with pytest.raises(WrongKey):
        Sealing(bytes(32), b"").open(sealed, b"")
    with pytest.raises(Tampered):
        Sealing(KEY, b"").open(sealed[:-1] + bytes((sealed[-1] ^ 1,)), b"")


def test_a_ciphertext_made_for_two_keys_opens_under_none_but_the_committed():
    """The right tag under another key is not enough: the commitment in the envelope decides (key commitment)."""
    committed, other = Sealing(KEY, b""), Sealing(bytes(32), b"")
    envelope = parse(committed.seal(1, b"x", b""))
    forged = other.under(envelope.half).aead.encrypt(envelope.nonce, b"something else", b"")
    data = header(1, envelope.half, envelope.commitment) + envelope.nonce + forged
    with pytest.raises(WrongKey):
        other.open(data, b"")
    with pytest.raises(Tampered):
        committed.open(data, b"")


def test_the_context_is_part_of_the_key():
    """One input key used for two purposes is two keys."""
    with pytest.raises(WrongKey):
        Sealing(KEY, netstring("a")).open(Sealing(KEY, netstring("b")).seal(1, b"x", b""), b"")
    ciphertexts = {
        Sealing(KEY, netstring(context)).under(bytes(12)).aead.encrypt(bytes(12), b"x", b"") for context in ("a", "b")
    }
    assert len(ciphertexts) == 2


def test_netstrings_cannot_be_split_in_two_ways():
    """The customary example: parts that would run together stay apart."""
    assert netstring("customer.phone", "7") == b"14:customer.phone,1:7,"
    assert netstring("ab", "c") != netstring("a", "bc")
    assert netstring("é") == b"2:\xc3\xa9,"
