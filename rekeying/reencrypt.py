"""`amanah reencrypt`: every value that is not under the newest data key is opened and sealed anew, batch by batch.

Invariants:

1. The database is the progress. What is left is what does not begin as a new envelope would, so a run that was killed
   is run again, a second one at the same time does no harm, and one after the last finds nothing to do.
2. A concurrent write wins. An envelope is replaced only if it is the very one that was opened.
3. What does not open stays as it is, is counted, and is named by its row.
4. No key is made, and none is used to seal that some process may not know yet.
5. A row that is sealed over a value gets its new seal with it, in one statement, where the one that it has holds.
   Where it does not, the row stays as it is, as in 3.

The application's engine and its gate are not used: no access, no events, no cell in the trail; each tenant's trail
takes an entry before its first row and one after its last.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, null

from ..adoption.requests import move_requests
from ..adoption.sealing_cells import NO_TOKENS, Cells
from ..adoption.sealing_swaps import Swap, Swapper
from ..adoption.sealing_targets import engine_for, sealed, tables_there
from ..adoption.sealing_work import BATCH, PASSES, QUIET, Known, note, pages
from ..audit.entries import now_us
from ..encryption.models import DATA
from ..encryption.tenant_keys import newest, rows_of
from ..errors import KeyNotSettled, SealError
from ..middleware.row_seals import SEAL_COLUMN
from ..middleware.stored_rows import StoredRows
from ..middleware.subjects import SubjectSecrets
from .envelopes import Census, Envelopes
from .row_seals import move_row_seals, with_row_seals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine

    from ..adoption.sealing_work import Watcher
    from ..encryption.keyring import TenantCipher
    from ..guard import Guard
    from ..middleware.fields import Field
    from ..middleware.row_seals import SealedRow

_PAUSE: Final = 0.2
"""Seconds before going back to rows that others hold or write."""

REQUESTS: Final = "amanah_request.envelope"
"""Requests to decrypt, in a table of Amanah's own."""


@dataclass(slots=True)
class Moved:
    """What was moved of one column, and what is left under older keys; counts are of values.

    ``unopened``: (tenant, row key) of values that did not open, or are under their row's seal, which does not hold;
    they are ``left``, too. ``without_keys``: values in rows whose tenant has no keys here, by what their tenant column
    says ("" for none); they are ``left``, too.
    """

    table: str
    column: str
    moved: int = 0
    left: int = 0
    unopened: list[tuple[str, str]] = field(default_factory=list)
    without_keys: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing is left to be done."""
        return not (self.left or self.unopened)


def reencrypt(
    guard: Guard,
    names: Sequence[str] = (),
    *,
    operator: str,
    tenant: str | None = None,
    batch: int = BATCH,
    progress: Watcher = QUIET,
    wait: Callable[[float], None] | None = None,
) -> list[Moved]:
    """Move values to the newest data key of their tenant; what was moved, by column.

    ``names``: each ``table`` or ``table.column``; none: all that is sealed, in Amanah's own tables too.
    ``wait(seconds)`` is called where a newest key is too young; without it `KeyNotSettled` is raised, before anything
    is moved. Raises `InvalidInput` for a name, what the keyring raises, and SQLAlchemy's errors; what was moved until
    then stays moved.
    """
    fields = sealed(guard, names)
    results = {one.name: Moved(one.table.name, one.column) for one in fields}
    with engine_for(guard) as engine:
        tables = tables_there(engine, fields)
        plain = [Envelopes(table, mine, engine.dialect) for table, mine in tables]
        census = Census(engine, plain, tenant)
        known = Known(guard)
        owners = [one for one in (known.tenants if tenant is None else [tenant]) if known.has_keys(one)]
        begins = {one: _settled(guard, one, fields, engine, wait) for one in owners}
        due = {one: census.tables(one, _older(begins[one])) for one in owners}
        progress.expect(sum(rows for found in due.values() for _, rows in found))
        for owner, found in due.items():
            if not found:
                continue
            todo = [Envelopes(one.protected, one.fields, engine.dialect, begins[owner]) for one, _ in found]
            names_ = " ".join(one.name for stored in todo for one in stored.fields)
            note(guard, owner, operator, {"act": "reencrypt.begin", "columns": names_})
            moved: Counter[str] = Counter()
            for stored in todo:
                moved += _Moving(guard, engine, stored, owner, batch, results).run(progress)
            for name, count in moved.items():
                results[name].moved += count
            unopened = sum(who == owner for one in results.values() for who, _ in one.unopened)
            note(guard, owner, operator, {"act": "reencrypt.end", "unopened": unopened, **moved})
        _count_left(results, Census(engine, plain, tenant), begins)
        for seal in with_row_seals(guard, names):
            one = results[f"{seal.table.name}.{SEAL_COLUMN}"] = Moved(seal.table.name, SEAL_COLUMN)
            for owner in owners:
                done, broken, left = move_row_seals(
                    guard, engine, seal, owner, operator=operator, batch=batch, progress=progress
                )
                one.moved, one.left = one.moved + done, one.left + left
                one.unopened += broken
    if not names:
        results[REQUESTS] = _requests(guard, owners)
    return list(results.values())


def _settled(
    guard: Guard, tenant: str, fields: Sequence[Field], engine: Engine, wait: Callable[[float], None] | None
) -> dict[str, bytes]:
    """How an envelope begins under the tenant's newest data key, by field, once that is the one that seals."""
    while True:
        with guard.engine.connect() as connection:
            last = newest(rows_of(connection, tenant), DATA)
        guard.keyring.forget(tenant)
        version = guard.keyring.cipher(tenant).sealing_version
        if last is None or version >= last.version:
            return {one.name: Cells(guard, one, tenant, engine).begin for one in fields}
        settles = guard.keyring.settles_at(last.created_at)
        if wait is None:
            raise KeyNotSettled(tenant=tenant, version=last.version, when=moment(settles))
        wait(max(0.1, (settles - now_us()) / 1_000_000))


