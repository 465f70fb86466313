"""Whatever value, field and place: what was sealed comes back, and nothing else opens."""

from __future__ import annotations

import datetime as dt
import math

import phonenumbers
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, BigInteger, Boolean, Date, DateTime, Enum, Float, LargeBinary, Numeric, String, Time, Uuid

from amanah import Coordinate, Point
from amanah.encryption.cipher import TenantCipher, TenantKeys
from amanah.encryption.codecs import codec_for
from amanah.encryption.envelope import LARGEST_VERSION, OVERHEAD, header, parse
from amanah.encryption.netstrings import after, netstring
from amanah.encryption.normalise import normaliser
from amanah.errors import EnvelopeUnknown, SealError, Tampered

CIPHER = TenantCipher("surabaya", TenantKeys({1: b"d" * 32}, 1, {1: b"i" * 32}, 1))
text = st.text(st.characters(exclude_categories=["Cs"]))
fields = st.text(st.characters(codec="ascii"), min_size=1, max_size=20)
offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(
    lambda offset: dt.timezone(offset - dt.timedelta(microseconds=offset.microseconds))
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)

VALUES = [
    (String(), text),
    (LargeBinary(), st.binary()),
    (BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    (Numeric(), st.decimals(allow_nan=False)),
    (Float(), st.floats(allow_nan=False)),
    (Boolean(), st.booleans()),
    (Date(), st.dates()),
    (DateTime(), st.datetimes()),
    (DateTime(timezone=True), st.datetimes(timezones=offsets)),
    (Time(), st.times().map(lambda value: value.replace(fold=0))),
    (Uuid(), st.uuids()),
    (JSON(), json_values),
    (Time(timezone=True), st.times(timezones=offsets).map(lambda value: value.replace(fold=0))),
    (Uuid(as_uuid=False), st.uuids().map(str)),
    (Enum("O", "A", "B", "AB"), st.sampled_from(["O", "A", "B", "AB"])),
    (Point(), st.builds(Coordinate, st.floats(-90, 90), st.floats(-180, 180))),
]


@given(st.data())
@pytest.mark.parametrize("type_, values", VALUES, ids=[repr(type_) for type_, _ in VALUES])
def test_every_value_of_a_type_comes_back_exactly(type_, values, data):
    """Value, Python type and every digit survive encoding, sealing, opening and decoding."""
    value = data.draw(values)
    codec = codec_for(type_)
    back = codec.decode(CIPHER.open("f", b"p", CIPHER.seal("f", b"p", codec.encode(value))))
    assert type(back) is type(value)
    assert repr(back) == repr(value) if not isinstance(value, dt.datetime) else back == value
    assert not isinstance(value, dt.datetime) or back.utcoffset() == value.utcoffset()


def test_not_a_number_comes_back():
    """NaN is a value of FLOAT and NUMERIC, though it equals nothing."""
    assert math.isnan(codec_for(Float()).decode(codec_for(Float()).encode(math.nan)))


@given(st.binary(max_size=300), fields, fields, st.binary(max_size=40), st.binary(max_size=40))
def test_a_value_opens_at_its_own_place_only(value, field, other_field, place, other_place):
    """Any other field or place is refused."""
    sealed = CIPHER.seal(field, place, value)
    assert len(sealed) == len(value) + OVERHEAD
    assert CIPHER.open(field, place, sealed) == value
    if field != other_field:
        with pytest.raises(Tampered):
            CIPHER.open(other_field, place, sealed)
    if place != other_place:
        with pytest.raises(Tampered):
            CIPHER.open(field, other_place, sealed)


@given(st.binary(max_size=200))
def test_the_parser_takes_an_envelope_back_byte_by_byte_or_refuses(data):
    """Whatever is parsed encodes to the same bytes: there are no two spellings of an envelope."""
    for candidate in (data, b"\x01" + data):
        try:
            envelope = parse(candidate)
        except (Tampered, EnvelopeUnknown):
            continue
        assert envelope.encode() == candidate


@given(st.binary(max_size=200))
def test_random_bytes_never_open(data):
    """Neither as they are nor with the right format and key version before them."""
    for candidate in (data, b"\x01\x00\x00\x00\x01" + data):
        with pytest.raises(SealError):
            CIPHER.open("f", b"p", candidate)


@given(st.integers(1, LARGEST_VERSION), st.binary(min_size=12, max_size=12), st.binary(min_size=32, max_size=32))
def test_every_header_is_read_as_it_was_written(version, half, commitment):
    """Key version, half nonce and commitment stand where the parser looks for them."""
    envelope = parse(header(version, half, commitment) + bytes(28))
    assert (envelope.key_version, envelope.half, envelope.commitment) == (version, half, commitment)


@st.composite
def mutations(draw):
    """An envelope after one to three edits: bytes exchanged, taken out, put in, cut off, or another's put in place."""
    sealed = bytearray(CIPHER.seal("f", b"p", draw(st.binary(max_size=40))))
    other = CIPHER.seal("f", b"p", draw(st.binary(max_size=40)))
    original = bytes(sealed)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(sealed)))
        end = draw(st.integers(start, len(sealed)))
        match draw(st.sampled_from(["exchange", "remove", "insert", "cut", "splice", "flip"])):
            case "exchange":
                sealed[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
            case "remove":
                del sealed[start:end]
            case "insert":
                sealed[start:start] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del sealed[start:]
            case "splice":
                sealed[start:end] = other[start:end]
            case "flip" if start < len(sealed):
                sealed[start] ^= 1 << draw(st.integers(0, 7))
    return original, other, bytes(sealed)


@given(mutations())
def test_a_mutated_envelope_never_opens(mutation):
    """Whatever was done to it: only the two envelopes that were made open, and a refusal is always one of our own."""
    original, other, mutated = mutation
    if mutated in (original, other):
        return
    with pytest.raises(SealError):
        CIPHER.open("f", b"p", mutated)


@given(st.lists(st.binary(max_size=20), min_size=1), st.binary(max_size=20))
def test_netstrings_are_read_back_part_by_part(parts, rest):
    """What stands before a cell is found again, whatever stands behind it."""
    data, position = netstring(*parts) + rest, 0
    for part in parts:
        found, position = after(data, position)
        assert found == part
    assert data[position:] == rest


@given(st.binary(max_size=40) | st.from_regex(rb"[ +_0-9-]{1,4}:[a-z]{0,12},?", fullmatch=True))
@example(b"01:a,")
@example(b" 1:a,")
@example(b"+1:a,")
@example(b"1_0:abcdefghij,")
def test_a_netstring_has_one_spelling(data):
    """What is read encodes to the same bytes; signs, blanks and zeros before a length are refused."""
    try:
        part, position = after(data, 0)
    except Tampered:
        return
    assert netstring(part) == data[:position]


@given(st.lists(st.binary(max_size=20)), st.lists(st.binary(max_size=20)))
def test_places_are_equal_only_if_their_parts_are(one, other):
    """No two lists of parts make the same netstrings."""
    assert (netstring(*one) == netstring(*other)) == (one == other)


@pytest.mark.parametrize("name", ["casefold", "digits", "email", "nik", "npwp", "phone", "phone:SG", "phone:GB"])
@given(value=st.text() | st.from_regex(r"\+?[0-9 ()-]{0,16}", fullmatch=True) | st.emails())
def test_normalising_twice_changes_nothing(name, value):
    """A normalised value is its own normal form, so re-indexing from stored forms is safe."""
    normalise = normaliser(name)
    assert normalise(normalise(value)) == normalise(value)


@given(
    number=st.from_regex(r"8[1-9][0-9]{7,9}", fullmatch=True),
    prefix=st.sampled_from(["0", "+62", "+62 ", "62", "0062 ", "(+62) ", "+62 (0)", "Tel. 0"]),
    gap=st.sampled_from(["", " ", "-", ".", "\u2011"]),
    size=st.integers(2, 4),
)
def test_a_mobile_number_is_found_however_it_is_grouped_and_begun(number, prefix, gap, size):
    """Each way of writing an Indonesian mobile number gives the token of its international form."""
    written = prefix + gap.join(number[at : at + size] for at in range(0, len(number), size))
    assert normaliser("phone")(written) == f"+62{number}"


@settings(max_examples=25)
@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), style=st.sampled_from([0, 1, 3]))
def test_a_number_of_any_country_is_one_however_it_is_printed(region, style):
    """As E.164, spaced for people, and as a link: what is printed with its country is one number everywhere."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assume(example is not None)
    printed = phonenumbers.format_number(example, style).removeprefix("tel:")
    plain = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    assert normaliser("phone")(printed) == normaliser("phone:SG")(printed) == plain


@given(digits=st.text("0123456789", min_size=15, max_size=16), gap=st.sampled_from(["", ".", "-", " "]))
def test_a_tax_number_has_one_form(digits, gap):
    """Of fifteen digits or of sixteen, in whichever groups."""
    written = gap.join(digits[at : at + 3] for at in range(0, len(digits), 3))
    assert normaliser("npwp")(written) == digits.rjust(16, "0")
