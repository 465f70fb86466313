"""A rule: one role, one object, one action, one purpose, and whether that is allowed or denied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import InvalidInput
from .names import ANY, check_action, check_object, check_purpose, check_role

EFFECTS: Final = ("allow", "deny")


@dataclass(frozen=True, slots=True)
class Rule:
    """A typed row of the policy. ``number`` is unique in the tenant and never used again; written ``r12``."""

    number: int
    role: str
    object: str
    action: str
    purpose: str
    effect: str = "allow"

    @property
    def id(self) -> str:
        """How the trail and explanations name it, ``r12``."""
        return f"r{self.number}"

    def row(self) -> tuple[str, str, str, str, str]:
        """The columns of Casbin's ``p``."""
        return (self.role, self.object, self.action, self.purpose, self.effect)


def check(rule: Rule) -> Rule:
    """Return ``rule`` if every name in it is well formed; raises ``InvalidInput``."""
    check_role(rule.role)
    check_object(rule.object)
    check_action(rule.action)
    if rule.purpose != ANY:
        check_purpose(rule.purpose)
    if rule.effect not in EFFECTS:
        raise InvalidInput(detail=f"{rule.effect!r:.80} is no effect; one of: {', '.join(EFFECTS)}")
    return rule
