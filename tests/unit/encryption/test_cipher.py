from __future__ import annotations

import contextlib
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from amanah.encryption import field_cipher as module
from amanah.encryption.cipher import TOKEN_SIZE, TenantCipher, TenantKeys
from amanah.encryption.envelope import HALF_END, HEADER_SIZE, NONCE_END, VERSION_END
from amanah.encryption.netstrings import netstring
from amanah.errors import EnvelopeUnknown, KeyUnknown, SealError, Tampered

FIELD = "customer.phone"
PLACE = netstring(FIELD, "0198c1de-7a11-7cc0-b52e-6d2f8a4e10aa")
PHONE = b"+6281234567890"
DATA, INDEX = b"d" * 32, b"i" * 32


def make(tenant="surabaya", keys=None, version=1, index=INDEX):
    return TenantCipher(tenant, TenantKeys(keys or {1: DATA}, version, {1: index}, 1))


@pytest.fixture
def cipher():
    return make()


def test_a_value_comes_back(cipher):
    """What was sealed for a place opens at that place, also in another process that remembers nothing."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    assert cipher.open(FIELD, PLACE, sealed) == PHONE
    assert make().open(FIELD, PLACE, sealed) == PHONE


def test_an_empty_value_comes_back(cipher):
    """An empty text is a value."""
    assert make().open(FIELD, PLACE, cipher.seal(FIELD, PLACE, b"")) == b""


def test_the_value_does_not_show(cipher):
    """The envelope holds no trace of the plaintext and is never the same twice."""
    first, second = cipher.seal(FIELD, PLACE, PHONE), cipher.seal(FIELD, PLACE, PHONE)
    assert PHONE not in first
    assert first != second


@pytest.mark.parametrize("remembered", [False, True])
def test_no_byte_can_be_changed(remembered):
    """Each byte of an envelope is guarded: any flipped bit is refused, by an opener that remembers the key or not."""
    sealing = make(keys={2**31: DATA}, version=2**31)
    sealed = sealing.seal(FIELD, PLACE, PHONE)
    for position in range(len(sealed)):
        for bit in (0x01, 0x40):
            changed = bytearray(sealed)
            changed[position] ^= bit
            expected = KeyUnknown if 0 < position < VERSION_END else EnvelopeUnknown if position == 0 else Tampered
            with pytest.raises(SealError) as caught:
                (sealing if remembered else make(keys={2**31: DATA}, version=2**31)).open(FIELD, PLACE, bytes(changed))
            assert caught.type is expected, position


def test_a_truncated_or_extended_value_is_refused(cipher):
    """No prefix of a sealed value opens, nor does a sealed value with something behind it."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    for size in range(len(sealed)):
        with pytest.raises(Tampered):
            cipher.open(FIELD, PLACE, sealed[:size])
    with pytest.raises(Tampered):
        cipher.open(FIELD, PLACE, sealed + b"\x00")


def test_a_value_cannot_be_moved_to_another_row(cipher):
    """The row's key is in the associated data."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    with pytest.raises(Tampered):
        cipher.open(FIELD, netstring(FIELD, "another row"), sealed)


def test_a_value_cannot_be_moved_to_another_field(cipher):
    """The field has a key of its own: even a caller that names the old place gets nothing."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    with pytest.raises(Tampered):
        cipher.open("customer.email", netstring("customer.email", "7"), sealed)
    with pytest.raises(Tampered):
        cipher.open("customer.email", PLACE, sealed)


