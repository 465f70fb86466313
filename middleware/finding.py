"""One finding of the doctor, in words that can be translated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..i18n import Language, translate

if TYPE_CHECKING:
    from collections.abc import Mapping

Level: TypeAlias = Literal["info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("info", "warning", "error")
"""From what is only worth knowing to what must not stay."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    ``id`` is stable ("AMN-D001"); ``subject`` is a table, column, route or file. ``message`` and ``remedy`` are message
    ids of the catalogues with placeholders for ``facts``, which are names and never values.
    """

    id: str
    level: Level
    subject: str
    message: str
    remedy: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def told(self, language: Language = "en") -> str:
        """The message in words."""
        return translate(self.message, language, subject=self.subject, **self.facts)

    def advice(self, language: Language = "en") -> str:
        """The remedy in words."""
        return translate(self.remedy, language, subject=self.subject, **self.facts)

    def __str__(self) -> str:
        """One English line."""
        return f"{self.id} {self.level} {self.subject}: {self.told()} {self.advice()}"
