"""The masks that a rule may name, and which of two shows less. What they do is ``middleware.masks``.

A mask that is made of a text (``constant:…``) is a declaration's only: no rule brings free text into people's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

TELLS: Final = {
    "dots": 0,
    "empty": 0,
    "zero": 0,
    "hash": 1,
    "district": 2,
    "email": 2,
    "initials": 2,
    "last4": 2,
    "year": 2,
}
"""By name: 0 shows nothing of a value, 1 which values are equal, 2 a part of it."""


def check_mask(name: str) -> str:
    """Return ``name`` if a rule may name it; raises ``InvalidInput``."""
    if not isinstance(name, str) or name not in TELLS:
        raise InvalidInput(detail=f"{name!r:.80} is no mask that a rule can name; one of: {', '.join(TELLS)}")
    return name


def at_least_as_strict(name: str, own: str | None) -> bool:
    """Whether the mask ``name`` shows no more than a column's ``own``.

    ``own`` is None for one that shows nothing, and ``constant:…`` shows nothing either. Of two that show a part each,
    neither is the stricter one.
    """
    if name not in TELLS:
        return False
    return name == own or TELLS[name] == 0 or TELLS[name] < TELLS.get(own or "", 0)


def strictest(names: Iterable[str]) -> str:
    """The one that shows least; of several that show nothing, the first by name."""
    return min(names, key=lambda name: (TELLS[name], name))
