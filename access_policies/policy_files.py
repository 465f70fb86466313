"""A policy in a folder of TOML files: reading them into a content, and writing a content as files.

All ``*.toml`` of the folder together are the policy, in the format of ``templates/*.toml``; its subfolders are not read
(``tests/`` holds `policy_tests`). Whatever cannot be taken is ``PolicyFileWrong``, with the file and, where it is
known, the line. Nothing in a file says for which tenant it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput, PolicyFileWrong
from ..i18n import N_
from . import templates
from .content import Content, check
from .instants import instant, told
from .plan import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from .rules import Rule

_LARGEST: Final = 4_000_000
_MEND: Final = N_("Correct it there; what a file may hold is in docs/reference/policy-files.md.")
_TENANT: Final = N_("Take it out: a file says nothing of tenants, the command does (--tenant).")
_TEXTS: Final = {
    "purpose": {"alias", "legal_basis", "parent", "owner"},
    "role": set[str](),
    "rule": {"role", "effect", "row_filter", "mask"},
}
_TIMES: Final = {"starts_at", "ends_at"}
_LISTS: Final = {
    "purpose": {"categories", "recipients"},
    "role": {"parents"},
    "rule": {"objects", "actions", "purposes"},
}
_NEEDED: Final = {
    "purpose": {"legal_basis"},
    "role": set[str](),
    "rule": {"role", "objects", "actions", "purposes"},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of a file. ``key``: the name of a role or purpose, "" for a rule."""

    place: str
    kind: str
    key: str
    table: Mapping[str, Any]


def read_text(path: Path) -> str:
    """A file's text. Raises ``PolicyFileWrong``."""
    try:
        if path.stat().st_size > _LARGEST:
            raise PolicyFileWrong(place=path, detail=f"it is larger than {_LARGEST} bytes", mend=_MEND)
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyFileWrong(place=path, detail=error.strerror or type(error).__name__, mend=_MEND) from None
    except UnicodeDecodeError:
        raise PolicyFileWrong(place=path, detail="it is no text in UTF-8", mend=_MEND) from None


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """A file's tables and its text. Raises ``PolicyFileWrong``."""
    text = read_text(path)
    try:
        return tomllib.loads(text), text
    except RecursionError:
        raise PolicyFileWrong(place=path, detail="its values are nested too deeply", mend=_MEND) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        place = f"{path}:{found[1]}" if found else path
        raise PolicyFileWrong(place=place, detail=f"no valid TOML: {error}", mend=_MEND) from None


def read_folder(folder: Path) -> Content:
    """The policy that the folder's ``*.toml`` hold together, checked. Raises ``PolicyFileWrong``."""
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise PolicyFileWrong(
            place=folder, detail="there is no *.toml in it", mend=N_("Write one: amanah policy export --tenant …")
        )
    entries = [entry for path in paths for entry in _entries(path)]
    document: dict[str, Any] = {"purpose": {}, "role": {}, "rule": []}
    for entry in entries:
        if entry.kind == "rule":
            document["rule"].append(entry.table)
        elif entry.key in document[entry.kind]:
            first = next(one for one in entries if (one.kind, one.key) == (entry.kind, entry.key))
            detail = f"the {entry.kind} {entry.key!r:.80} is in {first.place} already"
            raise PolicyFileWrong(place=entry.place, detail=detail, mend=N_("Keep one of the two."))
        else:
            document[entry.kind][entry.key] = entry.table
    content = templates.parse(document)
    try:
        check(content)
    except InvalidInput as error:
        place = _culprit(content, entries) or str(folder)
        raise PolicyFileWrong(place=place, detail=error.facts["detail"], mend=_MEND) from None
    return content


def _entries(path: Path) -> Iterator[Entry]:
    """Each table of a file, its keys and the types of its values checked."""
    document, text = read_toml(path)
    for kind, tables in document.items():
        if kind not in _TEXTS:
            mend = _TENANT if kind == "tenant" else _MEND
            raise PolicyFileWrong(place=path, detail=f"unknown: {kind!r:.80}", mend=mend)
        if not isinstance(tables, list if kind == "rule" else dict):
            raise PolicyFileWrong(place=path, detail=f"{kind} is written as {_WRITTEN[kind]}", mend=_MEND)
        named = list(tables.items()) if isinstance(tables, dict) else [("", table) for table in tables]
        lines = header_lines(text, kind)
        for number, (key, table) in enumerate(named):
            line = lines.get(key) if key else _nth(lines, number, len(named))
            entry = Entry(f"{path}:{line}" if line else str(path), kind, key, table)
            _check_shape(entry)
            yield entry


