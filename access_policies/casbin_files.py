"""A policy as Casbin's ``model.conf`` and ``policy.csv``, on which a plain ``casbin.Enforcer`` decides as we do.

There, a request names a role as its subject. ``p`` and ``g`` lines are the rules and the inheritance, and what closes
the categories that a purpose is not registered for (`categories`). These, ``g2`` and ``g3`` follow from the declared
fields and the register of purposes: they are written so that Casbin's tools have them, and when read they must be
exactly these. Descriptions and legal bases have no place in Casbin's files: roles and purposes
must be there already.

Nor have times and masks. What is written are the rules in force at one moment, and that somebody may see masked, not
how. When read, rules of the tenant that say such a thing stay as they are, and a line that is one of them without it
adds nothing: otherwise a rule would come back from its own export without its end.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput, PolicyFileWrong
from ..i18n import N_
from .categories import ANY_ROLE, denials, outside_links, role_links
from .content import Content, check
from .hierarchy import object_links, purpose_links
from .judge import MODEL_PATH
from .plan import links
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MODEL: Final = "model.conf"
POLICY: Final = "policy.csv"

_COLUMNS: Final = {"p": 5, "g": 2, "g2": 2, "g3": 2}
_MEND: Final = N_("Correct the line, or export the policy again: amanah policy export --casbin …")
_DERIVED: Final = N_(
    "It follows from the declarations and the register: leave all lines of its kind out, or export again."
)


def write(folder: Path, content: Content, fields: Mapping[str, str], now: int) -> tuple[Path, Path]:
    """Write both files; ``fields``: declared field → category. ``now``: the moment, in µs since the epoch.

    Raises ``PolicyFileWrong`` if one is there, or if a rule has what Casbin's model has no column for.
    """
    model, policy = folder / MODEL, folder / POLICY
    for path in (model, policy):
        if path.exists():
            raise PolicyFileWrong(place=path, detail="it is there already", mend=N_("Name a new or an empty folder."))
    in_force = [rule for rule in content.rules if rule.in_force(now)]
    for rule in in_force:
        if rule.row_filter:
            detail = f"Casbin's file would say more than the rule {rule.id} allows"
            raise PolicyFileWrong(place=policy, detail=detail, mend=N_("Export the policy as TOML instead."))
    derived = _derived(content, fields)
    rows: list[tuple[str, ...]] = list(dict.fromkeys(("p", *rule.row()) for rule in in_force))
    rows += [("p", *row) for row in sorted(derived.pop("p"))]
    rows += [("g", *link) for link in (*sorted(links(content)), *sorted(derived.pop("g")))]
    rows += [(kind, *link) for kind, found in derived.items() for link in sorted(found)]
    folder.mkdir(parents=True, exist_ok=True)
    model.write_text(MODEL_PATH.read_text(encoding="utf-8"), encoding="utf-8")
    # No name has a comma, a quote or a blank: this is what a CSV writer gives, with the blanks that Casbin writes.
    policy.write_text("".join(f"{', '.join(row)}\n" for row in rows), encoding="utf-8")
    return model, policy


def _derived(content: Content, fields: Mapping[str, str]) -> dict[str, set[tuple[str, ...]]]:
    """What is in the files besides rules and inheritance, by kind."""
    keys = {purpose.key: purpose for purpose in content.purposes}
    above = [(*object_links(one, fields), *outside_links(one, fields, content.purposes)) for one in fields]
    return {
        "p": set(denials(content.purposes)),
        "g": set(role_links(content.roles, content.purposes)),
        "g2": {link for links_ in above for link in links_},
        "g3": set(purpose_links(keys)),
    }


def _is_derived(row: tuple[str, ...]) -> bool:
    """Whether a row of ``p`` or ``g`` closes categories and is nobody's rule or role."""
    return ANY_ROLE in (row[0], row[1])


