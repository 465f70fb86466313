"""Which categories of personal data a law protects more than others: ``jurisdictions/*.toml``, one file for each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from .hierarchy import dotted_links

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = Path(__file__).with_name("jurisdictions")


@dataclass(frozen=True, slots=True)
class Special:
    """A kind of data that a law names. ``told``: language code → what it is."""

    law: str
    categories: frozenset[str]
    told: Mapping[str, str]


def jurisdictions() -> tuple[str, ...]:
    """The jurisdictions that there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def _load(name: str) -> tuple[Special, ...]:
    if name not in jurisdictions():
        raise InvalidInput(detail=f"there is no jurisdiction {name!r:.80}; there are: {', '.join(jurisdictions())}")
    document = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return tuple(
        Special(kind["law"], frozenset(kind["categories"]), {"en": kind["en"], "id": kind["id"]})
        for kind in document["kind"]
    )


def special(category: str, jurisdiction: str) -> tuple[Special, ...]:
    """The kinds to which a category belongs, by itself or by one above it. Raises ``InvalidInput`` (no such law)."""
    belongs = {category, *(higher for _, higher in dotted_links(category))}
    return tuple(kind for kind in _load(jurisdiction) if kind.categories & belongs)
