from __future__ import annotations

import sys

import pytest

from amanah.encryption.normalise import normaliser
from amanah.errors import DeclarationError, InvalidInput


@pytest.mark.parametrize(
    "written",
    [
        "+6281234567890",
        "081234567890",
        "0812-3456-7890",
        "0812 3456 7890",
        "(0812) 3456.7890",
        "6281234567890",
        "81234567890",
        "+62 812 3456 7890",
        "(+62) 812-3456-7890",
        "+62 (0)812 3456 7890",
        "+0812 3456 7890",
        "0062 812 3456 7890",
        "\u00a0+62\u2011812\u20113456\u20117890 ",
        "\uff10\uff18\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
        "Tel. 0812 3456 7890",
    ],
)
def test_one_indonesian_mobile_number_is_found_however_it_is_written(written):
    """0812… and +62 812… are one number."""
    assert normaliser("phone")(written) == "+6281234567890"


@pytest.mark.parametrize(
    "written, normal",
    [
        ("021-5551234", "+62215551234"),
        ("+62 21 5551234", "+62215551234"),
        ("(0628) 12345", "+6262812345"),
        ("+1 415 555 2671", "+14155552671"),
        ("0014155552671", "+14155552671"),
        ("+60 12-345 6789", "+60123456789"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+39 06 6982 0000", "+390669820000"),
        ("+1 415 555 2671 ext. 3", "+14155552671"),
        ("+999 1", "+9991"),
        ("110", "110"),
        ("1500 123", "1500123"),
        ("-", "-"),
        ("Tidak Ada", "tidak ada"),
        ("", ""),
    ],
)
def test_other_numbers_keep_their_meaning(written, normal):
    """Landlines, foreign and short numbers, and what is no number at all."""
    assert normaliser("phone")(written) == normal


@pytest.mark.parametrize(
    "one, other",
    [
        ("0812 3456 7890", "0812 3456 7891"),
        ("+1 415 555 2671", "+62 415 555 2671"),
        ("110", "0110"),
        ("-", "tidak ada"),
        ("0628 12345", "0812 345"),
    ],
)
def test_different_numbers_stay_different(one, other):
    """Making equal never goes as far as joining two people's numbers."""
    assert normaliser("phone")(one) != normaliser("phone")(other)


@pytest.mark.parametrize(
    "one, other",
    [
        ("Siti@Example.com", " siti@EXAMPLE.COM"),
        ("a@bücher.example", "A@xn--bcher-kva.example"),
        ("\uff33\uff29\uff34\uff29@example.com", "siti@example.com"),
    ],
)
def test_an_address_is_found_however_it_is_written(one, other):
    """Letter case, width, surrounding space and the spelling of an international domain do not count."""
    assert normaliser("email")(one) == normaliser("email")(other)


def test_dots_and_tags_in_an_address_count():
    """They make other addresses at most providers, so they are not one provider's rule for all."""
    addresses = {
        normaliser("email")(text) for text in ("a.b@x.example", "ab@x.example", "ab+c@x.example", "no address")
    }
    assert len(addresses) == 4


def test_letter_case_does_not_count_in_any_script():
    """As Unicode folds it, not as lower() does."""
    fold = normaliser("casefold")
    assert fold("Straße ") == fold("STRASSE")
    assert fold("ΣΊΣΥΦΟΣ") == fold("σίσυφος")
    assert fold("é") == fold("e\u0301")


def test_only_digits_count_in_a_number_on_a_card():
    """An NPWP is found with and without its dots; a text without digits stays itself."""
    digits = normaliser("digits")
    assert digits("01.234.567.8-901.000") == digits("012345678901000")
    assert digits("belum punya") != digits("-")


def test_numbers_of_another_country_are_found_however_they_are_written():
    """With its trunk prefix, its country, or neither; what is no number there stays its digits."""
    at_home = normaliser("phone:SG")
    assert {at_home(text) for text in ("6521 8000", "+65 6521 8000", "0065-6521-8000")} == {"+6565218000"}
    assert normaliser("phone:GB")("020 7946 0018") == "+442079460018"
    assert normaliser("phone:GB")("+44 (0) 20 7946 0018") == "+442079460018"
    assert at_home("999") == "999"
    assert at_home("+62 812 3456 7890") == normaliser("phone")("0812 3456 7890")


def test_phone_without_its_library_is_refused_when_it_is_declared(monkeypatch):
    """Two processes, one with it and one without, would search by different tokens."""
    monkeypatch.setitem(sys.modules, "phonenumbers", None)
    with pytest.raises(DeclarationError, match=r"amanah\[phone\]"):
        normaliser("phone")


def test_identity_and_tax_numbers_are_found_however_they_are_grouped():
    """An NPWP of the old form is the new one with a zero before it, and a NIK may be one; others stay themselves."""
    nik, npwp = normaliser("nik"), normaliser("npwp")
    assert nik("3578 0112 0385 0001") == nik("35.78.01.120385.0001") == "3578011203850001"
    assert npwp("01.234.567.8-901.000") == npwp("0012 3456 7890 1000") == "0012345678901000"
    assert npwp("3578011203850001") == nik("3578 0112 0385 0001")
    assert nik("1234") != nik("12-34")
    assert npwp("Belum ada") == "belum ada"


def test_no_name_means_as_it_is():
    """The caller compares the value's own encoding then."""
    assert normaliser(None) is None


@pytest.mark.parametrize("name", ["telephone", "", "CASEFOLD", "phone:", "phone:XX", "email:ID", ":", "PHONE"])
def test_an_unknown_name_is_refused_when_it_is_declared(name):
    """The message lists the names that there are, or says how a country is written."""
    with pytest.raises(DeclarationError, match=r"casefold, digits, email, nik, npwp, phone|like phone:SG"):
        normaliser(name)


@pytest.mark.parametrize("name", ["casefold", "digits", "email", "nik", "npwp", "phone", "phone:SG"])
@pytest.mark.parametrize("value", [7, None, b"x", 812.5])
def test_what_is_no_text_is_refused_without_quoting_it(name, value):
    """A number would lose its leading zero before it got here."""
    with pytest.raises(InvalidInput):
        normaliser(name)(value)
