"""A tenant's policy as it was at one version and between two moments, and every decision that was asked of it.

Invariants:

1. A snapshot never changes; a change of policy makes a new version, and a new version a new snapshot. It is good from
   one beginning or end of a rule to the next (`holds`): at any moment between them the same rules are in force.
2. Casbin decides each question once; the answer is remembered under (roles, object, action, purpose).
3. A question that cannot be put properly (unknown purpose, a pattern for an object, no known role) is a no.
4. Which rows a yes speaks of is asked of Casbin, too: of the same model, with the rules of one row filter at a time.
5. A rule whose row filter nobody declared in this process never widens: it allows nothing, and denies all rows.
6. A rule whose time has not come, or has passed, takes part in no decision; only an explanation names it.
7. Of several rules that let see masked, the strictest mask is shown. Where one of them names a mask that this process
   does not know for the column, the answer is a no: what it asked for may be stricter than all that is known.
8. An error while deciding is ``PolicyUnavailable``; it is never remembered and never a yes.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ..errors import PolicyUnavailable
from ..measures import asked, remembered
from .categories import SEEING, binding, closes
from .decision import ALL_ROWS, NO_LIMITS, Decision, Limits, Rows
from .declared import Declared, fits_nowhere
from .explanation import Explanation
from .hierarchy import closure
from .judge import Judge
from .masks import strictest
from .names import askable
from .purposes import CONSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .declared import Fits
    from .purposes import Purpose
    from .rules import Rule

__all__ = ["Decision", "Snapshot"]

_DECISIONS: Final = 10_000
"""Answers that one snapshot remembers; a role set asks for a few hundred."""

_JUDGES: Final = 6
"""Enforcers, one per set of roles, that one snapshot keeps; to make one again takes half a millisecond."""


def _judged(rules: Iterable[Rule], row_filters: Mapping[str, frozenset[str]], now: int) -> Iterator[Rule]:
    """The rules as they are judged: 5 and 6."""
    for rule in rules:
        if not rule.in_force(now):
            continue
        if _knows(row_filters, rule):
            yield rule
        elif rule.effect == "deny":
            yield replace(rule, row_filter="")


def _knows(row_filters: Mapping[str, frozenset[str]], rule: Rule) -> bool:
    return not rule.row_filter or rule.object in row_filters.get(rule.row_filter, ())


class Snapshot:
    """One tenant's roles, purposes and rules at one version; safe for threads."""

    __slots__ = (
        "_at",
        "_binding",
        "_by_alias",
        "_consented",
        "_decisions",
        "_declared",
        "_filtered",
        "_from",
        "_judged",
        "_judges",
        "_limits",
        "_lock",
        "_masks",
        "_no",
        "_parents",
        "_remembered",
        "_rows",
        "_rules",
        "_until",
        "purposes",
        "tenant",
        "version",
    )

    def __init__(
        self,
        tenant: str,
        version: int,
        parents: Mapping[str, frozenset[str]],
        purposes: Iterable[Purpose],
        rules: Iterable[Rule],
        fields: Mapping[str, str],
        row_filters: Mapping[str, frozenset[str]] | None = None,
        *,
        fits: Fits = fits_nowhere,
        now: int | None = None,
    ) -> None:
        """``parents``: each registered role → the roles that it inherits from. ``now``: µs since the epoch.

        ``fields``, ``row_filters``, ``fits``: see `Declared`. Raises ``ValueError`` where a rule has a time and ``now``
        is None.
        """
        self.tenant = tenant
        self.version = version
        self.purposes: Mapping[str, Purpose] = MappingProxyType({purpose.key: purpose for purpose in purposes})
        self._by_alias = {purpose.alias: purpose for purpose in self.purposes.values() if purpose.alias}
        self._consented = frozenset(key for key, one in self.purposes.items() if one.legal_basis == CONSENT)
        self._binding = binding(self.purposes)
        self._parents = parents
        self._rules = tuple(rules)
        self._declared = declared = Declared(fields, row_filters or {}, fits)
        bounds = {at for rule in self._rules for at in (rule.starts_at, rule.ends_at) if at is not None}
        if bounds and now is None:
            raise ValueError("rules with a time are judged at a moment")
        self._at = now or 0
        self._from = max((at for at in bounds if at <= self._at), default=-math.inf)
        self._until = min((at for at in bounds if at > self._at), default=math.inf)
        self._judged = tuple(_judged(self._rules, declared.row_filters, self._at))
        self._masks = frozenset(rule.mask for rule in self._judged if rule.mask)
        self._filtered = sorted({(rule.object, rule.action) for rule in self._judged if rule.row_filter})
        self._rows: dict[tuple[frozenset[str], str, str, str], Rows] = {}
        self._limits: dict[tuple[frozenset[str], str], Limits] = {}
        self._no = Decision(allow=False, rule=None, version=version)
        self._decisions: dict[tuple[bool, int | None, str], Decision] = {(False, None, ""): self._no}
        self._remembered: dict[tuple[frozenset[str], str, str, str], Decision] = {}
        self._judges: OrderedDict[frozenset[str], Judge] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def roles(self) -> frozenset[str]:
        """The roles that this tenant's policy knows."""
        return frozenset(self._parents)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of this version, by number; also those whose time has not come or has passed."""
        return self._rules

    def holds(self, now: int | None) -> bool:
        """Whether it is good at ``now`` (µs since the epoch); without a time, whether it is good at any."""
        return not self.timed if now is None else self._from <= now < self._until

    @property
    def timed(self) -> bool:
        """Whether some rule is not in force at all times."""
        return not (self._from == -math.inf and self._until == math.inf)

    def at(self, now: int) -> Snapshot:
        """The same version of the policy at another moment; itself where nothing begins or ends between the two."""
        if self.holds(now):
            return self
        rows, known = (self._parents, self.purposes.values(), self._rules), self._declared
        return Snapshot(self.tenant, self.version, *rows, known.fields, known.row_filters, fits=known.fits, now=now)

    def purpose(self, name: str) -> Purpose | None:
        """The registered purpose with this key or alias."""
        return self.purposes.get(name) or self._by_alias.get(name)

    def brought(self, role: str) -> frozenset[str]:
        """The role with all that it inherits."""
        return closure({role}, self._parents)

    def decide(self, roles: frozenset[str], obj: str, action: str, purpose: str) -> Decision:
        """May somebody with ``roles`` do ``action`` with ``obj`` for the purpose with the *key* ``purpose``?

        A dict look-up when it was asked before. Raises ``PolicyUnavailable`` if Casbin fails.
        """
        try:
            decision = self._remembered[roles, obj, action, purpose]
        except KeyError:
            return self._judge(roles, obj, action, purpose)
        remembered()
        return decision

    def _judge(self, roles: frozenset[str], obj: str, action: str, purpose: str) -> Decision:
        if purpose not in self.purposes or not askable(obj):
            return self._no
        held = roles.intersection(self._parents)
        if not held:
            return self._no
        question = (roles, obj, action, purpose)
        with self._lock:
            decision = self._remembered.get(question)
            if decision is not None:
                return decision
            asked()
            try:
                answer = self._asked(held, obj, action, purpose)
            except Exception as error:
                self._judges.pop(held, None)
                raise PolicyUnavailable from error
            decision = self._decision(*answer)
            if len(self._remembered) >= _DECISIONS:
                self._remembered.clear()
            self._remembered[question] = decision
            return decision

    def _asked(self, held: frozenset[str], obj: str, action: str, purpose: str) -> tuple[bool, int | None, str]:
        """Casbin's answer, the number of the rule that decided, and the mask."""
        allow, number = self._judge_of(held).ask(obj, action, purpose)
        if not allow or action != "read_masked" or not self._masks:
            return allow, number, ""
        named = {mask: rule for mask in self._masks if (rule := self._naming(held, obj, purpose, mask)) is not None}
        unknown = sorted(rule for mask, rule in named.items() if not self._declared.fits(obj, mask))
        if unknown:
            return False, unknown[0], ""
        return (True, named[mask := strictest(named)], mask) if named else (True, number, "")

    def _naming(self, held: frozenset[str], obj: str, purpose: str, mask: str) -> int | None:
        """The number of the first rule that names this mask and lets see the column so, asked of these rules alone."""
        rules = [rule for rule in self._judged if rule.mask == mask and rule.effect == "allow"]
        return self._new_judge(held, rules).ask(obj, "read_masked", purpose)[1]

    def _decision(self, allow: bool, number: int | None, mask: str) -> Decision:  # noqa: FBT001 - as it comes
        known = self._decisions.get((allow, number, mask))
        if known is None:
            rule = None if number is None else f"r{number}"
            known = Decision(allow=allow, rule=rule, version=self.version, mask=mask)
            self._decisions[allow, number, mask] = known
        return known

    def _new_judge(self, roles: frozenset[str], rules: Iterable[Rule]) -> Judge:
        return Judge(roles, self._parents, rules, self.purposes, self._declared.fields)

    def limits(self, roles: frozenset[str], purpose: str | None) -> Limits:
        """Every yes to these roles and this purpose that does not speak of all rows, and whether it takes a consent.

        A dict look-up when it was asked before, less where nothing limits anybody. Raises ``PolicyUnavailable``.
        """
        if purpose is None or not (self._filtered or self._consented):
            return NO_LIMITS
        known = self._limits.get((roles, purpose))
        if known is None:
            asked = [(*one, self.rows(roles, *one, purpose)) for one in self._filtered]
            known = Limits(tuple(one for one in asked if one[2] != ALL_ROWS), purpose in self._consented)
            if len(self._limits) >= _DECISIONS:
                self._limits.clear()
            self._limits[roles, purpose] = known
        return known

    def rows(self, roles: frozenset[str], obj: str, action: str, purpose: str) -> Rows:
        """Of which rows ``decide``'s yes speaks; ``ALL_ROWS`` where it is a no. Raises ``PolicyUnavailable``."""
        question = (roles, obj, action, purpose)
        known = self._rows.get(question)
        if known is not None:
            return known
        if (obj, action) not in self._filtered or not self.decide(*question).allow:
            return ALL_ROWS
        held = roles.intersection(self._parents)
        with self._lock:
            try:
                some = self._named(held, obj, action, purpose, "allow")
                allowed = None if self._matches(held, obj, action, purpose, "allow", "") else some
                denied = self._named(held, obj, action, purpose, "deny")
            except Exception as error:
                raise PolicyUnavailable from error
            if len(self._rows) >= _DECISIONS:
                self._rows.clear()
            self._rows[question] = found = Rows(allowed, denied)
            return found

    def _named(self, held: frozenset[str], obj: str, action: str, purpose: str, effect: str) -> tuple[str, ...]:
        """The row filters that rules of this effect name which are about the question."""
        names = sorted({rule.row_filter for rule in self._judged if rule.row_filter})
        return tuple(name for name in names if self._matches(held, obj, action, purpose, effect, name))

    def _matches(self, held: frozenset[str], obj: str, action: str, purpose: str, effect: str, row_filter: str) -> bool:
        """Whether a rule of this effect and row filter is about the question: Casbin says so, of these rules alone."""
        rules = [
            replace(rule, effect="allow", row_filter="")
            for rule in self._judged
            if (rule.effect, rule.row_filter) == (effect, row_filter) and (not row_filter or rule.object == obj)
        ]
        return bool(rules) and self._new_judge(held, rules).ask(obj, action, purpose)[0]

    def _judge_of(self, roles: frozenset[str]) -> Judge:
        judge = self._judges.get(roles)
        if judge is None:
            judge = self._judges[roles] = self._new_judge(roles, self._judged)
            if len(self._judges) > _JUDGES:
                self._judges.popitem(last=False)
        self._judges.move_to_end(roles)
        return judge

    def explain(self, roles: frozenset[str], obj: str, action: str, purpose: str) -> Explanation:
        """Why ``decide`` answers as it does, and for a no which role or purpose would get a yes."""
        decision = self.decide(roles, obj, action, purpose)
        closed = self.closed_by(obj, purpose) if action in SEEING else ""
        masked = decision
        if action == "read" and not decision.allow:
            masked = self.decide(roles, obj, "read_masked", purpose)
        return Explanation(
            allow=decision.allow,
            roles=tuple(sorted(roles)),
            object=obj,
            action=action,
            purpose=purpose,
            version=self.version,
            rule=next((rule for rule in self._rules if rule.id == decision.rule), None),
            masked=masked is not decision and masked.allow,
            mask=masked.mask,
            roles_that_may=self._roles_that_may(obj, action, purpose),
            purposes_that_do=tuple(key for key in self.purposes if self.decide(roles, obj, action, key).allow),
            unknown_roles=tuple(sorted(roles - self._parents.keys())),
            purpose_known=purpose in self.purposes,
            rows=self.rows(roles, obj, action, purpose),
            not_yet=self._out_of_time(roles, obj, action, purpose, past=False),
            no_longer=self._out_of_time(roles, obj, action, purpose, past=True),
            consent=purpose in self._consented,
            outside=self._declared.fields[obj] if closed else "",
            closed_by=closed,
        )

    def _out_of_time(
        self, roles: frozenset[str], obj: str, action: str, purpose: str, *, past: bool
    ) -> tuple[Rule, ...]:
        """For a question that no rule is about now: the rules that will allow it, or did; the nearest in time first."""
        held = roles.intersection(self._parents)
        decision = self.decide(roles, obj, action, purpose)
        if decision.allow or decision.rule is not None or not held or purpose not in self.purposes or not askable(obj):
            return ()
        mine = [
            rule
            for rule in self._rules
            if rule.effect == "allow" and not rule.in_force(self._at) and _knows(self._declared.row_filters, rule)
            if past == (rule.ends_at is not None and rule.ends_at <= self._at)
        ]
        with self._lock:
            found = [rule for rule in mine if self._new_judge(held, [rule]).ask(obj, action, purpose)[0]]
        return tuple(sorted(found, key=lambda rule: -(rule.ends_at or 0) if past else (rule.starts_at or 0)))

    def closed_by(self, field: str, purpose: str) -> str:
        """The purpose that closes ``field`` for the *key* ``purpose``: itself or one above it; "" if none does.

        It is registered for other categories of personal data than the field's.
        """
        category = self._declared.fields.get(field)
        if category is None:
            return ""
        return next((one.key for one in self._binding.get(purpose, ()) if closes(one, category)), "")

    def _roles_that_may(self, obj: str, action: str, purpose: str) -> tuple[str, ...]:
        able = [role for role in self._parents if self.decide(frozenset({role}), obj, action, purpose).allow]
        return tuple(sorted(able, key=lambda role: (self._reach(role), role)))

    def _reach(self, role: str) -> int:
        """How many rules a role brings, its parents' included: the measure by which the least role is suggested."""
        held = closure({role}, self._parents)
        return sum(rule.role in held for rule in self._judged)
