"""The way back: plain values are filled in from their envelopes, while both are written.

Each row's plain value and a new envelope of it are stored in one UPDATE, and only beside the very envelope that was
opened: the trigger takes a plain value that changes alone for the write of an old process, and a write of the
application's that came meanwhile wins.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, type_coerce, update
from sqlalchemy.exc import DataError, IntegrityError

from .sealing_cells import Cells
from .sealing_tables import Raw, Stored, inner_type
from .sealing_targets import chosen, engine_for, stored_tables
from .sealing_work import BATCH, PASSES, QUIET, Result, Work, finish, note, pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from ..guard import Guard
    from ..middleware.fields import Field
    from .sealing_work import Watcher

_REFUSED_BY_DATABASE: Final = (DataError, IntegrityError)  # too long for its column, or not unique


def restore(
    guard: Guard,
    tables: Sequence[str],
    *,
    operator: str,
    tenant: str | None = None,
    batch: int = BATCH,
    progress: Watcher = QUIET,
) -> list[Result]:
    """Fill the plain columns from the sealed ones where they are NULL or differ; returns what was done, by column.

    ``tables``: each ``table`` or ``table.column``, declared ``read_sealed``. ``tenant``: only its rows. A cell whose
    envelope does not open, or whose value the plain column does not take, is among `Result.refused`. Each tenant's
    trail takes an entry before and one after. Raises `SealingStepWrong` for columns in another step, and what
    `backfill` raises.
    """
    fields = chosen(guard, tables, ("read_sealed",))
    results = {one.name: Result(one.table.name, one.column) for one in fields}
    with engine_for(guard) as engine:
        stored_columns = [
            Stored(s.protected, [f], engine.dialect) for s in stored_tables(engine, fields) for f in s.fields
        ]
        work = Work(guard, engine, stored_columns, Stored.sealed, tenant)
        progress.expect(work.rows)
        for owner, todo in work.by_tenant.items():
            names = " ".join(one.name for stored in todo for one in stored.fields)
            note(guard, owner, operator, {"act": "decrypt.begin", "columns": names})
            filled: Counter[str] = Counter()
            for stored in todo:
                one = stored.fields[0]
                filled[one.name] = _Restoring(guard, engine, stored, owner, results[one.name]).run(batch, progress)
                results[one.name].done += filled[one.name]
            note(guard, owner, operator, {"act": "decrypt.end", **filled})
        finish(results, Work(guard, engine, stored_columns, Stored.emptied, tenant))
    return list(results.values())


class _Fill(NamedTuple):
    key: tuple[Any, ...]
    values: dict[str, Any]


class _Restoring:
    """One tenant's cells in one column."""

    def __init__(self, guard: Guard, engine: Engine, stored: Stored, tenant: str, result: Result) -> None:
        self.guard, self.engine, self.stored, self.tenant, self.result = guard, engine, stored, tenant, result
        self.field: Field = stored.fields[0]
        self.refused: set[str] = set()
        self.statement = self._statement()

    def run(self, batch: int, progress: Watcher) -> int:
        """How many cells were filled."""
        stored = self.stored
        what = [stored.seen(self.field), type_coerce(stored.envelope(self.field), Raw()), stored.subject()]
        filled = 0
        for number in range(PASSES):
            lost = 0
            for rows in pages(self.engine, self.stored, self.tenant, self.stored.sealed, what, batch):
                fills = self._fills(rows)
                done = self._store(fills)
                filled += done
                lost += len(fills) - done
                progress.advance(0 if number else len(rows))
            if not lost:
                break
        return filled

    def _fills(self, rows: Sequence[Any]) -> list[_Fill]:
        cells = Cells(self.guard, self.field, self.tenant, self.engine)
        size = len(self.stored.keys)
        cells.meet((self.stored.subject_text(row[-1]) for row in rows), make=False)
        found = []
        for row in rows:
            key, seen, envelope = tuple(row[:size]), row[size], bytes(row[size + 1])
            name = self.stored.row_name(key)
            if name in self.refused:
                continue
            place = self.stored.row_part(key)
            subject = self.stored.subject_text(row[-1])
            opened = cells.open(place, envelope, subject)
            sealed = None if opened is None else cells.seal(place, opened.encoded, subject)
            if opened is None or sealed is None:
                self._refuse(key)
                continue
            if cells.holds(seen, opened):
                continue
            values = {"plain": opened.value, "old": envelope, "new": sealed}
            values |= {f"token{number}": token for number, token in enumerate(opened.tokens)}
            found.append(_Fill(key, values | {f"k{number}": part for number, part in enumerate(key)}))
        return found

    def _store(self, fills: Sequence[_Fill]) -> int:
        """How many were stored; one that the database does not take is refused, and the others go on."""
        if not fills:
            return 0
        try:
            with self.engine.begin() as connection:
                done = connection.execute(self.statement, [fill.values for fill in fills]).rowcount
            return int(done)
        except _REFUSED_BY_DATABASE:
            if len(fills) == 1:
                self._refuse(fills[0].key)
                return 0
        middle = len(fills) // 2
        return self._store(fills[:middle]) + self._store(fills[middle:])

    def _statement(self) -> Any:
        stored, one = self.stored, self.field
        keys = [key == bindparam(f"k{number}", type_=key.type) for number, key in enumerate(stored.keys)]
        same = stored.envelope(one) == bindparam("old", type_=Raw())
        values: dict[Any, Any] = {
            stored.plain(one): bindparam("plain", type_=inner_type(one)),
            stored.envelope(one): bindparam("new", type_=Raw()),
        }
        for number, token in enumerate(stored.tokens(one)) if one.search else ():
            values[token] = bindparam(f"token{number}", type_=Raw())
        return update(stored.table).where(and_(*keys), stored.owned(self.tenant), same).values(values)

    def _refuse(self, key: tuple[Any, ...]) -> None:
        name = self.stored.row_name(key)
        if name not in self.refused:
            self.refused.add(name)
            self.result.refused.append((self.tenant, name))


__all__ = ["restore"]
