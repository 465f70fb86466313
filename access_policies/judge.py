"""The only module that imports Casbin: one small enforcer for one set of roles.

What keeps the known defects away (each has a regression test):

1. Rows go into Casbin's model as lists. Nothing is joined with commas and split again.
2. Only this role set's rules are known to it, from memory: no filter that could be empty, no reload. Casbin reads every
   rule for every question, so it is handed the few that could match: of the asked action, about the object or one above
   it, for the purpose or one above it, by the very links that it has itself. Whether they do match, it says.
3. The plain ``Enforcer`` is used. ``FastEnforcer`` ignores g2 and g3 and shares its filter between threads.
4. An enforcer is not safe for threads, so whoever holds a judge asks it under a lock (``Snapshot`` does).
5. A rule that denies some rows (it names a row filter) is left out: it would deny the resource. One that allows some
   rows allows the resource.
6. Rows are never removed one by one, and nothing in here knows about time.
7. What a purpose's register closes (`categories`) is among the rules, as denials: it never widens.
8. The matcher is parsed once in a process. Casbin parses it for every question, and Python's ``ast.parse`` raises
   ``SystemError`` when two threads are in it (CPython 3.11, seen with two snapshots deciding at once).
"""

from __future__ import annotations

import hashlib
import threading
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ConfigurationError
from .categories import Row, denials, outside_links, role_links
from .hierarchy import Link, closure, object_links, purpose_links
from .names import ANY, SUBJECT_PREFIX


def refuse_both_distributions() -> None:
    """Raise ``ConfigurationError`` where ``pycasbin`` is installed beside ``casbin``.

    Both write into the same folder ``casbin/``, so nobody knows which files of which are there.
    """
    try:
        distribution("casbin")
        distribution("pycasbin")
    except PackageNotFoundError:
        return
    raise ConfigurationError(
        detail="casbin and pycasbin are both installed and overwrite each other's files; "
        "uninstall both and install casbin again"
    )


refuse_both_distributions()

import casbin  # noqa: E402 - not before we know which Casbin it is
from casbin.effect.default_effectors import (  # noqa: E402
    AllowAndDenyEffector,
    AllowOverrideEffector,
)
from casbin.util import SimpleEval  # noqa: E402

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Mapping

    from .purposes import Purpose
    from .rules import Rule

MODEL_PATH: Final = Path(__file__).with_name("model.conf")
_MODEL: Final = MODEL_PATH.read_text(encoding="utf-8")


_parsing = threading.Lock()
_parsed: dict[str, ast.expr] = {}


def _parse(expression: str) -> ast.expr:
    """The matcher as a tree, as Casbin parses it; from the second time on, the same tree."""
    with _parsing:
        tree = _parsed.get(expression)
        if tree is None:
            tree = _parsed[expression] = casbin.Enforcer._get_expression(expression).ast_parsed_value  # noqa: SLF001
        return tree


class OneMatcher(casbin.Enforcer):  # type: ignore[misc]
    """The plain enforcer; it only takes the parsed matcher from memory."""

    @staticmethod
    def _get_expression(expr: str, functions: Mapping[str, Callable[..., bool]] | None = None) -> SimpleEval:
        evaluation = SimpleEval("", functions)
        evaluation.expr = expr
        evaluation.ast_parsed_value = _parse(expr)
        return evaluation


def _denies_some(rule: Rule) -> bool:
    """A denial of some rows is no denial of the resource: `Snapshot.rows` asks for it by itself."""
    return rule.effect == "deny" and rule.row_filter != ""


def subject_of(roles: Iterable[str]) -> str:
    """The subject ``set:<hash>`` that stands for these roles in a request to Casbin."""
    text = "\n".join(sorted(roles))
    return SUBJECT_PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]


