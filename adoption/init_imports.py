"""How `protection.py` imports the application's own objects, and what it calls them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .init import Draft
    from .init_loading import Loaded

_TAKEN: Final = frozenset(
    {
        *("app", "guard", "identify", "unprotected", "date", "DECLARATIONS", "ROUTES", "Guard", "HTTPConnection"),
        *(
            "Engine",
            "Identity",
            "Personal",
            "callback",
            "declare",
            "guessed",
            "public",
            "route",
            "shared",
            "sign_in",
            "their_engine",
            "verify",
        ),
    }
)
"""What the file calls by these names itself."""


class Names:
    """How the application's own objects are called in the file; another name where one is taken.

    The application is imported after its guard, because importing it may configure its mappers. Not so where an engine
    is found in it only.
    """

    def __init__(self, draft: Draft) -> None:
        self._imports: defaultdict[str, list[str]] = defaultdict(list)
        self.late: list[str] = []
        self.metadata = self._import(draft.metadata)
        engines = {one: self._import(one) for one in draft.engines if one.module}
        self.early = _statements(self._imports)
        self._imports.clear()
        app = self._import(draft.app, None if draft.app.called else "unprotected")
        self.app = f"{app}()" if draft.app.called else app
        statements = _statements(self._imports)
        self.engines = [engines.get(one, f"unprotected.{one.attribute}") for one in draft.engines]
        if len(engines) < len(draft.engines):
            self.early = sorted([*self.early, *statements])
        else:
            self.late = statements

    @property
    def engine(self) -> str:
        """What ``engine=`` is given; nothing where none was found."""
        return self.engines[0] if len(self.engines) == 1 else f"[{', '.join(self.engines)}]" if self.engines else ""

    def _import(self, loaded: Loaded, alias: str | None = None) -> str:
        first, dot, rest = loaded.attribute.partition(".")
        taken = {name.split(" as ")[-1] for names in self._imports.values() for name in names}
        if first in self._imports[loaded.module]:
            return loaded.attribute
        if dot or alias is None:
            alias = f"their_{first.lower()}" if first in _TAKEN or first in taken else None
        self._imports[loaded.module].append(first if alias is None else f"{first} as {alias}")
        return f"{alias or first}{dot}{rest}"


def _statements(imports: Mapping[str, list[str]]) -> list[str]:
    """The import statements as ruff sorts them."""
    found = []
    for module in sorted(imports):
        plain = sorted((one for one in imports[module] if " as " not in one), key=_isort_key)
        found += [f"from {module} import {', '.join(plain)}"] if plain else []
        found += [f"from {module} import {one}" for one in sorted(imports[module]) if " as " in one]
    return found


def _isort_key(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)
