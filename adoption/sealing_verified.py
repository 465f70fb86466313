"""Proof that nothing is missing and nothing differs: each envelope is opened and compared with the plain value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import null, type_coerce

from ..encryption.envelope import OVERWRITTEN
from ..middleware.subjects import SubjectSecrets
from .sealing_cells import Cells
from .sealing_tables import Raw, Stored
from .sealing_targets import engine_for, stored_tables
from .sealing_work import BATCH, QUIET, Work, note, pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine

    from ..guard import Guard
    from ..middleware.fields import Field
    from .sealing_work import Watcher

_PARTS: Final = 4  # plain, envelope, tokens


@dataclass(slots=True)
class Verified:
    """What was found in one column; counts are of cells, rows are (tenant, row key).

    ``missing``: a value without an envelope. ``differing``: an envelope that does not open, or holds another value than
    the plain column, or whose search token is not the value's. ``without_keys``: as in `Result`.
    """

    table: str
    column: str
    checked: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    differing: list[tuple[str, str]] = field(default_factory=list)
    without_keys: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Each value has its envelope, and each envelope holds the value."""
        return not (self.missing or self.differing or self.without_keys)


def verify(
    guard: Guard,
    fields: Sequence[Field],
    *,
    operator: str,
    tenant: str | None = None,
    batch: int = BATCH,
    progress: Watcher = QUIET,
) -> list[Verified]:
    """Open every envelope of ``fields``, declared ``write_both`` or ``read_sealed``, and compare. Changes nothing.

    Each tenant's trail takes an entry before its first row. Raises as `backfill` does.
    """
    found = {one.name: Verified(one.table.name, one.column) for one in fields}
    with engine_for(guard) as engine:
        work = Work(guard, engine, stored_tables(engine, fields), Stored.filled, tenant)
        progress.expect(work.rows)
        for owner, todo in work.by_tenant.items():
            names = " ".join(one.name for stored in todo for one in stored.fields)
            note(guard, owner, operator, {"act": "encrypt.verify", "columns": names})
            for stored in todo:
                _verify_table(guard, engine, stored, owner, batch, found, progress)
        for owner, counted in work.without_keys.items():
            for name, count in counted.items():
                found[name].without_keys[owner] = count
    return list(found.values())


def _verify_table(
    guard: Guard,
    engine: Engine,
    stored: Stored,
    tenant: str,
    batch: int,
    found: Mapping[str, Verified],
    progress: Watcher,
) -> None:
    what = [*(part for one in stored.fields for part in _parts(stored, one)), stored.subject()]
    size = len(stored.keys)
    for rows in pages(engine, stored, tenant, stored.filled, what, batch):
        places = [stored.row_part(row[:size]) for row in rows]
        subjects = [stored.subject_text(row[-1]) for row in rows]
        secrets = SubjectSecrets()
        columns = [Cells(guard, one, tenant, engine, secrets) for one in stored.fields]
        for cells in columns:
            cells.meet(subjects, make=False)
        for place, row, subject in zip(places, rows, subjects, strict=True):  # a person's key is derived once a row
            for number, cells in enumerate(columns):
                start, answer = size + _PARTS * number, found[cells.field.name]
                seen, envelope, *tokens = row[start : start + _PARTS]
                if seen is None and (envelope is None or bytes(envelope) == OVERWRITTEN):
                    continue
                answer.checked += 1
                if envelope is None:
                    answer.missing.append((tenant, stored.row_name(row[:size])))
                elif not _same(cells, place, subject, seen, envelope, tokens):
                    answer.differing.append((tenant, stored.row_name(row[:size])))
        progress.advance(len(rows))


def _parts(stored: Stored, one: Field) -> tuple[ColumnElement[Any], ...]:
    tokens = [type_coerce(token, Raw()) for token in stored.tokens(one)] if one.search else [null(), null()]
    return stored.seen(one), type_coerce(stored.envelope(one), Raw()), *tokens


def _same(cells: Cells, row: bytes, subject: str | None, seen: Any, envelope: Any, tokens: Sequence[Any]) -> bool:
    """The envelope belongs here, holds what is stored plain, and its tokens are the value's.

    A slot may be empty in which nobody searches yet.
    """
    opened = cells.open(row, envelope, subject)
    if opened is None or not cells.holds(seen, opened):
        return False
    stored = [None if token is None else bytes(token) for token in tokens]
    return stored[cells.slot] == opened.tokens[cells.slot] and all(
        token is None or token == due for token, due in zip(stored, opened.tokens, strict=True)
    )


__all__ = ["Verified", "verify"]
