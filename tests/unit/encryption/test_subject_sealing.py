from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from amanah.encryption.cipher import TenantCipher, TenantKeys
from amanah.encryption.envelope import SUBJECT_OVERHEAD
from amanah.encryption.netstrings import netstring
from amanah.encryption.subject_sealing import Secret
from amanah.errors import EpochMissing, KeyRetired, KeyUnknown, SealError, Tampered

FIELD = "patient.phone"
PLACE = netstring(FIELD, "7")
DATA, INDEX, EPOCH = b"d" * 32, b"i" * 32, b"e" * 32


def make(tenant="clinic", data=None, sealing=1, epochs=None, retired=None):
    keys = TenantKeys(
        data=data or {1: DATA},
        sealing=sealing,
        index={1: INDEX},
        reading=1,
        epochs={1: EPOCH} if epochs is None else epochs,
        retired=retired or {},
    )
    return TenantCipher(tenant, keys)


SECRET = Secret(b"s" * 32)
SEALED = make().seal_for(SECRET, PLACE, b"+62812")


@given(value=st.binary(max_size=300))
def test_a_value_comes_back_under_its_subjects_secret(value):
    """It opens with the same secret in another process, and is 65 bytes longer than the value."""
    sealed = make().seal_for(SECRET, PLACE, value)
    assert make().open_for(SECRET, PLACE, sealed) == value
    assert len(sealed) == len(value) + SUBJECT_OVERHEAD == len(value) + 65


def test_the_construction_is_the_documented_one():
    """An implementation written from the module's docstring, with other libraries' hashes, opens the envelope."""
    info = b"amanah/1 subject" + netstring("clinic") + netstring("1")
    tenant_key = HKDFExpand(SHA256(), 32, info).derive(DATA)
    both = hmac.new(tenant_key, SECRET, hashlib.sha512).digest()
    assert SEALED[:5] == b"\x02\x00\x00\x00\x01"
    assert SEALED[5:37] == both[32:]
    assert AESGCM(both[:32]).decrypt(SEALED[37:49], SEALED[49:], netstring("clinic") + PLACE) == b"+62812"


@pytest.mark.parametrize(
    "cipher, secret, place",
    [
        (make(), Secret(b"t" * 32), PLACE),
        (make("other"), SECRET, PLACE),
        (make(data={1: b"D" * 32}), SECRET, PLACE),
        (make(), SECRET, netstring("patient.name", "7")),
        (make(), SECRET, netstring(FIELD, "8")),
    ],
    ids=["person", "tenant", "data key", "field", "row"],
)
def test_it_opens_nowhere_else(cipher, secret, place):
    """Another person's secret, tenant, key, column or row is refused."""
    with pytest.raises(Tampered):
        cipher.open_for(secret, place, SEALED)


def test_one_cipher_tells_persons_apart_whose_values_alternate():
    """What it remembers of the last person never opens or seals another one's value."""
    cipher, other = make(), Secret(b"t" * 32)
    both = [(secret, cipher.seal_for(secret, PLACE, bytes(secret))) for secret in (SECRET, other)]
    for secret, sealed in both * 2:
        assert cipher.open_for(secret, PLACE, sealed) == bytes(secret)
    with pytest.raises(Tampered):
        cipher.open_for(SECRET, PLACE, both[1][1])


def test_no_byte_can_be_changed_and_none_cut_off():
    """Every flipped bit and every shorter piece is refused as itself, never as another error."""
    for position in range(len(SEALED)):
        changed = SEALED[:position] + bytes([SEALED[position] ^ 1]) + SEALED[position + 1 :]
        with pytest.raises(SealError):
            make().open_for(SECRET, PLACE, changed)
        with pytest.raises(Tampered):
            make().open_for(SECRET, PLACE, SEALED[:position])


@given(data=st.binary(max_size=120))
def test_what_is_no_envelope_is_refused(data):
    """Whatever stands in a cell, only an envelope of this format opens."""
    for given_ in (data, b"\x02\x00\x00\x00\x01" + data):
        with pytest.raises(SealError):
            make().open_for(SECRET, PLACE, given_)


def test_neither_format_passes_for_the_other():
    """A value that was sealed with a person's secret does not open without one, nor the other way round."""
    with pytest.raises(Tampered):
        make().open(FIELD, PLACE, SEALED)
    with pytest.raises(Tampered):
        make().open_for(SECRET, PLACE, make().seal(FIELD, PLACE, b"+62812"))


def test_older_versions_open_until_they_are_retired():
    """A value names its key: a newer one beside it changes nothing, and a retired or unknown one is told as that."""
    assert make(data={1: DATA, 2: b"2" * 32}, sealing=2).open_for(SECRET, PLACE, SEALED) == b"+62812"
    with pytest.raises(KeyUnknown):
        make(data={2: b"2" * 32}, sealing=2).open_for(SECRET, PLACE, SEALED)
    with pytest.raises(KeyRetired):
        make(data={2: b"2" * 32}, sealing=2, retired={1: DATA}).open_for(SECRET, PLACE, SEALED)


def test_a_secret_is_wrapped_for_one_person_of_one_tenant():
    """Put beside another id, another kind or in another tenant, a wrapped secret does not unwrap."""
    wrapped = make().wrap_secret("patient", "7", SECRET)
    assert make().unwrap_secret("patient", "7", wrapped) == SECRET
    for cipher, kind, subject in ((make(), "patient", "8"), (make(), "staff", "7"), (make("other"), "patient", "7")):
        with pytest.raises(Tampered):
            cipher.unwrap_secret(kind, subject, wrapped)


def test_a_destroyed_epoch_takes_its_secrets_with_it():
    """Once the key of its epoch is gone, a wrapped secret is no secret any more; new ones go under the newest epoch."""
    wrapped = make().wrap_secret("patient", "7", SECRET)
    later = make(epochs={1: EPOCH, 2: b"E" * 32})
    assert later.epoch == 2
    assert later.unwrap_secret("patient", "7", wrapped) == SECRET
    with pytest.raises(KeyUnknown):
        make(epochs={2: b"E" * 32}).unwrap_secret("patient", "7", wrapped)
    with pytest.raises(EpochMissing):
        make(epochs={}).wrap_secret("patient", "7", SECRET)


def test_a_secret_does_not_show_in_its_text():
    """Neither a log line nor a traceback's repr holds it."""
    assert "sss" not in f"{SECRET!r} {SECRET}"
