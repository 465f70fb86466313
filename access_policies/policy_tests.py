"""Tests of a policy, in files beside it: ``tests/*.toml``, run against the folder's own content, without a database.

::

    [fields]                                  # what the application declares, for rules about categories
    "customer.phone" = "user.contact.phone_number"

    [[case]]
    as = "support"                            # or a list of roles
    action = "read"                           # read if it is left out
    object = "customer.phone"
    purpose = "support"
    expect = "masked"                         # allow, deny; masked: not in clear, but with a mask
    rule = { role = "support", effect = "allow" }    # if it matters which rule decides: any of its columns
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import InvalidInput, PolicyFileWrong
from ..i18n import N_
from .hierarchy import check_links, object_links
from .names import CATEGORY, askable, check_object
from .policy_files import header_lines, read_folder, read_toml
from .rules import Rule
from .snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Answer = Literal["allow", "deny", "masked"]

_ANSWERS: Final = ("allow", "deny", "masked")
_KEYS: Final = {"as", "action", "object", "purpose", "expect", "rule"}
_RULE_KEYS: Final = {"role", "object", "action", "purpose", "effect", "row_filter"}
_MEND: Final = N_("Correct it there; what a test may hold is in docs/reference/policy-files.md.")


@dataclass(frozen=True, slots=True)
class Case:
    """One question and what is expected. ``rule``: columns of the rule that must decide, or empty."""

    place: str
    roles: tuple[str, ...]
    action: str
    object: str
    purpose: str
    expect: Answer
    rule: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the policy answers to a case; ``rule`` is the row of the rule that decided, "" if there is none."""

    case: Case
    got: Answer
    rule: str
    passed: bool


def run_policy_tests(folder: Path, fields: Mapping[str, str] | None = None) -> tuple[Outcome, ...]:
    """Run the tests of a policy's folder. ``fields``: declared field → category, beside those that the files name.

    Raises ``PolicyFileWrong``: a file cannot be taken, there is no case, or files and ``fields`` name two categories
    for one field. A test that fails is an outcome, not an error.
    """
    content = read_folder(folder)
    paths = sorted((folder / "tests").glob("*.toml"))
    known = dict(fields or {})
    cases = list(chain.from_iterable([_read(path, known) for path in paths]))
    if not cases:
        raise PolicyFileWrong(place=folder / "tests", detail="there is no [[case]] in it", mend=_MEND)
    parents = {role: frozenset(above) for role, above in content.roles.items()}
    numbered = [Rule(number, *rule.words()) for number, rule in enumerate(content.rules, 1)]
    filters = {name: {one.object for one in numbered if one.row_filter == name} for name in _row_filters(numbered)}
    declared = {name: frozenset(resources) for name, resources in filters.items()}  # as the guard has them
    snapshot = Snapshot("-", 0, parents, content.purposes, numbered, known, declared)
    return tuple(_run(case, snapshot, numbered) for case in cases)


def _run(case: Case, snapshot: Snapshot, rules: list[Rule]) -> Outcome:
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
    deciding = next((rule for rule in rules if rule.id == decision.rule), None)
    columns = {} if deciding is None else asdict(deciding)
    wanted = _with_key(case.rule, snapshot)
    passed = got == case.expect and all(columns.get(name) == value for name, value in wanted.items())
    return Outcome(case, got, "" if deciding is None else " ".join(deciding.words()), passed)


def _row_filters(rules: Iterable[Rule]) -> set[str]:
    return {rule.row_filter for rule in rules if rule.row_filter}


def _with_key(wanted: Mapping[str, str], snapshot: Snapshot) -> dict[str, str]:
    """A purpose by its key, as rules have it."""
    known = snapshot.purpose(wanted.get("purpose", ""))
    return {**wanted, "purpose": known.key} if known else dict(wanted)


def _read(path: Path, fields: dict[str, str]) -> Iterator[Case]:
    """The cases of a file; the fields that it names are added to ``fields``."""
    document, text = read_toml(path)
    for name in document.keys() - {"fields", "case"}:
        raise PolicyFileWrong(place=path, detail=f"unknown: {name!r:.80}", mend=_MEND)
    _take_fields(path, document.get("fields", {}), fields)
    tables = document.get("case", [])
    if not isinstance(tables, list):
        raise PolicyFileWrong(place=path, detail="case is written as [[case]]", mend=_MEND)
    lines = header_lines(text, "case")
    found = []
    for number, table in enumerate(tables):
        line = lines.get(str(number)) if len(lines) == len(tables) else None
        found.append(_case(f"{path}:{line}" if line else str(path), table))
    return iter(found)


def _take_fields(path: Path, given: Any, fields: dict[str, str]) -> None:
    if not isinstance(given, dict):
        raise PolicyFileWrong(place=path, detail="fields is written as [fields]", mend=_MEND)
    for field, category in given.items():
        if fields.setdefault(field, category) != category:
            detail = f"{field!r:.80} is declared as {fields[field]!r:.80}, here it is {category!r:.80}"
            raise PolicyFileWrong(place=path, detail=detail, mend=N_("Leave it out: the declaration counts."))
        try:
            check_object(f"{CATEGORY}{category}")
            check_links(object_links(field, fields), "category")
        except InvalidInput as error:
            raise PolicyFileWrong(place=path, detail=error.facts["detail"], mend=_MEND) from None
        if not askable(field) or "." not in field:
            raise PolicyFileWrong(place=path, detail=f"{field!r:.80} is no field", mend=_MEND)


def _case(place: str, table: Any) -> Case:
    def refuse(detail: str) -> PolicyFileWrong:
        return PolicyFileWrong(place=place, detail=detail, mend=_MEND)

    if not isinstance(table, dict):
        raise refuse("case is written as [[case]]")
    for name in table.keys() - _KEYS:
        raise refuse(f"unknown: {name!r:.80}")
    missing = sorted({"as", "object", "purpose", "expect"} - table.keys())
    if missing:
        raise refuse(f"it lacks: {', '.join(missing)}")
    roles = [table["as"]] if isinstance(table["as"], str) else table["as"]
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) for role in roles):
        raise refuse("as is a role or a list of roles")
    action = table.get("action", "read")
    if not all(isinstance(text, str) for text in (action, table["object"], table["purpose"], table["expect"])):
        raise refuse("action, object, purpose and expect are texts")
    if not askable(table["object"]):
        raise refuse(f"{table['object']!r:.80} cannot be asked about: name a resource or a field")
    if table["expect"] not in _ANSWERS:
        raise refuse(f"{table['expect']!r:.80} is none of {', '.join(_ANSWERS)}")
    if table["expect"] == "masked" and action != "read":
        raise refuse("only a read can be masked")
    rule = table.get("rule", {})
    if not isinstance(rule, dict) or rule.keys() - _RULE_KEYS or not all(isinstance(v, str) for v in rule.values()):
        raise refuse(f"rule names columns of a rule: {', '.join(sorted(_RULE_KEYS))}")
    return Case(place, tuple(roles), action, table["object"], table["purpose"], table["expect"], rule)
