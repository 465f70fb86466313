"""Pages from templates: Jinja2 with escaping, our catalogues, and dates and numbers by Babel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from babel.dates import format_date, format_time
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..i18n import LANGUAGES, N_, Language, number_text, translate
from . import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

STATIC: Final = Path(__file__).parent / "static"
_TEMPLATES: Final = Path(__file__).parent / "templates"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: Final = {"en": N_("English"), "id": N_("Indonesian")}


class Rendering:
    """Renders the templates of the console. One for all requests; safe for threads."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["wording"] = wording
        # A new stylesheet has a new address, so a browser may keep the one that it has.
        self.version = sha256((STATIC / "console.css").read_bytes()).hexdigest()[:12]

    def page(self, template: str, base: str, language: Language, **facts: Any) -> str:
        """The page as text. ``base``: where the console is mounted, as the browser sees it."""
        facts = {"signed_in": None, "query": {}, "here": "/", **facts}
        return self._environment.get_template(template).render(
            _=lambda message, **named: translate(message, language, **named),
            told=partial(_told, language),
            number=lambda value: number_text(value, language),
            day=partial(_day, language=language),
            clock=partial(_clock, language=language),
            iso=lambda at: _moment(at).isoformat(timespec="seconds"),
            link=_link,
            base=base,
            language=language,
            languages=[(one, translate(_NAMES[one], one), translate(_NAMES[one], language)) for one in LANGUAGES],
            style=f"{base}/static/console.css?v={self.version}",
            **facts,
        )


def _told(language: Language, words: Mapping[str, str], code: object) -> str:
    """What ``code`` is called; a code that we have no words for as it stands, never taken for a message."""
    text = str(code)
    return translate(words[text], language) if text in words else wording.plain(text)


def _link(path: str, parameters: Mapping[str, object] | None = None, **more: object) -> str:
    """An address with its query string; empty values are left out."""
    query = {name: value for name, value in {**(parameters or {}), **more}.items() if value not in (None, "")}
    return f"{path}?{urlencode(query)}" if query else path


def _moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def _day(at: int, language: Language) -> str:
    return str(format_date(_moment(at), format="medium", locale=language))


def _clock(at: int, language: Language) -> str:
    return str(format_time(_moment(at), format="HH:mm:ss", tzinfo=UTC, locale=language))