def moment(at: int) -> str:
    """A moment (µs since the epoch) for people, in UTC, the second after."""
    return datetime.fromtimestamp(at // 1_000_000 + 1, UTC).isoformat(sep=" ").replace("+00:00", " UTC")


def _older(begins: Mapping[str, bytes]) -> Callable[[Field, bytes], bool]:
    return lambda one, begin: begin != begins[one.name]


def _count_left(results: Mapping[str, Moved], census: Census, begins: Mapping[str, Mapping[str, bytes]]) -> None:
    for owner in census.owners:
        if owner in begins:
            for name, count in census.cells(owner, _older(begins[owner])).items():
                results[name].left += count
        else:
            for name, count in census.cells(owner, lambda *_: True).items():
                results[name].left += count
                results[name].without_keys[owner] = count


def _requests(guard: Guard, owners: Sequence[str]) -> Moved:
    table, _, column = REQUESTS.partition(".")
    result = Moved(table, column)
    for owner in owners:
        moved, unopened = move_requests(guard, owner)
        result.moved += moved
        result.left += len(unopened)
        result.unopened += [(owner, one) for one in unopened]
    return result


class _Moving:
    """One tenant's rows in one table."""

    def __init__(
        self, guard: Guard, engine: Engine, stored: Envelopes, tenant: str, batch: int, results: Mapping[str, Moved]
    ) -> None:
        self.guard, self.engine, self.stored, self.tenant, self.batch = guard, engine, stored, tenant, batch
        self.results = results
        self.unopened: set[tuple[str, str]] = set()
        seal = stored.protected.sealed_rows
        rows = None if seal is None else StoredRows(seal, engine.dialect)
        self.rows = rows if rows is not None and rows.covers([one.column for one in stored.fields]) else None
        self.swapper = Swapper(engine, stored, tenant, seals=self.rows is not None)

    def run(self, progress: Watcher) -> Counter[str]:
        """How many values were moved, by field."""
        moved: Counter[str] = Counter()
        what: list[ColumnElement[Any]] = [
            case((self.stored.wanting(one), self.stored.seen(one)), else_=null()) for one in self.stored.fields
        ]
        what += [self.stored.subject(), *(self.rows.columns if self.rows is not None else ())]
        for number in range(PASSES):
            lost = 0
            for rows in pages(self.engine, self.stored, self.tenant, self.stored.wanting, what, self.batch):
                swaps = self._sealed(rows)
                done = self.swapper.store(swaps)
                lost += len(swaps) - len(done)
                progress.advance(0 if number else len(rows))
                for position, one in enumerate(self.stored.fields):
                    moved[one.name] += sum(1 for s in swaps if s.envelopes[position] is not None and s.key in done)
            if not lost:
                break
            time.sleep(_PAUSE)
        return +moved

    def _sealed(self, rows: Sequence[Any]) -> list[Swap]:
        stored, size = self.stored, len(self.stored.keys)
        secrets = SubjectSecrets()
        cells = [Cells(self.guard, one, self.tenant, self.engine, secrets) for one in stored.fields]
        about = size + len(stored.fields)
        cipher = self.guard.keyring.cipher(self.tenant)
        subjects = [stored.subject_text(row[about]) for row in rows]
        for cell in cells:
            cell.meet(subjects, make=True)
        nothing = (NO_TOKENS,) * len(cells)
        swaps = []
        for row, subject in zip(rows, subjects, strict=True):
            key, seen = tuple(row[:size]), tuple(row[size:about])
            try:
                sealed = self._row(cipher, key, row[about + 1 :])
            except SealError:
                for one in (one for one, old in zip(stored.fields, seen, strict=True) if old is not None):
                    self._leave(one, key)
                continue
            place = stored.row_part(key)
            made = [
                None if old is None else one.moved(place, old, subject) for one, old in zip(cells, seen, strict=True)
            ]
            for one, old, new in zip(stored.fields, seen, made, strict=True):
                if old is not None and new is None:
                    self._leave(one, key)
            if any(new is not None for new in made):
                swaps.append(Swap(key, seen, tuple(made), nothing, self._seals(cipher, sealed, row[-1], made)))
        return swaps

    def _row(self, cipher: TenantCipher, key: tuple[Any, ...], found: Sequence[Any]) -> SealedRow | None:
        """The row, whose seal holds; None where it has none. Raises `SealError` where it does not hold."""
        if self.rows is None or found[-1] is None:
            return None
        return self.rows.checked(cipher, self.stored.key_texts(key), found)

    def _seals(
        self, cipher: TenantCipher, row: SealedRow | None, seal: Any, made: Sequence[bytes | None]
    ) -> tuple[bytes | None, bytes | None]:
        """For a `Swap`: the seal that the row has, and its new one. A row without a seal gets none."""
        if self.rows is None or row is None:
            return None, None
        new = {one.column: envelope for one, envelope in zip(self.stored.fields, made, strict=True) if envelope}
        return bytes(seal), self.rows.sealed(cipher, row, new)

    def _leave(self, one: Field, key: tuple[Any, ...]) -> None:
        name = self.stored.row_name(key)
        if (one.name, name) not in self.unopened:
            self.unopened.add((one.name, name))
            self.results[one.name].unopened.append((self.tenant, name))


__all__ = ["REQUESTS", "Moved", "moment", "reencrypt"]
