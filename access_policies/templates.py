"""The policies that a new tenant can begin with: ``templates/*.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput
from .purposes import Purpose
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER: Final = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Template:
    """``roles``: name → parents; ``descriptions``: role → language code → sentence; ``rules`` are not numbered yet."""

    roles: Mapping[str, tuple[str, ...]]
    descriptions: Mapping[str, Mapping[str, str]]
    purposes: tuple[Purpose, ...]
    rules: tuple[Rule, ...]


def names() -> tuple[str, ...]:
    """The templates that there are."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def load(name: str) -> Template:
    """Read the template ``name``. Raises ``InvalidInput`` if there is none of that name."""
    if name not in names():
        raise InvalidInput(detail=f"there is no template {name!r:.80}; there are: {', '.join(names())}")
    text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text))


def parse(document: Mapping[str, Any]) -> Template:
    """A template from its TOML. A ``[[rule]]`` stands for every combination of what it lists."""
    roles = document["role"]
    purposes = tuple(
        Purpose(key, entry["alias"], entry["legal_basis"], {"en": entry["en"], "id": entry["id"]})
        for key, entry in document["purpose"].items()
    )
    keys = {purpose.alias: purpose.key for purpose in purposes}
    found: dict[tuple[str, ...], Rule] = {}
    for entry in document["rule"]:
        combinations = product([entry["role"]], entry["objects"], entry["actions"], entry["purposes"])
        for role, obj, action, alias in combinations:
            rule = Rule(0, role, obj, action, keys.get(alias, alias), entry.get("effect", "allow"))
            found.setdefault(rule.row(), rule)
    return Template(
        roles={name: tuple(entry.get("parents", ())) for name, entry in roles.items()},
        descriptions={name: {"en": entry["en"], "id": entry["id"]} for name, entry in roles.items()},
        purposes=purposes,
        rules=tuple(found.values()),
    )
