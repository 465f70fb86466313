"""A rule: one role, one object, one action, one purpose, and whether that is allowed or denied.

A rule about a resource may name a *row filter*: it then speaks of those rows only that the filter lets through. What a
filter's name means is an SQL expression of the application's developer (``middleware.row_filters``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import InvalidInput
from .names import ANY, CATEGORY, check_action, check_object, check_purpose, check_role, check_row_filter

EFFECTS: Final = ("allow", "deny")
ROW_ACTIONS: Final = ("read", "update", "delete")
"""The actions whose rules may name a row filter: what is created is no row yet."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A typed row of the policy. ``number`` is unique in the tenant and never used again; written ``r12``.

    ``row_filter``: of which rows of the resource it speaks; "" for all of them.
    """

    number: int
    role: str
    object: str
    action: str
    purpose: str
    effect: str = "allow"
    row_filter: str = ""

    @property
    def id(self) -> str:
        """How the trail and explanations name it, ``r12``."""
        return f"r{self.number}"

    def row(self) -> tuple[str, str, str, str, str]:
        """The columns of Casbin's ``p``."""
        return (self.role, self.object, self.action, self.purpose, self.effect)

    def words(self) -> tuple[str, ...]:
        """All that it says: `row`, and the row filter if it names one."""
        return (*self.row(), *([self.row_filter] if self.row_filter else []))


def check(rule: Rule) -> Rule:
    """Return ``rule`` if every name in it is well formed; raises ``InvalidInput``."""
    check_role(rule.role)
    check_object(rule.object)
    check_action(rule.action)
    if rule.purpose != ANY:
        check_purpose(rule.purpose)
    if rule.effect not in EFFECTS:
        raise InvalidInput(detail=f"{rule.effect!r:.80} is no effect; one of: {', '.join(EFFECTS)}")
    if rule.row_filter != "":
        _check_filtered(rule)
    return rule


def _check_filtered(rule: Rule) -> None:
    check_row_filter(rule.row_filter)
    if rule.object == ANY or rule.object.startswith(CATEGORY) or "." in rule.object:
        raise InvalidInput(
            detail=f"a rule about {rule.object} cannot name a row filter: rows belong to a resource, "
            "and what is seen of a column never depends on the row"
        )
    if rule.action not in ROW_ACTIONS:
        raise InvalidInput(
            detail=f"a rule about {rule.action} cannot name a row filter; one about {', '.join(ROW_ACTIONS)} can"
        )
