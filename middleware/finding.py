"""A check of the doctor's and one finding of it, in words that can be translated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..i18n import Language, translate

if TYPE_CHECKING:
    from collections.abc import Mapping

Level: TypeAlias = Literal["info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("info", "warning", "error")
"""From what is only worth knowing to what must not stay."""

Needs: TypeAlias = Literal["declarations", "registers", "installation", "database", "looks"]
"""What must be at hand for a check: nothing else, tenants' registers, where it runs, a database that is ready, and for
the last one what the layers above look at in it, too."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the doctor looks for. The id is stable and has a page of its own.

    ``message`` and ``remedy`` are message ids of the catalogues with placeholders. ``production``: it matters only
    where real data are, so for a development guard it is left out unless somebody asks. ``silenceable``: a guard may
    name it in ``silenced``, with a reason.
    """

    id: str
    level: Level
    needs: Needs
    message: str
    remedy: str
    production: bool = False
    silenceable: bool = True

    @property
    def page(self) -> str:
        """Where it is explained, from the root of the repository."""
        return f"docs/reference/doctor/{self.id}.md"

    def __call__(self, subject: str, **facts: str) -> Finding:
        """The finding about ``subject``, a table, column, route, file or the like. ``facts`` are names, not values."""
        return Finding(self, subject, facts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. ``silenced``: the reason why it is not to be told, if the guard gives one."""

    check: Check
    subject: str
    facts: Mapping[str, str] = field(default_factory=dict)
    silenced: str | None = None

    @property
    def id(self) -> str:
        """The check's."""
        return self.check.id

    @property
    def level(self) -> Level:
        """The check's."""
        return self.check.level

    def told(self, language: Language = "en") -> str:
        """The message in words."""
        return translate(self.check.message, language, subject=self.subject, **self.facts)

    def advice(self, language: Language = "en") -> str:
        """The remedy in words."""
        return translate(self.check.remedy, language, subject=self.subject, **self.facts)

    def __str__(self) -> str:
        """One English line."""
        return f"{self.id} {self.level} {self.subject}: {self.told()} {self.advice()}"
