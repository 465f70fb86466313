"""Our cipher beside implementations that share no line with it: Google's Tink, the KDF of SP 800-108, and RFC 5869 by
hand.
"""  # noqa: D205

from __future__ import annotations

import hashlib
import hmac

import pytest
import tink
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from hypothesis import given, settings
from hypothesis import strategies as st
from tink import aead, proto_keyset_format, secret_key_access
from tink.proto import tink_pb2, x_aes_gcm_pb2

from amanah.encryption.cipher import TenantCipher, TenantKeys
from amanah.encryption.netstrings import netstring
from amanah.encryption.xaes import Xaes256Gcm
from amanah.errors import Tampered

aead.register()
keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=24, max_size=24)
texts = st.binary(max_size=600)


def tinks(key):
    """Tink's XAES-256-GCM under our key: a nonce of 24 bytes, and nothing before it (the prefix RAW)."""
    own = x_aes_gcm_pb2.XAesGcmKey(version=0, params=x_aes_gcm_pb2.XAesGcmParams(salt_size=12), key_value=key)
    data = tink_pb2.KeyData(
        type_url="type.googleapis.com/google.crypto.tink.XAesGcmKey",
        value=own.SerializeToString(),
        key_material_type=tink_pb2.KeyData.SYMMETRIC,
    )
    entry = tink_pb2.Keyset.Key(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[entry]).SerializeToString()
    return proto_keyset_format.parse(keyset, secret_key_access.TOKEN).primitive(aead.Aead)


@settings(max_examples=50)
@given(keys, nonces, texts, texts)
def test_tink_opens_what_we_encrypt(key, nonce, plaintext, associated):
    """Whatever key, nonce, text and associated data."""
    sealed = nonce + Xaes256Gcm(key).encrypt(nonce, plaintext, associated)
    assert tinks(key).decrypt(sealed, associated) == plaintext


@settings(max_examples=50)
@given(keys, texts, texts)
def test_we_open_what_tink_encrypts(key, plaintext, associated):
    """The nonce is Tink's own choice, and stands before its ciphertext."""
    sealed = tinks(key).encrypt(plaintext, associated)
    assert Xaes256Gcm(key).decrypt(sealed[:24], sealed[24:], associated) == plaintext


def test_tink_refuses_what_we_refuse():
    """The oracle is no yes-man: a changed byte or other associated data does not open there either."""
    nonce = b"n" * 24
    sealed = nonce + Xaes256Gcm(b"k" * 32).encrypt(nonce, b"value", b"ad")
    for changed, associated in ((sealed[:-1] + bytes((sealed[-1] ^ 1,)), b"ad"), (sealed, b"da")):
        with pytest.raises(tink.TinkError):
            tinks(b"k" * 32).decrypt(changed, associated)


@settings(max_examples=50)
@given(keys, st.binary(min_size=12, max_size=12))
def test_a_subkey_is_that_of_the_standard(key, half):
    """Counter-mode KDF of SP 800-108 over AES-CMAC: a counter of 16 bits, label X, context N[:12], no length."""
    standard = KBKDFCMAC(
        algorithm=algorithms.AES,
        mode=Mode.CounterMode,
        length=32,
        rlen=2,
        llen=None,
        location=CounterLocation.BeforeFixed,
        label=None,
        context=None,
        fixed=b"X\x00" + half,
    )
    assert Xaes256Gcm(key).subkey(half) == standard.derive(key)


# -- a sealed value, by the words of docs/reference/envelope.md alone --------------------------------------------------


def expand(key, information):
    """HKDF-Expand of RFC 5869, section 2.3, for one block of SHA-256: T(1) = HMAC(PRK, info || 0x01)."""
    return hmac.digest(key, information + b"\x01", hashlib.sha256)


def nets(*parts):
    """Netstrings, written by hand."""
    return b"".join(str(len(part)).encode() + b":" + part + b"," for part in parts)


@settings(max_examples=30)
@given(st.binary(max_size=300), keys, st.integers(1, 2**32 - 1))
def test_the_reference_page_is_enough_to_open_a_value(value, data_key, version):
    """Who has the data key, the page and another vendor's XAES-256-GCM needs nothing of this library."""
    place = netstring("customer.phone", "7")
    sealed = TenantCipher("surabaya", TenantKeys({version: data_key}, version, {1: b"i" * 32}, 1)).seal(
        "customer.phone", place, value
    )
    assert sealed[0] == 1
    assert int.from_bytes(sealed[1:5], "big") == version
    half, commitment, second, ciphertext = sealed[5:17], sealed[17:49], sealed[49:61], sealed[61:]
    context = nets(b"surabaya", b"customer.phone", str(version).encode())
    assert hmac.digest(expand(data_key, b"amanah/1 commit" + context), half, "sha256") == commitment
    theirs = tinks(expand(data_key, b"amanah/1 seal" + context))
    associated = nets(b"surabaya", b"customer.phone", b"7")
    assert theirs.decrypt(half + second + ciphertext, associated) == value


def test_a_value_that_another_program_sealed_opens():
    """The other way round: the page is enough to write one, too."""
    context = nets(b"surabaya", b"customer.phone", b"1")
    theirs = tinks(expand(b"d" * 32, b"amanah/1 seal" + context))
    made = theirs.encrypt(b"+62812", nets(b"surabaya", b"customer.phone", b"7"))
    commitment = hmac.digest(expand(b"d" * 32, b"amanah/1 commit" + context), made[:12], "sha256")
    envelope = b"\x01\x00\x00\x00\x01" + made[:12] + commitment + made[12:]
    cipher = TenantCipher("surabaya", TenantKeys({1: b"d" * 32}, 1, {1: b"i" * 32}, 1))
    assert cipher.open("customer.phone", netstring("customer.phone", "7"), envelope) == b"+62812"
    with pytest.raises(Tampered):
        cipher.open("customer.phone", netstring("customer.phone", "8"), envelope)
