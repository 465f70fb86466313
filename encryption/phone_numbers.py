"""Telephone numbers, however they are written, in one spelling: E.164 (``+6281234567890``) wherever that can be told.

Read from the left: an international prefix (+ or 00), the country, then the trunk zero that some write after it. The
numbering plans of the world are those of the library phonenumbers; Indonesia's own numbers follow the rule that stands
here, so that no new release of the library makes a token of today unfindable tomorrow.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, Final

from ..errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable

_INDONESIA: Final = "62"
_SHORTEST_WITH_COUNTRY: Final = 10  # "62…" without a plus: below this it is a short or local number
_MOBILE: Final = range(9, 13)  # digits of an Indonesian mobile number without its leading zero: 8xx…


def phone_in(region: str) -> Callable[[str], str]:
    """What spells numbers as they are meant in a country (ISO 3166), from a text with at least one digit.

    A short number (110, 1500123) stays its digits. Raises :class:`~amanah.errors.DeclarationError` without the library,
    and for a country that it does not know.
    """
    try:
        import phonenumbers
    except ImportError:
        detail = 'normalise="phone" needs the extra: pip install "amanah[phone]"'
        raise DeclarationError(detail=detail) from None
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise DeclarationError(detail=f"there is no country {region!r} for telephone numbers; write it like phone:SG")
    national = _indonesian if region == "ID" else _of(phonenumbers, region)

    def spell(text: str) -> str:
        number = decimals(text)
        significant = number.lstrip("0")
        # "+0812…" is a national number all the same
        plus = text.lstrip("( ").startswith("+") and not number.startswith("0")
        if plus:
            return _international(phonenumbers, text, significant)
        if significant and number.startswith("00"):
            return _international(phonenumbers, f"+{significant}", significant)
        return national(number)

    return spell


def decimals(text: str) -> str:
    """The decimal digits of ``text``, of any script, in ASCII."""
    found = filter(str.isdecimal, text)
    return "".join(found if text.isascii() else (str(unicodedata.decimal(one)) for one in found))


def _international(library: Any, text: str, significant: str) -> str:
    if significant.startswith(_INDONESIA):
        return _with_country(significant)
    try:
        found = library.parse(text, None)
    except library.NumberParseException:
        return f"+{significant}"
    return str(library.format_number(found, library.PhoneNumberFormat.E164))


def _of(library: Any, region: str) -> Callable[[str], str]:
    def national(number: str) -> str:
        try:
            found = library.parse(number, region)
        except library.NumberParseException:
            return number
        if library.is_possible_number_with_reason(found) != library.ValidationResult.IS_POSSIBLE:
            return number
        return str(library.format_number(found, library.PhoneNumberFormat.E164))

    return national


def _indonesian(number: str) -> str:
    significant = number.lstrip("0")
    if significant and number.startswith("0"):
        return _with_country(_INDONESIA + significant)
    if number.startswith(_INDONESIA) and len(number) >= _SHORTEST_WITH_COUNTRY:
        return _with_country(number)
    if number.startswith("8") and len(number) in _MOBILE:
        return _with_country(_INDONESIA + number)
    return number


def _with_country(number: str) -> str:
    return f"+{_INDONESIA}{number.removeprefix(_INDONESIA).lstrip('0')}"


__all__ = ["decimals", "phone_in"]
