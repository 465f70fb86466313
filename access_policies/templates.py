"""The policies that a new tenant can begin with: ``templates/*.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput
from .content import Content
from .instants import instant
from .purposes import Purpose
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGE: Final = re.compile(r"[a-z]{2}(?:-[A-Z]{2})?")
"""Keys of sentences: ``en``, ``id``, ``pt-BR``."""

_FOLDER: Final = Path(__file__).with_name("templates")


def names() -> tuple[str, ...]:
    """The templates that there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def load(name: str) -> Content:
    """Read the template ``name``. Raises ``InvalidInput`` if there is none of that name."""
    if name not in names():
        raise InvalidInput(detail=f"there is no template {name!r:.80}; there are: {', '.join(names())}")
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text))


def parse(document: Mapping[str, Any]) -> Content:
    """A template from its TOML. A ``[[rule]]`` stands for every combination of what it lists."""
    roles = document.get("role", {})
    purposes = tuple(
        Purpose(
            key,
            entry.get("alias", ""),
            entry["legal_basis"],
            _sentences(entry),
            entry.get("parent", ""),
            tuple(entry.get("categories", ())),
            tuple(entry.get("recipients", ())),
            *(str(entry.get(name, "")) for name in ("retention", "owner", "review_at")),
        )
        for key, entry in document.get("purpose", {}).items()
    )
    keys = {purpose.alias: purpose.key for purpose in purposes if purpose.alias}
    found: dict[tuple[str, ...], Rule] = {}
    for entry in document.get("rule", ()):
        combinations = product([entry["role"]], entry["objects"], entry["actions"], entry["purposes"])
        for role, obj, action, alias in combinations:
            said = (entry.get("effect", "allow"), entry.get("row_filter", ""), entry.get("mask", ""))
            times = (None if at is None else instant(at) for at in (entry.get("starts_at"), entry.get("ends_at")))
            rule = Rule(0, role, obj, action, keys.get(alias, alias), *said, *times)
            found.setdefault(rule.words(), rule)
    return Content(
        roles={name: tuple(entry.get("parents", ())) for name, entry in roles.items()},
        descriptions={name: _sentences(entry) for name, entry in roles.items()},
        purposes=purposes,
        rules=tuple(found.values()),
    )


def _sentences(entry: Mapping[str, Any]) -> dict[str, str]:
    """What a role or purpose is, by language: every key that is a language's code."""
    return {key: text for key, text in entry.items() if LANGUAGE.fullmatch(key)}