_WRITTEN: Final = {"rule": "[[rule]]", "role": "[role.NAME]", "purpose": '[purpose."KEY"]'}


def header_lines(text: str, kind: str) -> dict[str, int]:
    """The line of each ``[kind.name]`` by its name, of each ``[[kind]]`` by its position: "0", "1" and so on."""
    header = re.compile(rf"\s*\[(?:\[\s*{kind}\s*\]|\s*{kind}\s*\.\s*(?P<name>\"[^\"]*\"|'[^']*'|[\w.-]+)\s*)\]")
    found: dict[str, int] = {}
    for line, written in enumerate(text.split("\n"), 1):
        match = header.match(written)
        if match:
            name = match["name"]
            found[str(len(found)) if name is None else name.strip("\"'")] = line
    return found


def _nth(lines: Mapping[str, int], number: int, total: int) -> int | None:
    """The line of the rule with this number; None where some were written otherwise, or stand in a text."""
    return lines.get(str(number)) if len(lines) == total else None


def _check_shape(entry: Entry) -> None:
    def refuse(detail: str, mend: str = _MEND) -> PolicyFileWrong:
        return PolicyFileWrong(place=entry.place, detail=detail, mend=mend)

    if not isinstance(entry.table, dict):
        raise refuse(f"{entry.kind} is written as {_WRITTEN[entry.kind]}")
    for key, value in entry.table.items():
        wrong = _wrong(entry.kind, key, value)
        if wrong:
            raise refuse(wrong, _TENANT if key == "tenant" else _MEND)
    missing = sorted(_NEEDED[entry.kind] - entry.table.keys())
    if missing:
        raise refuse(f"it lacks: {', '.join(missing)}")


def _wrong(kind: str, key: str, value: object) -> str | None:
    """Why a key cannot have this value, or None."""
    if key in _LISTS[kind]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            return f"{key} is a list of names"
        return None if value or key not in _NEEDED[kind] else f"{key} lists nothing"
    if kind == "purpose" and key == "retention":
        days = type(value) is int and value > 0  # True is an int, too
        return None if days or isinstance(value, str) else "retention is a text, or a number of days"
    if kind == "purpose" and key == "review_at":
        return None if type(value) is date else "review_at is a day, written like 2027-01-31 and without quotes"
    if kind == "rule" and key in _TIMES:
        return _no_instant(key, value)
    if key in _TEXTS[kind] or (kind != "rule" and templates.LANGUAGE.fullmatch(key)):
        return None if isinstance(value, str) else f"{key} is a text"
    return f"unknown: {key!r:.80}"


def _no_instant(key: str, value: object) -> str | None:
    try:
        instant(value)
    except InvalidInput as error:
        return f"{key}: {error.facts['detail']}"
    return None


def _culprit(whole: Content, entries: Iterable[Entry]) -> str | None:
    """Where the first entry stands with which the policy cannot be in force; called when something is wrong."""
    known: dict[str, tuple[str, ...]] = dict.fromkeys(whole.roles, ())
    purposes: dict[str, Any] = {}
    by_kind: dict[str, list[Entry]] = {"role": [], "purpose": [], "rule": []}
    for entry in entries:
        by_kind[entry.kind].append(entry)
    for entry in by_kind["role"]:
        if not _may(lambda entry=entry: check(Content({entry.key: ()}, {}, (), ()))):  # type: ignore[misc]
            return entry.place
    for entry in by_kind["role"]:
        known[entry.key] = tuple(entry.table.get("parents", ()))
        if not _may(lambda: check(Content(known, {}, (), ()))):
            return entry.place
    for entry in by_kind["purpose"]:
        purposes[entry.key] = entry.table
        if not _may(lambda: check(templates.parse({"purpose": purposes}))):
            return entry.place
    for entry in by_kind["rule"]:
        rules = templates.parse({"purpose": purposes, "rule": [entry.table]}).rules
        if not _may(lambda rules=rules: check(Content(whole.roles, {}, whole.purposes, rules))):  # type: ignore[misc]
            return entry.place
    return None


