"""Message catalogues in English and Indonesian, and the formats of dates, numbers and money.

A message's id is its English sentence. Catalogues are read with Babel straight from the ``.po`` files at first use
(there are no ``.mo`` files to forget). Telling somebody why they were refused must never fail itself: an unknown
message stays English, a fact that is missing shows as its own name.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from babel.core import parse_locale
from babel.dates import format_date as _format_date
from babel.dates import format_datetime as _format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, tzinfo
    from decimal import Decimal

Language: TypeAlias = Literal["en", "id"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "id")

# Next to this module, also inside a wheel. importlib.resources gives a MultiplexedPath for a folder without
# __init__.py, whose text is no path, and Babel would then silently serve English.
_CATALOGUES = Path(__file__).parent / "locale"

_LONGEST_HEADER = 1_000
_log = logging.getLogger("amanah.i18n")


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for "translate later"
    """Mark ``message`` for translation; it is translated where it is shown."""
    return message


def negotiate(accept_language: str | None) -> Language:
    """The language to answer in, by the request's ``Accept-Language`` (RFC 9110 section 12.5.4); English if none fits.

    A region is ignored (``id-ID`` is Indonesian), and so is what cannot be parsed. ``in`` is the code that Indonesian
    had before 1989, which old Android and Java clients still send.
    """
    best: Language = "en"
    best_quality = 0.0
    refused: set[str] = set()
    wildcard = 0.0
    for part in (accept_language or "")[:_LONGEST_HEADER].split(","):
        tag, _, parameter = part.strip().partition(";")
        quality = _quality(parameter)
        if tag.strip() == "*":
            wildcard = quality
            continue
        language = _language(tag.strip())
        if language is None:
            continue
        if quality == 0:
            refused.add(language)
        elif quality > best_quality:
            best, best_quality = language, quality
    if best_quality == 0 and wildcard > 0 and "en" in refused:
        return "id"
    return best


def _language(tag: str) -> Language | None:
    try:
        code = parse_locale(tag, sep="-")[0]
    except ValueError:
        return None
    if code in ("id", "in"):
        return "id"
    return "en" if code == "en" else None


def _quality(parameter: str) -> float:
    """The weight in ``q=0.8``; 1 when none is given, 0 when it is not one."""
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0 <= weight <= 1 else 0.0


def translate(message: str, locale: str, /, **facts: object) -> str:
    """``message`` in the language of ``locale``, its ``{placeholders}`` filled from ``facts``. Raises nothing.

    A fact that is a sentence of the catalogue itself (a detail, a reason) is translated as well. A single word is not:
    it is a name from a declaration or a policy, such as a role that happens to be called ``sealed``.
    """
    messages = _messages(locale)
    text = messages.get(message, message)
    told = {
        name: messages.get(fact, fact) if isinstance(fact, str) and " " in fact else fact
        for name, fact in facts.items()
    }
    try:
        return text.format_map(_Facts(told))
    except (ValueError, IndexError, AttributeError):  # braces that are no placeholders
        return text


class _Facts(dict[str, object]):
    """Facts in which a missing one shows as its own name."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


@cache
def _messages(locale: str) -> Mapping[str, str]:
    """The sentences of one language by message id, without fuzzy and empty ones."""
    if locale not in LANGUAGES:
        return {}
    try:
        with (_CATALOGUES / locale / "LC_MESSAGES" / "amanah.po").open("rb") as file:
            catalogue = read_po(file, locale=locale)
    except OSError:
        _log.warning("The catalogue %s is missing from the installation; messages stay English.", locale)
        return {}
    return {
        message.id: message.string
        for message in catalogue
        if isinstance(message.id, str) and isinstance(message.string, str) and message.id and message.string
        if not message.fuzzy
    }


def date_text(value: date, locale: str) -> str:
    """A day in words: ``5 March 2026`` becomes ``5 Maret 2026``."""
    return _format_date(value, format="d MMMM y", locale=_known(locale))


def time_text(value: datetime, locale: str, zone: tzinfo | None = None) -> str:
    """A moment to the second, in ``zone`` (UTC when none is given), with the zone's offset; ``value`` must be aware."""
    return _format_datetime(value, format="d MMM y HH:mm:ss xxx", tzinfo=zone, locale=_known(locale))


def number_text(value: float | Decimal, locale: str) -> str:
    """A number with the language's separators: ``1,234.5`` in English, ``1.234,5`` in Indonesian."""
    return format_decimal(value, locale=_known(locale))


def money_text(value: float | Decimal, locale: str, currency: str = "IDR") -> str:
    """An amount of money with its currency, by the language's custom; ``currency`` is an ISO 4217 code."""
    # Babel releases differ about the hundredths of rupiah: invoices have them.
    return format_currency(value, currency, locale=_known(locale), currency_digits=currency != "IDR")


def _known(locale: str) -> str:
    return locale if locale in LANGUAGES else "en"
