"""The files with tests of a policy, ``tests/*.toml`` and ``tests/*.yaml``, read into cases.

Both say the same in two spellings::

    [fields]                                  # what the application declares, for rules about categories
    "customer.phone" = "user.contact.phone_number"

    [[case]]
    as = "support"                            # or a list of roles
    action = "read"                           # read if it is left out
    object = "customer.phone"
    purpose = "support"
    now = 2026-12-01T08:00:00+07:00           # when it is asked; this moment if it is left out
    expect = "masked"                         # allow, deny; masked: not in clear, but with a mask
    mask = "last4"                            # if it matters which mask the rule names; "" for the column's own
    rule = { role = "support", effect = "allow" }    # if it matters which rule decides: any of its columns

In YAML ``case`` is a list. A YAML file is read as texts only: an unquoted ``no`` is the text "no" and never a false.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import InvalidInput, PolicyFileWrong
from ..i18n import N_
from .hierarchy import check_links, object_links
from .instants import instant
from .names import CATEGORY, askable, check_object
from .policy_files import header_lines, read_text, read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Answer = Literal["allow", "deny", "masked"]

_ANSWERS: Final = ("allow", "deny", "masked")
_KEYS: Final = {"as", "action", "object", "purpose", "now", "expect", "mask", "rule"}
_RULE_KEYS: Final = {"role", "object", "action", "purpose", "effect", "row_filter", "mask"}
_MEND: Final = N_("Correct it there; what a test may hold is in docs/reference/policy-files.md.")
_NO_YAML: Final = N_("Install it: pip install 'amanah[yaml]'. Or write the tests as TOML.")


@dataclass(frozen=True, slots=True)
class Case:
    """One question and what is expected. ``rule``: columns of the rule that must decide, or empty.

    ``now``: µs since the epoch, None for the moment at which it is run. ``mask``: None where any will do.
    """

    place: str
    roles: tuple[str, ...]
    action: str
    object: str
    purpose: str
    expect: Answer
    rule: Mapping[str, str] = field(default_factory=dict)
    now: int | None = None
    mask: str | None = None


def read_cases(folder: Path, fields: dict[str, str]) -> list[Case]:
    """Every case of the folder's files; the fields that they name are added to ``fields``. Raises `PolicyFileWrong`."""
    cases: list[Case] = []
    for path in sorted(one for one in folder.glob("*") if one.suffix in _READERS):
        named, placed = _READERS[path.suffix](path)
        _take_fields(path, named, fields)
        cases += [_case(place, table) for place, table in placed]
    if not cases:
        raise PolicyFileWrong(place=folder, detail="there is no [[case]] in it", mend=_MEND)
    return cases


def _of_toml(path: Path) -> tuple[Any, list[tuple[str, Any]]]:
    """What a file says of fields, and each case with its place."""
    document, text = read_toml(path)
    tables = _cases_of(path, document)
    lines = header_lines(text, "case")
    known = len(lines) == len(tables)
    places = [f"{path}:{lines[str(number)]}" if known else str(path) for number in range(len(tables))]
    return document.get("fields", {}), list(zip(places, tables, strict=True))


def _of_yaml(path: Path) -> tuple[Any, list[tuple[str, Any]]]:
    try:
        import yaml  # an extra
    except ModuleNotFoundError:
        raise PolicyFileWrong(place=path, detail="PyYAML, which reads it, is not installed", mend=_NO_YAML) from None
    try:
        text = read_text(path)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.BaseLoader)):
            raise PolicyFileWrong(place=path, detail="it has an alias (*name): write the value out", mend=_MEND)
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        found = _plain(path, root, top=True) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark or error.context_mark
        place = f"{path}:{line.line + 1}" if line is not None else path
        raise PolicyFileWrong(place=place, detail=f"no valid YAML: {error.problem}", mend=_MEND) from None
    except yaml.YAMLError as error:
        raise PolicyFileWrong(place=path, detail=f"no valid YAML: {error}", mend=_MEND) from None
    except RecursionError:
        raise PolicyFileWrong(place=path, detail="its values are nested too deeply", mend=_MEND) from None
    if not isinstance(found, dict):
        raise PolicyFileWrong(place=path, detail="it has no keys: fields and case", mend=_MEND)
    return found.get("fields", {}), _cases_of(path, found)