def _may(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except InvalidInput:
        return False
    return True


# -- writing -----------------------------------------------------------------------------------------------------------


def write_folder(folder: Path, content: Content) -> tuple[Path, ...]:
    """Write ``purposes.toml``, ``roles.toml`` and ``rules.toml``; `read_folder` then reads ``content``.

    Raises ``PolicyFileWrong`` if the folder holds any ``*.toml``, or if the files would not say the same; then nothing
    is written.
    """
    if any(folder.glob("*.toml")):
        raise PolicyFileWrong(
            place=folder, detail="there are *.toml in it already", mend=N_("Name a new or an empty folder.")
        )
    texts = {
        "purposes.toml": _purposes_text(content),
        "roles.toml": _roles_text(content),
        "rules.toml": _rules_text(content),
    }
    written = templates.parse(tomllib.loads("\n".join(texts.values())))
    if compare(content, written):
        what = compare(content, written).changes[0]
        detail = f"files cannot say it: {what.kind} {what.name} {what.detail}"
        raise PolicyFileWrong(place=folder, detail=detail, mend=N_("Change this part of the policy first."))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in texts)


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for DEL, which JSON leaves."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: Iterable[str]) -> str:
    texts = [_text(value) for value in values]
    line = f"[{', '.join(texts)}]"
    return line if len(line) < 100 else "[\n" + "".join(f"  {text},\n" for text in texts) + "]"  # noqa: PLR2004 - a line


def _purposes_text(content: Content) -> str:
    lines = ["# Why data is processed, and on which legal basis.\n"]
    for purpose in sorted(content.purposes, key=lambda one: one.key):
        lines.append(f"\n[purpose.{_text(purpose.key)}]\n")
        lines += [f"alias = {_text(purpose.alias)}\n"] if purpose.alias else []
        lines.append(f"legal_basis = {_text(purpose.legal_basis)}\n")
        lines += [f"parent = {_text(purpose.parent)}\n"] if purpose.parent else []
        for name in ("categories", "recipients"):
            values = getattr(purpose, name)
            lines += [f"{name} = {_list(values)}\n"] if values else []
        days = purpose.retention.isascii() and purpose.retention.isdigit()
        lines += (
            [f"retention = {purpose.retention if days else _text(purpose.retention)}\n"] if purpose.retention else []
        )
        lines += [f"owner = {_text(purpose.owner)}\n"] if purpose.owner else []
        lines += [f"review_at = {purpose.review_at}\n"] if purpose.review_at else []
        lines += [f"{_text(code)} = {_text(told)}\n" for code, told in sorted(purpose.description.items())]
    return "".join(lines)


def _roles_text(content: Content) -> str:
    lines = ["# Roles, and the roles whose rules they have too.\n"]
    for name, parents in sorted(content.roles.items()):
        lines.append(f"\n[role.{_text(name)}]\n")
        lines += [f"parents = {_list(sorted(set(parents)))}\n"] if parents else []
        lines += [f"{_text(code)} = {_text(told)}\n" for code, told in sorted(content.descriptions[name].items())]
    return "".join(lines)


def _rules_text(content: Content) -> str:
    """Rules of one role that differ in their objects or actions only are written as one."""
    names = {purpose.key: purpose.alias or purpose.key for purpose in content.purposes}
    actions: dict[tuple[str, str, str, str], dict[str, set[str]]] = {}
    for rule in content.rules:
        purposes = actions.setdefault((rule.role, rule.effect, _more_of_rule(rule), rule.object), {})
        purposes.setdefault(rule.action, set()).add(names.get(rule.purpose, rule.purpose))
    grouped: dict[tuple[str, str, str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (role, effect, more, obj), purposes in sorted(actions.items()):
        same: dict[tuple[str, ...], list[str]] = {}
        for action, served in sorted(purposes.items()):
            same.setdefault(tuple(sorted(served)), []).append(action)
        for served_, acts in sorted(same.items()):
            grouped.setdefault((role, effect, more, tuple(acts), served_), []).append(obj)
    lines = ["# A [[rule]] stands for every combination of its objects, actions and purposes.\n"]
    for (role, effect, more, acts_, served_), objects in sorted(grouped.items()):
        lines.append(f"\n[[rule]]\nrole = {_text(role)}\nobjects = {_list(objects)}\nactions = {_list(acts_)}\n")
        lines.append(f"purposes = {_list(served_)}\n")
        lines += [] if effect == "allow" else [f"effect = {_text(effect)}\n"]
        lines.append(more)
    return "".join(lines)


def _more_of_rule(rule: Rule) -> str:
    """The lines that most rules do not have."""
    lines = [f"row_filter = {_text(rule.row_filter)}\n"] if rule.row_filter else []
    lines += [f"mask = {_text(rule.mask)}\n"] if rule.mask else []
    lines += [f"starts_at = {told(rule.starts_at)}\n"] if rule.starts_at is not None else []
    lines += [f"ends_at = {told(rule.ends_at)}\n"] if rule.ends_at is not None else []
    return "".join(lines)
