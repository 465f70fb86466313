"""Tests of a policy, in files beside it (`policy_cases`), run against the folder's own content, without a database."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING

from ..errors import PolicyFileWrong
from ..i18n import N_
from .categories import OUTSIDE, SEEING
from .draft import snapshot_of
from .policy_cases import Answer, Case, read_cases
from .policy_files import read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .declared import Fits
    from .snapshot import Snapshot

_MEND = N_("Correct it there; what a test may hold is in docs/reference/policy-files.md.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the policy answers to a case; ``rule`` is the row of the rule that decided, "" if there is none.

    ``outside:`` with a purpose, in place of a rule: that purpose is not registered for the column's category.
    ``mask``: the mask that a rule names, "" for the column's own.
    """

    case: Case
    got: Answer
    rule: str
    passed: bool
    mask: str = ""


def run_policy_tests(
    folder: Path, fields: Mapping[str, str] | None = None, fits: Fits | None = None
) -> tuple[Outcome, ...]:
    """Run the tests of a policy's folder. ``fields``: declared field → category, beside those that the files name.

    ``fits``: which masks a guard can use, `Policies.declared.fits`; without it every mask is taken to fit. Raises
    ``PolicyFileWrong``: a file cannot be taken, there is no case, or files and ``fields`` name two categories for one
    field. A test that fails is an outcome, not an error.
    """
    content = read_folder(folder)
    known = dict(fields or {})
    cases = read_cases(folder / "tests", known)

    def fitting(field: str, mask: str) -> bool:
        return fits is None or field not in (fields or {}) or fits(field, mask)

    @cache
    def at(now: int) -> Snapshot:
        return snapshot_of(content, known, fits=fitting, now=now)

    this_moment = time.time_ns() // 1000
    return tuple(_run(case, at(this_moment if case.now is None else case.now)) for case in cases)


def _run(case: Case, snapshot: Snapshot) -> Outcome:
    unknown = sorted(set(case.roles) - snapshot.roles)
    purpose = snapshot.purpose(case.purpose)
    if unknown or purpose is None:
        detail = f"there is no role {unknown[0]!r:.80}" if unknown else f"there is no purpose {case.purpose!r:.80}"
        raise PolicyFileWrong(place=case.place, detail=detail, mend=_MEND)
    roles = frozenset(case.roles)
    decision = snapshot.decide(roles, case.object, case.action, purpose.key)
    got: Answer = "allow" if decision.allow else "deny"
    if case.action == "read" and not decision.allow:
        masked = snapshot.decide(roles, case.object, "read_masked", purpose.key)
        if masked.allow:
            got, decision = "masked", masked
    deciding = next((rule for rule in snapshot.rules if rule.id == decision.rule), None)
    columns = {} if deciding is None else asdict(deciding)
    wanted = _with_key(case.rule, snapshot)
    passed = got == case.expect and all(columns.get(name) == value for name, value in wanted.items())
    passed = passed and case.mask in (None, decision.mask)
    why = "" if deciding is None else " ".join(deciding.words())
    if got == "deny" and deciding is None and case.action in SEEING:
        closed = snapshot.closed_by(case.object, purpose.key)
        why = f"{OUTSIDE}{closed}" if closed else ""
    return Outcome(case, got, why, passed, decision.mask)


def _with_key(wanted: Mapping[str, str], snapshot: Snapshot) -> dict[str, str]:
    """A purpose by its key, as rules have it."""
    known = snapshot.purpose(wanted.get("purpose", ""))
    return {**wanted, "purpose": known.key} if known else dict(wanted)