def _plain(path: Path, node: Any, *, top: bool = False) -> Any:
    """A node of YAML as dict, list or text; at the top each case comes with its place."""
    if node.id == "scalar":
        return node.value
    if node.id == "sequence":
        return [_plain(path, one) for one in node.value]
    found: dict[str, Any] = {}
    for name, value in node.value:
        place = f"{path}:{name.start_mark.line + 1}"
        if name.id != "scalar" or name.value in found:
            detail = "a key is a text" if name.id != "scalar" else f"{name.value!r:.80} stands there twice"
            raise PolicyFileWrong(place=place, detail=detail, mend=_MEND)
        cases = top and name.value == "case" and value.id == "sequence"
        found[name.value] = (
            [(f"{path}:{one.start_mark.line + 1}", _plain(path, one)) for one in value.value]
            if cases
            else _plain(path, value)
        )
    return found


_READERS: Final = {".toml": _of_toml, ".yaml": _of_yaml, ".yml": _of_yaml}


def _cases_of(path: Path, document: Mapping[str, Any]) -> list[Any]:
    for name in document.keys() - {"fields", "case"}:
        raise PolicyFileWrong(place=path, detail=f"unknown: {name!r:.80}", mend=_MEND)
    tables = document.get("case", [])
    if not isinstance(tables, list):
        raise PolicyFileWrong(place=path, detail="case is a list, in TOML written as [[case]]", mend=_MEND)
    return tables


def _take_fields(path: Path, given: Any, fields: dict[str, str]) -> None:
    if not isinstance(given, dict) or not all(isinstance(category, str) for category in given.values()):
        raise PolicyFileWrong(place=path, detail="fields gives each field its category", mend=_MEND)
    for name, category in given.items():
        if fields.setdefault(name, category) != category:
            detail = f"{name!r:.80} is declared as {fields[name]!r:.80}, here it is {category!r:.80}"
            raise PolicyFileWrong(place=path, detail=detail, mend=N_("Leave it out: the declaration counts."))
        try:
            check_object(f"{CATEGORY}{category}")
            check_links(object_links(name, fields), "category")
        except InvalidInput as error:
            raise PolicyFileWrong(place=path, detail=error.facts["detail"], mend=_MEND) from None
        if not askable(name) or "." not in name:
            raise PolicyFileWrong(place=path, detail=f"{name!r:.80} is no field", mend=_MEND)


def _case(place: str, table: Any) -> Case:
    def refuse(detail: str) -> PolicyFileWrong:
        return PolicyFileWrong(place=place, detail=detail, mend=_MEND)

    if not isinstance(table, dict):
        raise refuse("a case has keys: as, object, purpose, expect; in TOML it is written as [[case]]")
    for name in table.keys() - _KEYS:
        raise refuse(f"unknown: {name!r:.80}")
    missing = sorted({"as", "object", "purpose", "expect"} - table.keys())
    if missing:
        raise refuse(f"it lacks: {', '.join(missing)}")
    roles = [table["as"]] if isinstance(table["as"], str) else table["as"]
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) for role in roles):
        raise refuse("as is a role or a list of roles")
    wrong = _wrong(table)
    if wrong:
        raise refuse(wrong)
    try:
        now = instant(table["now"]) if "now" in table else None
    except InvalidInput as error:
        raise refuse(f"now: {error.facts['detail']}") from None
    return Case(
        place,
        tuple(roles),
        table.get("action", "read"),
        table["object"],
        table["purpose"],
        table["expect"],
        table.get("rule", {}),
        now,
        table.get("mask"),
    )


def _wrong(table: Mapping[str, Any]) -> str | None:
    """Why a case with these values cannot be run, or None."""
    action, mask = table.get("action", "read"), table.get("mask")
    texts = (action, table["object"], table["purpose"], table["expect"], "" if mask is None else mask)
    if not all(isinstance(text, str) for text in texts):
        return "action, object, purpose, expect and mask are texts"
    if not askable(table["object"]):
        return f"{table['object']!r:.80} cannot be asked about: name a resource or a field"
    if table["expect"] not in _ANSWERS:
        return f"{table['expect']!r:.80} is none of {', '.join(_ANSWERS)}"
    if table["expect"] == "masked" and action != "read":
        return "only a read can be masked"
    if mask is not None and table["expect"] != "masked":
        return 'a mask is expected where expect is "masked"'
    rule = table.get("rule", {})
    if not isinstance(rule, dict) or rule.keys() - _RULE_KEYS or not all(isinstance(v, str) for v in rule.values()):
        return f"rule names columns of a rule: {', '.join(sorted(_RULE_KEYS))}"
    return None
