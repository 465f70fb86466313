"""Why a decision is what it is, and for a no: what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .decision import ALL_ROWS, Rows

if TYPE_CHECKING:
    from .rules import Rule


@dataclass(frozen=True, slots=True)
class Explanation:
    """Facts about one decision; every word in it is a name from the policy, nothing is personal.

    ``rule``: the rule that decided, ``None`` if no rule is about the question.
    ``outside``: the category of a column for which ``closed_by``, the purpose or one above it, is not registered.
    ``masked``: whether the same roles may see it masked (asked when ``read`` is refused).
    ``roles_that_may``: roles of the tenant any of which alone may do it for this purpose; fewest rights first.
    ``purposes_that_do``: keys of the purposes for which the present roles may do it.
    ``unknown_roles``: roles that the actor brings and the tenant's policy does not know.
    ``mask``: the mask that is shown then, or to who may ``read_masked``; "" for the column's own.
    ``rows``: of which rows a yes speaks; ``consent``: of rows about persons, only with their consent to the purpose.
    ``not_yet``, ``no_longer``: where no rule is about it, rules that will allow it, and that did; the nearest first.
    ``purpose_known``: whether the purpose is in the tenant's register.
    """

    allow: bool
    roles: tuple[str, ...]
    object: str
    action: str
    purpose: str
    version: int
    rule: Rule | None
    masked: bool = False
    mask: str = ""
    roles_that_may: tuple[str, ...] = ()
    purposes_that_do: tuple[str, ...] = ()
    unknown_roles: tuple[str, ...] = ()
    purpose_known: bool = True
    rows: Rows = ALL_ROWS
    not_yet: tuple[Rule, ...] = ()
    no_longer: tuple[Rule, ...] = ()
    consent: bool = False
    outside: str = ""
    closed_by: str = ""

    @property
    def missing_grant(self) -> str | None:
        """The role with the fewest rights that would do, or ``None``: no role may, or a rule of the actor's denies."""
        if self.allow or self.rule is not None or not self.roles_that_may:
            return None
        return self.roles_that_may[0]

    @property
    def missing_rule(self) -> dict[str, str] | None:
        """The narrowest rule that would allow it, as keywords of ``Policies.add_rule``; ``None`` if that cannot help.

        It cannot help where a rule denies (deny overrides), where the purpose is unknown or not registered for the
        column's category, or where no role is known.
        """
        known = [role for role in self.roles if role not in self.unknown_roles]
        if self.allow or self.rule is not None or self.outside or not self.purpose_known or not known:
            return None
        return {"role": known[0], "object": self.object, "action": self.action, "purpose": self.purpose}
