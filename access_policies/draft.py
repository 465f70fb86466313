"""A policy that is not in force, asked as if it were: what it answers, and where that differs from another.

Nothing is written and nothing is remembered. A draft's answer names the rule in words: what is not in force has no id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from .decision import ALL_ROWS, Rows
from .declared import fits_nowhere
from .snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .content import Content
    from .declared import Fits

Verdict = Literal["allow", "masked", "deny"]


class Question(NamedTuple):
    """What the policy is asked: for these roles; ``purpose`` is a key of the register."""

    roles: frozenset[str]
    action: str
    object: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``masked``: a read that is refused in clear, and allowed masked; by ``mask``, "" for the column's own.

    ``rule``: the deciding rule's words, "" where no rule is about it. ``rows``: of which rows a yes speaks.
    """

    verdict: Verdict
    rule: str = ""
    rows: Rows = ALL_ROWS
    mask: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A question to which ``now`` and ``draft`` are the answers. They differ in verdict, rows or mask."""

    question: Question
    now: Answer
    draft: Answer


def snapshot_of(
    content: Content,
    fields: Mapping[str, str],
    row_filters: Mapping[str, frozenset[str]] | None = None,
    *,
    fits: Fits = fits_nowhere,
    now: int | None = None,
) -> Snapshot:
    """A snapshot that decides by ``content``; its rules are numbered from 1.

    ``fields``: declared field → category. ``row_filters``: each declared one → the resources of which it tells rows
    apart; None: whatever the rules name is declared. ``fits``: see `Declared`. ``now``: µs since the epoch; None only
    where no rule has a time.
    """
    rules = [replace(rule, number=number) for number, rule in enumerate(content.rules, 1)]
    if row_filters is None:
        named = {rule.row_filter for rule in rules if rule.row_filter}
        row_filters = {name: frozenset(one.object for one in rules if one.row_filter == name) for name in named}
    parents = {role: frozenset(above) for role, above in content.roles.items()}
    return Snapshot("-", 0, parents, content.purposes, rules, fields, row_filters, fits=fits, now=now)


def answer(snapshot: Snapshot, question: Question) -> Answer:
    """What ``snapshot`` says. Raises ``PolicyUnavailable`` if Casbin fails."""
    roles, action, obj, purpose = question
    decision = snapshot.decide(roles, obj, action, purpose)
    verdict: Verdict = "allow" if decision.allow else "deny"
    if action == "read" and not decision.allow:
        masked = snapshot.decide(roles, obj, "read_masked", purpose)
        if masked.allow:
            verdict, decision = "masked", masked
    rule = next((rule for rule in snapshot.rules if rule.id == decision.rule), None)
    rows = snapshot.rows(roles, obj, action, purpose)
    return Answer(verdict, " ".join(rule.words()) if rule else "", rows, decision.mask)


def difference(now: Snapshot, draft: Snapshot, question: Question) -> Difference | None:
    """How the answers differ; None where they do not."""
    before, after = answer(now, question), answer(draft, question)
    if (before.verdict, before.rows, before.mask) == (after.verdict, after.rows, after.mask):
        return None
    return Difference(question, before, after)