def test_a_value_cannot_be_moved_to_another_tenant(cipher):
    """Not with the other tenant's keys, nor, were both to share them, past the tenant in the context."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    with pytest.raises(Tampered):
        make("bandung", {1: b"e" * 32}).open(FIELD, PLACE, sealed)
    with pytest.raises(Tampered):
        make("bandung").open(FIELD, PLACE, sealed)


def test_two_parts_of_one_tenants_envelopes_do_not_mix(cipher):
    """The halves of two envelopes for the same cell, put together, are refused."""
    first, second = make().seal(FIELD, PLACE, PHONE), make().seal(FIELD, PLACE, b"+6280000000000")
    for cut in (VERSION_END, HALF_END, HEADER_SIZE, NONCE_END):
        if first[:cut] == second[:cut]:
            continue
        with pytest.raises(Tampered):
            cipher.open(FIELD, PLACE, first[:cut] + second[cut:])


def test_an_unknown_key_version_is_refused_by_name():
    """A value under a key that the tenant does not have is no tampering: the key table is incomplete."""
    sealed = make(keys={1: DATA, 2: b"e" * 32}, version=2).seal(FIELD, PLACE, PHONE)
    with pytest.raises(KeyUnknown):
        make().open(FIELD, PLACE, sealed)


def test_older_key_versions_still_open():
    """After a rotation new values take the new key and old ones keep opening."""
    old = make().seal(FIELD, PLACE, PHONE)
    rotated = make(keys={1: DATA, 2: b"e" * 32}, version=2)
    assert rotated.open(FIELD, PLACE, old) == PHONE
    assert rotated.seal(FIELD, PLACE, PHONE)[1:VERSION_END] == b"\x00\x00\x00\x02"


def test_a_key_version_cannot_be_exchanged_for_another_that_exists():
    """Renaming the key in the envelope does not open under the other key."""
    both = make(keys={1: DATA, 2: b"e" * 32})
    sealed = both.seal(FIELD, PLACE, PHONE)
    with pytest.raises(Tampered):
        both.open(FIELD, PLACE, sealed[:1] + b"\x00\x00\x00\x02" + sealed[VERSION_END:])


def test_a_cipher_that_could_not_open_what_it_seals_is_not_made():
    """The version to seal under has to be among the keys."""
    with pytest.raises(KeyUnknown):
        make(version=2)


@pytest.mark.parametrize("value", ["text", None, 7, bytearray(100)])
def test_what_is_no_bytes_is_refused(cipher, value):
    """Whatever a database driver hands over: an error of our own, never a TypeError with the value in it."""
    with pytest.raises(Tampered):
        cipher.open(FIELD, PLACE, value)


# -- the kept half of the nonce ----------------------------------------------------------------------------------------


def halves(sealed):
    return {envelope[VERSION_END:HALF_END] for envelope in sealed}


def test_the_second_half_of_the_nonce_is_always_fresh(cipher):
    """Values share the first half, and each has a second half of its own."""
    sealed = [cipher.seal(FIELD, PLACE, PHONE) for _ in range(500)]
    assert len(halves(sealed)) == 1
    assert len({envelope[HEADER_SIZE:NONCE_END] for envelope in sealed}) == 500


def test_the_first_half_is_given_up_after_its_number_of_uses(cipher, monkeypatch):
    """Exactly USES values share a first half, then the next one is drawn."""
    monkeypatch.setattr(module, "USES", 10)
    sealed = [cipher.seal(FIELD, PLACE, PHONE) for _ in range(30)]
    assert [len(halves(sealed[start : start + 10])) for start in (0, 10, 20)] == [1, 1, 1]
    assert len(halves(sealed)) == 3
    assert all(cipher.open(FIELD, PLACE, envelope) == PHONE for envelope in sealed)


def test_the_bound_is_the_documented_one():
    """The bound that the module's docstring computes with is the one in force."""
    assert module.USES == module.LARGEST_SHARED == 2**20


def test_fields_never_share_a_first_half(cipher):
    """Each field has its own key and its own half."""
    assert len(halves([cipher.seal(FIELD, PLACE, PHONE), cipher.seal("customer.email", PLACE, PHONE)])) == 2


def test_a_large_value_takes_a_first_half_of_its_own(cipher):
    """The bytes under one derived key stay bounded, whatever the size of the values."""
    large = bytes(module.LARGEST_SHARED + 1)
    sealed = [cipher.seal(FIELD, PLACE, value) for value in (PHONE, large, large, PHONE)]
    assert len(halves(sealed)) == 3
    assert halves(sealed[:1]) == halves(sealed[3:])
    assert cipher.open(FIELD, PLACE, sealed[1]) == large


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_its_own_first_half(cipher):
    """Parent and child do not go on under the same half nonce."""
    before = cipher.seal(FIELD, PLACE, PHONE)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.write(writing, cipher.seal(FIELD, PLACE, PHONE))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        inside = pipe.read()
    os.waitpid(child, 0)
    after = cipher.seal(FIELD, PLACE, PHONE)
    assert cipher.open(FIELD, PLACE, inside) == PHONE
    assert halves([before]) == halves([after]) != halves([inside])


