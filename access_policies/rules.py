"""A rule: one role, one object, one action, one purpose, and whether that is allowed or denied.

A rule about a resource may name a *row filter*: it then speaks of those rows only that the filter lets through. What a
filter's name means is an SQL expression of the application's developer (``middleware.row_filters``). A rule that lets
see masked may name the *mask*. A rule may have a time: it is in force while ``starts_at <= now < ends_at``, by the
database's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..errors import InvalidInput
from .instants import told
from .masks import check_mask
from .names import ANY, CATEGORY, check_action, check_object, check_purpose, check_role, check_row_filter

EFFECTS: Final = ("allow", "deny")
ROW_ACTIONS: Final = ("read", "update", "delete")
"""The actions whose rules may name a row filter: what is created is no row yet."""

_LATEST: Final = 1 << 62
"""µs: what the database's integers hold with room to spare."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A typed row of the policy. ``number`` is unique in the tenant and never used again; written ``r12``.

    ``row_filter``: of which rows of the resource it speaks; "" for all of them. ``mask``: how columns are shown; "" for
    each column's own. ``starts_at``, ``ends_at``: µs since the epoch, None for no limit.
    """

    number: int
    role: str
    object: str
    action: str
    purpose: str
    effect: str = "allow"
    row_filter: str = ""
    mask: str = ""
    starts_at: int | None = None
    ends_at: int | None = None

    @property
    def id(self) -> str:
        """How the trail and explanations name it, ``r12``."""
        return f"r{self.number}"

    def row(self) -> tuple[str, str, str, str, str]:
        """The columns of Casbin's ``p``."""
        return (self.role, self.object, self.action, self.purpose, self.effect)

    def words(self) -> tuple[str, ...]:
        """All that it says, for people: `row`, then what else there is of it: "own", "mask=dots", "until=2026-…Z"."""
        said = [self.row_filter] if self.row_filter else []
        said += [f"mask={self.mask}"] if self.mask else []
        said += [f"from={told(self.starts_at)}"] if self.starts_at is not None else []
        said += [f"until={told(self.ends_at)}"] if self.ends_at is not None else []
        return (*self.row(), *said)

    @property
    def timed(self) -> bool:
        """Whether it is not in force at all times."""
        return self.starts_at is not None or self.ends_at is not None

    def in_force(self, now: int) -> bool:
        """Whether it is in force at ``now``, in µs since the epoch."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


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
    if rule.mask != "":
        _check_masked(rule)
    _check_time(rule)
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


def _check_masked(rule: Rule) -> None:
    check_mask(rule.mask)
    if (rule.action, rule.effect) != ("read_masked", "allow"):
        raise InvalidInput(detail="a rule names a mask if it allows read_masked, and no other")
    if rule.object != ANY and not rule.object.startswith(CATEGORY) and "." not in rule.object:
        raise InvalidInput(detail=f"a rule about {rule.object} cannot name a mask: columns are masked, not resources")


def _check_time(rule: Rule) -> None:
    for name, at in (("starts_at", rule.starts_at), ("ends_at", rule.ends_at)):
        if at is not None and (type(at) is not int or not -_LATEST < at < _LATEST):
            raise InvalidInput(detail=f"{name} is no point in time")
    if rule.starts_at is not None and rule.ends_at is not None and rule.starts_at >= rule.ends_at:
        raise InvalidInput(detail=f"it would end at {told(rule.ends_at)} and begin at {told(rule.starts_at)}")
