"""What counts as the same value when a sealed column is searched: one function per name in a declaration.

A blind index compares whole tokens, so everything that people write differently has to be made equal *before* the token
is computed, and changing a function here means computing every token anew.
"""

from __future__ import annotations

import contextlib
import unicodedata
from typing import TYPE_CHECKING, Any

from ..errors import DeclarationError, InvalidInput
from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Callable

_INDONESIA = "62"
_SHORTEST_WITH_COUNTRY = 10  # "62…" without a plus: below this it is a short or local number
_MOBILE = range(9, 13)  # digits of an Indonesian mobile number without its leading zero: 8xx…


def normaliser(name: str | None) -> Callable[[Any], str] | None:
    """The function that makes equal texts equal; None (for the name None) where a value is compared as it is.

    ``casefold``: letter case, width and surrounding space do not count. ``email``: the same, and an international
    domain equals its punycode. ``phone``: a number written nationally (0812…) equals its international form
    (+62 812…), for Indonesia. ``digits``: only the digits count (NIK, NPWP, an account number).
    Raises :class:`~amanah.errors.DeclarationError` for another name; the functions raise
    :class:`~amanah.errors.InvalidInput` for a value that is no text.
    """
    if name is None:
        return None
    if name not in _NORMALISERS:
        raise DeclarationError(detail=f"there is no normaliser {name!r}; there are: {', '.join(sorted(_NORMALISERS))}")
    return _NORMALISERS[name]


def casefold(value: Any) -> str:
    """Compatibility caseless matching (Unicode, D146), without surrounding space."""
    if not isinstance(value, str):
        raise InvalidInput(detail=N_("Only text can be searched in this field."))
    if value.isascii():  # which every normal form leaves alone
        return value.lower().strip()
    folded = unicodedata.normalize("NFD", value).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded)).strip()


def email(value: Any) -> str:
    """An address in one case, its domain in ASCII. The local part is case-folded too, as every large provider does."""
    local, at, domain = casefold(value).rpartition("@")
    with contextlib.suppress(UnicodeError):  # no domain name: compared as it was written
        domain = domain.encode("idna").decode("ascii").lower()
    return f"{local}{at}{domain}"


def digits(value: Any) -> str:
    """The decimal digits of ``value`` in ASCII; a text without any ("-", "unknown") is compared as `casefold` does."""
    text = casefold(value)
    found = _digits(text)
    return found or text


def phone(value: Any) -> str:
    """An Indonesian number as ``+62…``; a foreign one as ``+…``; a short number (110, 1500123) as its digits.

    Read from the left: an international prefix (+ or 00), the country, then the trunk zero that some write after it.
    A text without any digit is compared as `casefold` does.
    """
    text = casefold(value)
    number = _digits(text)
    if not number:
        return text
    significant = number.lstrip("0")
    plus = text.lstrip("( ").startswith("+") and not number.startswith(
        "0"
    )  # "+0812…" is a national number all the same
    if significant and (plus or number.startswith("00")):
        return _with_country(significant)
    if significant and number.startswith("0"):
        return _with_country(_INDONESIA + significant)
    if number.startswith(_INDONESIA) and len(number) >= _SHORTEST_WITH_COUNTRY:
        return _with_country(number)
    if number.startswith("8") and len(number) in _MOBILE:
        return _with_country(_INDONESIA + number)
    return number


def _with_country(number: str) -> str:
    if number.startswith(_INDONESIA):
        return f"+{_INDONESIA}{number.removeprefix(_INDONESIA).lstrip('0')}"
    return f"+{number}"


def _digits(text: str) -> str:
    found = filter(str.isdecimal, text)
    return "".join(found if text.isascii() else (str(unicodedata.decimal(one)) for one in found))


_NORMALISERS: dict[str, Callable[[Any], str]] = {"casefold": casefold, "digits": digits, "email": email, "phone": phone}