def test_threads_share_a_cipher(monkeypatch):
    """Eight threads seal and open through one cipher while halves change: every value opens, no nonce repeats."""
    monkeypatch.setattr(module, "USES", 50)
    cipher = make()

    def work(number):
        place, value = netstring(FIELD, str(number)), b"value %d" % number
        sealed = [cipher.seal(FIELD, place, value) for _ in range(100)]
        assert all(cipher.open(FIELD, place, envelope) == value for envelope in sealed)
        return sealed

    with ThreadPoolExecutor(8) as pool:
        sealed = [envelope for result in pool.map(work, range(24)) for envelope in result]
    assert len({envelope[VERSION_END:HALF_END] + envelope[HEADER_SIZE:NONCE_END] for envelope in sealed}) == 2400


def test_what_is_remembered_is_bounded():
    """A table full of values by many processes does not fill the memory, and still opens."""
    cipher = make()
    sealed = [make().seal(FIELD, PLACE, PHONE) for _ in range(1500)]
    for envelope in sealed + sealed[:10]:
        assert cipher.open(FIELD, PLACE, envelope) == PHONE
    assert len(cipher._openers) <= 2 * module._REMEMBERED


def test_a_forged_header_is_not_remembered(cipher):
    """Failing envelopes cannot push the remembered keys out."""
    sealed = cipher.seal(FIELD, PLACE, PHONE)
    before = len(cipher._openers)
    for _ in range(5):
        with pytest.raises(Tampered):
            cipher.open(FIELD, PLACE, sealed[:VERSION_END] + os.urandom(12) + sealed[HALF_END:])
    assert len(cipher._openers) == before


# -- tokens and secrets ------------------------------------------------------------------------------------------------


def test_equal_values_have_equal_tokens_in_one_tenant_and_domain(cipher):
    """That is what makes exact search possible, in every process."""
    assert cipher.token(FIELD, PHONE) == make().token(FIELD, PHONE)
    assert len(cipher.token(FIELD, PHONE)) == TOKEN_SIZE == 16


def test_two_tenants_have_different_tokens_for_the_same_value(cipher):
    """A stolen index of two tenants does not say which customers they share, not even if they shared a key."""
    assert cipher.token(FIELD, PHONE) != make("bandung", index=b"j" * 32).token(FIELD, PHONE)
    assert cipher.token(FIELD, PHONE) != make("bandung").token(FIELD, PHONE)


def test_two_domains_have_different_tokens_for_the_same_value(cipher):
    """Columns can be joined by token only where their declaration says so."""
    assert cipher.token(FIELD, PHONE) != cipher.token("courier.phone", PHONE)
    assert cipher.token(FIELD, PHONE) != cipher.token(FIELD, PHONE + b"1")


def test_a_cipher_is_not_pickled_and_does_not_print_its_keys(cipher):
    """Keys do not leave the process by a queue, a cache or a log line."""
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(cipher)
    assert "dddd" not in repr(cipher)
    assert not hasattr(cipher, "__dict__")


def outcome(opens, *arguments):
    """What comes out: the plaintext, or the error's class."""
    try:
        return opens(*arguments)
    except SealError as error:
        return type(error)


def test_an_opener_opens_what_open_does_and_nothing_else():
    """Whatever it remembers of the value before: each byte changed, cut, of another half, version, field or row."""
    keys = {1: DATA, 2: b"e" * 32}
    older, cipher = make(keys=keys), make(keys=keys, version=2)
    sealed, other = older.seal(FIELD, PLACE, PHONE), cipher.seal(FIELD, PLACE, b"other")
    foreign = cipher.seal("customer.name", netstring("customer.name", "7"), b"Budi")
    changed = [sealed[:n] + bytes([sealed[n] ^ 1]) + sealed[n + 1 :] for n in range(len(sealed))]
    cut = [sealed[:n] for n in range(len(sealed))]
    opener, elsewhere = cipher.opener(FIELD), netstring(FIELD, "another row")
    told = []
    for envelope in (*changed, *cut, sealed + b"x", other, foreign, sealed, other):
        for before in (sealed, other):
            assert opener(PLACE, before) in (PHONE, b"other")
            for place in (PLACE, elsewhere):
                expected = outcome(make(keys=keys).open, FIELD, place, envelope)
                assert outcome(opener, place, envelope) == expected
                told.append(expected)
    assert {PHONE, b"other", Tampered, KeyUnknown, EnvelopeUnknown} == set(told)
