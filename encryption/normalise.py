"""What counts as the same value when a sealed column is searched: one function per name in a declaration.

A blind index compares whole tokens, so everything that people write differently has to be made equal *before* the token
is computed, and changing a function here means computing every token anew.
"""

from __future__ import annotations

import contextlib
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from ..errors import DeclarationError, InvalidInput
from ..i18n import N_
from .phone_numbers import decimals, phone_in

if TYPE_CHECKING:
    from collections.abc import Callable

_NIK_SIZE: Final = 16
_OLD_NPWP_SIZE: Final = 15


def normaliser(name: str | None) -> Callable[[Any], str] | None:
    """The function that makes equal texts equal; None (for the name None) where a value is compared as it is.

    ``casefold``: letter case, width and surrounding space do not count. ``email``: the same, and an international
    domain equals its punycode. ``phone``: a number written nationally (0812…) equals its international form
    (+62 812…), for Indonesia; ``phone:SG`` for another country (ISO 3166). ``digits``: only the digits count, as in an
    account number. ``nik``: the 16 digits of an Indonesian identity number. ``npwp``: an Indonesian tax number; the old
    form of 15 digits equals the one of 16 that begins with a zero, and a NIK that serves as one equals itself.
    Raises :class:`~amanah.errors.DeclarationError` for another name, and for ``phone`` without the extra of that name;
    the functions raise :class:`~amanah.errors.InvalidInput` for a value that is no text.
    """
    if name is None:
        return None
    kind, colon, region = name.partition(":")
    if kind == "phone" and bool(colon) == bool(region):
        national = phone_in(region or "ID")

        def phone(value: Any) -> str:
            """A number as ``+62…``, see `phone_numbers`; a text without any digit is compared as `casefold` does."""
            text = casefold(value)
            return national(text) if decimals(text) else text

        return phone
    if name not in _NORMALISERS:
        known = ", ".join(sorted([*_NORMALISERS, "phone"]))
        raise DeclarationError(detail=f"there is no normaliser {name!r}; there are: {known}")
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
    found = decimals(text)
    return found or text


def nik(value: Any) -> str:
    """The 16 digits of a NIK, however they are grouped; anything else is compared as `casefold` does."""
    text = casefold(value)
    found = decimals(text)
    return found if len(found) == _NIK_SIZE else text


def npwp(value: Any) -> str:
    """The 16 digits of an NPWP (PMK 112/2022): of the old form, of 15, those with a zero before them.

    Anything else is compared as `casefold` does.
    """
    text = casefold(value)
    found = decimals(text)
    if len(found) == _OLD_NPWP_SIZE:
        return f"0{found}"
    return found if len(found) == _NIK_SIZE else text


_NORMALISERS: dict[str, Callable[[Any], str]] = {
    "casefold": casefold,
    "digits": digits,
    "email": email,
    "nik": nik,
    "npwp": npwp,
}