class Judge:
    """Casbin's answers for one set of roles in one snapshot. Not safe for threads."""

    def __init__(
        self,
        roles: frozenset[str],
        parents: Mapping[str, frozenset[str]],
        rules: Iterable[Rule],
        purposes: Mapping[str, Purpose],
        fields: Mapping[str, str],
    ) -> None:
        """``roles`` are registered ones; ``parents``: role → roles that it inherits; ``fields``: field → category."""
        self._subject = subject_of(roles)
        self._fields = fields
        self._purposes = tuple(purposes.values())
        self._above: dict[str, frozenset[str]] = {}
        """Object → itself and all above it."""
        self._for: dict[str, frozenset[str]] = {}
        """Purpose → itself and all above it."""
        self._linked: set[Link] = set()
        held = closure(roles, parents)
        self._numbers: dict[Row, int | None] = {}
        for rule in rules:
            if rule.role in held and not _denies_some(rule):
                self._numbers.setdefault(rule.row(), rule.number)
        self._numbers |= dict.fromkeys(denials(self._purposes))
        self._about: dict[tuple[str, str], list[tuple[int, Row]]] = {}
        """Object and action → the rows, each with its place in the policy."""
        for place, row in enumerate(self._numbers):
            self._about.setdefault(row[1:3], []).append((place, row))
        known = purpose_links(purposes)
        self._known: dict[str, list[str]] = {}
        for lower, higher in known:
            self._known.setdefault(lower, []).append(higher)
        links: dict[str, list[Link]] = {
            "g": [(self._subject, role) for role in sorted(roles)]
            + [(role, parent) for role in sorted(held) for parent in sorted(parents.get(role, ()))]
            + role_links(sorted(roles), self._purposes),
            "g3": known,
        }
        model = casbin.Model()
        model.load_model_from_text(_MODEL)
        for kind, pairs in links.items():
            model["g"][kind].policy.extend(list(pair) for pair in pairs)
        self._enforcer = OneMatcher(model)
        self._enforcer.enable_auto_save(auto_save=False)
        self._enforcer.build_role_links()
        self._verdict = AllowAndDenyEffector()
        self._first_allow = AllowOverrideEffector()

    def ask(self, obj: str, action: str, purpose: str) -> tuple[bool, int | None]:
        """Whether it is allowed, and the number of the rule that decided.

        ``None``: no rule is about it, or the purpose is not registered for its category.
        """
        # Rows go in as lists, each value by itself: nothing is joined.
        self._enforcer.model["p"]["p"].policy = [list(row) for row in self._could_match(obj, action, purpose)]
        question = (self._subject, obj, action, purpose)
        allowed, row = self._enforcer.enforce_ex(*question)
        if allowed:
            # Deny-override has to read all rules, so Casbin does not say which of them allowed. The same matcher under
            # allow-override stops at the first one and names it.
            self._enforcer.set_effector(self._first_allow)
            try:
                _, row = self._enforcer.enforce_ex(*question)
            finally:
                self._enforcer.set_effector(self._verdict)
        return bool(allowed), self._numbers.get(tuple(row))

    def _could_match(self, obj: str, action: str, purpose: str) -> list[Row]:
        """The rows that are not about something else, in the order of the policy."""
        asked_for = self._for.get(purpose)
        if asked_for is None:
            asked_for = self._for[purpose] = closure({purpose}, self._known)
        found = (one for above in self._linked_above(obj) for one in self._about.get((above, action), ()))
        return [row for _, row in sorted(one for one in found if one[1][3] in asked_for)]

    def _linked_above(self, obj: str) -> frozenset[str]:
        """``obj`` and all above it; when it is first asked about, the enforcer is told of the links between them."""
        known = self._above.get(obj)
        if known is None:
            links = [*object_links(obj, self._fields), *outside_links(obj, self._fields, self._purposes)]
            fresh = [link for link in links if link not in self._linked]
            if fresh:
                self._enforcer.add_named_grouping_policies("g2", [list(link) for link in fresh])
                self._linked.update(fresh)
            # Every link of an object leads upward from it, so their upper ends are all that is above it.
            known = self._above[obj] = frozenset({obj, ANY, *(higher for _, higher in links)})
        return known