def read(folder: Path, present: Content, fields: Mapping[str, str]) -> Content:
    """What ``present`` becomes with the rules and the inheritance of the files. Raises ``PolicyFileWrong``."""
    _check_model(folder / MODEL)
    path = folder / POLICY
    seen: dict[tuple[str, ...], int] = {}
    for line, row in _rows(path):
        if row in seen:
            mend = N_("Take one of the two out.")
            raise PolicyFileWrong(place=f"{path}:{line}", detail=f"the same as line {seen[row]}", mend=mend)
        seen[row] = line
    derived = _derived(present, fields)
    for kind, expected in derived.items():
        _check_derived(path, kind, expected, seen)
    wanted = Content(dict.fromkeys(present.roles, ()), present.descriptions, present.purposes, ())
    roles: dict[str, tuple[str, ...]] = dict(wanted.roles)
    for row, line in _of(seen, "g"):
        if _is_derived(row):
            continue
        role, parent = row
        if role not in roles:
            # It may be a person: other people's policies link users to roles here. The line says enough.
            raise PolicyFileWrong(place=f"{path}:{line}", detail="its first name is no role of the tenant", mend=_ROLE)
        roles[role] = (*roles[role], parent)
        wanted = replace(wanted, roles=roles)
        _check_line(wanted, path, line)
    stay = [rule for rule in present.rules if rule.timed or rule.mask]
    said_by = {rule.row() for rule in stay} - {rule.row() for rule in present.rules if rule not in stay}
    found = []
    for row, line in _of(seen, "p"):
        if _is_derived(row):
            continue
        rule = Rule(0, *row)  # type: ignore[arg-type] # `_rows` counted them
        _check_line(replace(wanted, rules=(rule,)), path, line)
        if rule.row() not in said_by:
            found.append(rule)
    return replace(wanted, rules=(*found, *stay))


_ROLE: Final = N_("Casbin's files make no roles and no purposes: add them first (amanah policy apply).")


def _of(seen: Mapping[tuple[str, ...], int], kind: str) -> Iterator[tuple[tuple[str, ...], int]]:
    return ((row[1:], line) for row, line in seen.items() if row[0] == kind)


def _check_line(content: Content, path: Path, line: int) -> None:
    try:
        check(content)
    except InvalidInput as error:
        detail = error.facts["detail"]
        mend = _ROLE if "there is no" in str(detail) or "is no purpose" in str(detail) else _MEND
        raise PolicyFileWrong(place=f"{path}:{line}", detail=detail, mend=mend) from None


def _check_derived(path: Path, kind: str, expected: set[tuple[str, ...]], seen: Mapping[tuple[str, ...], int]) -> None:
    """All of them or none: with some of them missing, Casbin's tools would decide otherwise than we do."""
    given = {row: line for row, line in _of(seen, kind) if kind not in ("p", "g") or _is_derived(row)}
    for link, line in given.items():
        if link not in expected:
            detail = f"{', '.join(link)!r:.160} does not agree with what is declared and registered"
            raise PolicyFileWrong(place=f"{path}:{line}", detail=detail, mend=_DERIVED)
    missing = sorted(expected - given.keys())
    if given and missing:
        raise PolicyFileWrong(place=path, detail=f"it lacks: {kind}, {', '.join(missing[0])}", mend=_DERIVED)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")  # as Casbin does, and at nothing else
    except OSError as error:
        raise PolicyFileWrong(place=path, detail=error.strerror or type(error).__name__, mend=_MEND) from None
    except UnicodeDecodeError:
        raise PolicyFileWrong(place=path, detail="it is no text in UTF-8", mend=_MEND) from None


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and cells of each rule or link, the number of cells checked."""
    # Casbin takes a line that begins with # for a comment, whatever quotes are in it: the CSV reader never sees it.
    without_comments = ("\n" if line.lstrip().startswith("#") else f"{line}\n" for line in _lines(path))
    reader = csv.reader(without_comments, skipinitialspace=True, strict=True)
    line = 1  # where the row begins: a quoted cell can go over several, and is then refused as a name
    try:
        for cells in reader:
            place, begun = f"{path}:{line}", line
            line = reader.line_num + 1
            if not cells:
                continue
            kind, *row = (cell.strip(" \t") for cell in cells)
            if kind not in _COLUMNS:
                raise PolicyFileWrong(place=place, detail=f"{kind!r:.80} is none of p, g, g2, g3", mend=_MEND)
            if len(row) != _COLUMNS[kind]:
                detail = f"{kind} has {_COLUMNS[kind]} columns, here are {len(row)}"
                raise PolicyFileWrong(place=place, detail=detail, mend=_MEND)
            yield begun, (kind, *row)
    except csv.Error as error:
        raise PolicyFileWrong(place=f"{path}:{line}", detail=f"no valid CSV: {error}", mend=_MEND) from None


def _check_model(path: Path) -> None:
    """Raise ``PolicyFileWrong`` unless it is our model: with another matcher the same rules say something else."""
    ours = _bare(MODEL_PATH.read_text(encoding="utf-8").splitlines())
    if _bare(_lines(path)) != ours:
        mend = N_("Only rules and inheritance are imported: put the model.conf of the export back.")
        raise PolicyFileWrong(place=path, detail="it is another model than Amanah's", mend=mend)


def _bare(lines: Iterable[str]) -> list[str]:
    stripped = (re.sub(r"\s+", "", line) for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]
