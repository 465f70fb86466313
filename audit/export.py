"""Entries as other programs read them: CSV, JSON lines, and events of the Open Cybersecurity Schema Framework.

Each format takes what a search finds, one entry after the other, and gives lines; nothing is gathered in between. What
is sealed stays sealed in all of them.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .export_ocsf import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .search import Found

Format: TypeAlias = Literal["csv", "jsonl", "ocsf"]
Prover: TypeAlias = "Callable[[Found], Mapping[str, Any]]"
"""What proves that an entry is in the log, as JSON."""

COLUMNS: Final = (
    *("position", "time", "id", "kind", "outcome", "actor", "actor_kind", "roles", "purpose", "route", "status"),
    *("refusal", "rule", "policy_version", "access", "request"),
    *("resource", "action", "columns", "masked", "rows", "subjects", "count"),
)
_BEGINS_A_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""By which spreadsheets take the text of a cell for a formula (OWASP, CSV Injection), wide forms included."""


def lines(form: Format, found: Iterable[Found], prove: Prover | None = None) -> Iterator[str]:
    """``found`` in that format, each line with its end. ``prove``: put a proof beside each entry, in JSON lines."""
    if form == "csv":
        return csv_lines(found)
    if form == "ocsf":
        return (_json(event) for one in found for event in events(one.position, one.values))
    return json_lines(found, prove)


def json_lines(found: Iterable[Found], prove: Prover | None = None) -> Iterator[str]:
    """``{"position":…,"entry":…}``: the entry in its canonical encoding, over which the leaf hash is taken."""
    for one in found:
        proof = "" if prove is None else f',"proof":{json.dumps(prove(one), separators=(",", ":"))}'
        yield f'{{"position":{one.position:d},"entry":{one.body.decode("ascii")}{proof}}}\n'


def csv_lines(found: Iterable[Found]) -> Iterator[str]:
    """A line for each thing that was touched, so that an entry may have several; every cell quoted (RFC 4180)."""
    yield _csv(COLUMNS)
    for one in found:
        values = one.values
        decision = values.get("decision") or {}
        first = [
            one.position,
            time_of(values),
            *(values["id"], values["kind"], values.get("outcome", "answered")),
            *(values.get("actor"), values.get("actor_kind", "member"), _listed(values.get("roles"))),
            *(values.get(name) for name in ("purpose", "route", "status", "refusal")),
            *(decision.get("rule"), decision.get("policy_version")),
            *(values.get("access"), values.get("request")),
        ]
        touched: Iterable[Mapping[str, Any]] = values.get("what") or ({},)
        for what in touched:
            names = ("columns", "masked", "rows", "subjects")
            listed = [_listed(what.get(name)) for name in names]
            yield _csv([*first, what.get("resource"), what.get("action"), *listed, what.get("count")])


def harmless(cell: object) -> str:
    """A cell's text that no spreadsheet takes for a formula: where it could be one, an apostrophe stands before it."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_BEGINS_A_FORMULA) else text


def time_of(values: Mapping[str, Any]) -> str:
    """The entry's time in ISO 8601, UTC, to the microsecond."""
    return datetime.fromtimestamp(values["at"] / 1_000_000, UTC).isoformat(timespec="microseconds")


def _csv(cells: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([harmless(cell) for cell in cells])
    return line.getvalue()


def _listed(values: Iterable[str] | None) -> str:
    return " ".join(values or ())


def _json(event: Mapping[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":")) + "\n"


__all__ = ["COLUMNS", "Format", "Prover", "csv_lines", "harmless", "json_lines", "lines", "time_of"]
