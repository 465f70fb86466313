"""What the declarations of one guard make of the names in a rule: its row filter and its mask.

A rule is written only where a guard can keep it. One that comes into force all the same, written by another version of
the application, opens less and never more (`snapshot`, 5 and 7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InvalidInput
from .hierarchy import object_links
from .names import ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .rules import Rule


Fits: TypeAlias = "Callable[[str, str], bool]"
"""(field, mask) → whether the mask is of the field's type and shows no more than the field's own."""


def fits_nowhere(_field: str, _mask: str) -> bool:
    """Without declarations no mask is known to fit any column."""
    return False


@dataclass(frozen=True, slots=True)
class Declared:
    """``fields``: field → category. ``row_filters``: name → the resources of which it tells rows apart."""

    fields: Mapping[str, str] = field(default_factory=dict)
    row_filters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fits: Fits = fits_nowhere

    def check(self, rule: Rule) -> None:
        """Raise ``InvalidInput`` for a rule that this guard could not keep."""
        if rule.row_filter and rule.object not in self.row_filters.get(rule.row_filter, ()):
            raise InvalidInput(detail=f"no row filter {rule.row_filter} of {rule.object} is declared to this guard")
        if rule.mask:
            self._check_mask(rule)

    def _check_mask(self, rule: Rule) -> None:
        covered = [name for name in self.fields if self._covers(rule.object, name)]
        if not covered:
            raise InvalidInput(
                detail=f"whether the mask {rule.mask} fits cannot be told: no personal column under {rule.object} "
                "is declared to this guard"
            )
        for name in covered:
            if not self.fits(name, rule.mask):
                raise InvalidInput(
                    detail=f"the mask {rule.mask} cannot be used for {name}: it is not for values of its type, or "
                    "shows more than the column's own mask"
                )

    def _covers(self, obj: str, name: str) -> bool:
        return obj in {ANY, name} or any(obj == higher for _, higher in object_links(name, self.fields))
