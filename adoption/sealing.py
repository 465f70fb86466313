"""Sealing what is there already: every plain value without an envelope gets one, tenant by tenant, batch by batch.

Invariants:

1. The database is the progress. What is left is what has a value and no envelope, so a run that was killed is run
   again, and a second run finds nothing to do.
2. A concurrent write wins. An envelope is stored only beside the value that was sealed, and only where there is none.
3. No key is made. Rows whose tenant has none are counted and told, never passed over in silence.
4. Nothing of a value leaves: a row is named by its key.

The application's engine and its gate are not used: no access, no events, no cell in the trail; each tenant's trail
takes an entry before its first row and one after its last.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, null

from ..middleware.subjects import SubjectSecrets
from .sealing_cells import Cells
from .sealing_swaps import Swap, Swapper
from .sealing_tables import Stored
from .sealing_targets import engine_for, stored_tables
from .sealing_work import BATCH, PASSES, QUIET, Result, Watcher, Work, finish, note, pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine

    from ..guard import Guard
    from ..middleware.fields import Field

_PAUSE: Final = 0.2
"""Seconds before going back to rows that others hold or write."""


def backfill(
    guard: Guard,
    fields: Sequence[Field],
    *,
    operator: str,
    tenant: str | None = None,
    batch: int = BATCH,
    progress: Watcher = QUIET,
) -> list[Result]:
    """Seal what is stored plain in ``fields`` and has no envelope. Returns when nothing is left that can be sealed.

    ``fields`` are declared ``write_both``, see `sealing_targets.chosen`. ``tenant``: only its rows. Raises
    `SiblingsMissing`, `KeysUnavailable` and SQLAlchemy's errors; what was sealed until then stays sealed.
    """
    results = {one.name: Result(one.table.name, one.column) for one in fields}
    with engine_for(guard) as engine:
        tables = stored_tables(engine, fields)
        work = Work(guard, engine, tables, Stored.wanting, tenant)
        progress.expect(work.rows)
        for owner, todo in work.by_tenant.items():
            names = " ".join(one.name for stored in todo for one in stored.fields)
            note(guard, owner, operator, {"act": "encrypt.begin", "columns": names})
            sealed: Counter[str] = Counter()
            for stored in todo:
                sealed += _Sealing(guard, engine, stored, owner, batch, results).run(progress)
            for name, count in sealed.items():
                results[name].done += count
            refused = sum(who == owner for one in results.values() for who, _ in one.refused)
            note(guard, owner, operator, {"act": "encrypt.end", "refused": refused, **sealed})
        finish(results, Work(guard, engine, tables, Stored.wanting, tenant))
    return list(results.values())


class _Sealing:
    """One tenant's rows in one table."""

    def __init__(
        self, guard: Guard, engine: Engine, stored: Stored, tenant: str, batch: int, results: Mapping[str, Result]
    ) -> None:
        self.guard, self.engine, self.stored, self.tenant, self.batch = guard, engine, stored, tenant, batch
        self.results = results
        self.refused: set[tuple[str, str]] = set()
        self.swapper = Swapper(engine, stored, tenant)

    def run(self, progress: Watcher) -> Counter[str]:
        """How many cells were sealed, by field."""
        sealed: Counter[str] = Counter()
        what: list[ColumnElement[Any]] = [
            case((self.stored.wanting(one), self.stored.seen(one)), else_=null()) for one in self.stored.fields
        ]
        what.append(self.stored.subject())
        for _ in range(PASSES):
            lost = 0
            for rows in pages(self.engine, self.stored, self.tenant, self.stored.wanting, what, self.batch):
                swaps = self._sealed(rows)
                stored = self.swapper.store(swaps)
                lost += len(swaps) - len(stored)
                progress.advance(len(stored))
                for number, one in enumerate(self.stored.fields):
                    sealed[one.name] += sum(1 for s in swaps if s.envelopes[number] is not None and s.key in stored)
            if not lost:
                break
            time.sleep(_PAUSE)
        return +sealed

    def _sealed(self, rows: Sequence[Any]) -> list[Swap]:
        stored, size = self.stored, len(self.stored.keys)
        keys = [tuple(row[:size]) for row in rows]
        parts = [stored.row_part(key) for key in keys]
        subjects = [stored.subject_text(row[-1]) for row in rows]
        made = []
        secrets = SubjectSecrets()
        for number, one in enumerate(stored.fields, size):
            cells = Cells(self.guard, one, self.tenant, self.engine, secrets)
            made.append(cells.make(parts, [row[number] for row in rows], subjects))
            self._refuse(one, [keys[refused] for refused in made[-1].refused])
        envelopes = zip(*(one.envelopes for one in made), strict=True)
        tokens = zip(*(one.tokens for one in made), strict=True)
        swaps = map(Swap, keys, (tuple(row[size:-1]) for row in rows), envelopes, tokens)
        return [swap for swap in swaps if any(envelope is not None for envelope in swap.envelopes)]

    def _refuse(self, one: Field, keys: Sequence[tuple[Any, ...]]) -> None:
        for key in keys:
            name = self.stored.row_name(key)
            if (one.name, name) not in self.refused:
                self.refused.add((one.name, name))
                self.results[one.name].refused.append((self.tenant, name))


__all__ = ["BATCH", "QUIET", "Result", "Watcher", "backfill"]
