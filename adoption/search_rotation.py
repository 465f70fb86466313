"""`amanah keys rotate search`: the index key of a tenant (or of the platform) is exchanged while requests run.

1. A successor is made. Processes learn of it as they load their keys, within one ``ttl`` of the keyring; an access is
   not older than one ``ttl`` either. Whoever knows both writes both slots. Whoever does not leaves the other one NULL.
2. Two ``ttl`` later nobody is left who does not know: every token that is lacking in the successor's slot is computed.
3. When none is lacking, searches go over, in one transaction with a last count and the trail's entry.
4. Two ``ttl`` later nobody searches by the predecessor any more: it is retired and its slot is emptied.

Killed at any point, it is run again and goes on from what the database says. Before anything else each run computes
what is lacking in the slot that is searched: rows of a transaction that had been open for longer than all that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import inspect

from ..audit.entries import now_us
from ..database import PLATFORM
from ..encryption.cipher import slot_of
from ..encryption.index_keys import add_index_key, hold, index_keys, read_by, retire_index_key
from ..errors import SearchColumnsMissing
from .sealing_tables import Stored
from .sealing_targets import engine_for
from .sealing_work import BATCH, QUIET, Result, Work, finish, note
from .search_tokens import Filling, holding, lacking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine

    from ..encryption.index_keys import IndexKeys
    from ..guard import Guard
    from ..middleware.fields import Field
    from .sealing_work import Watcher

Step = Literal["made", "incomplete", "read", "done", "resting"]
"""A successor is there; some tokens are lacking; searches go by it; its predecessor is retired, or was just now."""

_SECOND: Final = 1_000_000


@dataclass(slots=True)
class Exchange:
    """How far one exchange has come. ``owner``: the tenant, or the platform; ``version``: of the newest index key."""

    owner: str
    step: Step
    version: int
    until: int | None = None
    """When it can go on: µs since the epoch, UTC; None where that is now, or it is done."""
    results: list[Result] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Nothing stands in its way."""
        return self.step != "incomplete"


def exchange(
    guard: Guard,
    owner: str,
    *,
    operator: str,
    batch: int = BATCH,
    progress: Watcher = QUIET,
    clock: Callable[[], int] = now_us,
) -> Exchange:
    """Begin the exchange of the owner's index key, or go on with it as far as it goes now.

    ``clock``: µs since the epoch. Raises `SearchColumnsMissing`, `KeyUnknown`, and what keyring and database raise;
    what was done until then stays done.
    """
    with engine_for(guard) as engine:
        return _Exchanging(guard, engine, owner, operator, batch, progress, clock).run()


class _Exchanging:
    def __init__(
        self,
        guard: Guard,
        engine: Engine,
        owner: str,
        operator: str,
        batch: int,
        progress: Watcher,
        clock: Callable[[], int],
    ) -> None:
        self.guard, self.engine, self.owner, self.operator = guard, engine, owner, operator
        self.batch, self.progress, self.clock = batch, progress, clock
        self.expected = 0
        self.settling = int(2 * guard.keyring.ttl * _SECOND)
        self.tables = searched_tables(guard, engine, platform=owner == PLATFORM)

    def run(self) -> Exchange:
        """As far as it goes now."""
        keys = self._keys()
        swept = self._fill(slot_of(keys.reading.version), "search_key.sweep")
        if keys.successor is not None:
            return self._go_over(keys, swept)
        if keys.predecessor is not None:
            return self._retire(keys, swept)
        return self._begin(keys)

    def _keys(self) -> IndexKeys:
        """As they are now; what the process remembers of them is forgotten."""
        self.guard.keyring.forget(self.owner)
        with self.engine.connect() as connection:
            return index_keys(connection, self.owner)

    # -- the steps --

    def _begin(self, keys: IndexKeys) -> Exchange:
        """1. Whoever still writes what was retired last has ended; what they left behind goes first."""
        version = keys.reading.version
        quiet = keys.retired_at + self.settling
        if keys.retired_at and self.clock() < quiet:
            return Exchange(self.owner, "resting", version, quiet)
        self._empty(1 - slot_of(version))
        with self.engine.begin() as connection:
            hold(connection, self.owner)
            now = index_keys(connection, self.owner)
            if now.successor is None and now.reading.version == version:
                version = add_index_key(connection, self.guard.provider, self.owner)
                self._note(connection, "search_key.make", version)
        made = self._keys().successor
        if made is None:
            return self.run()  # somebody else was faster
        return Exchange(self.owner, "made", made.version, made.created_at + self.settling)

    def _go_over(self, keys: IndexKeys, swept: list[Result]) -> Exchange:
        """2. and 3."""
        successor = keys.successor
        assert successor is not None  # noqa: S101 - the caller looked
        settled = successor.created_at + self.settling
        if self.clock() < settled:
            return Exchange(self.owner, "made", successor.version, settled, swept)
        results = self._fill(slot_of(successor.version), "search_key.fill")
        if any(one.left - sum(one.without_keys.values()) for one in results):
            return Exchange(self.owner, "incomplete", successor.version, None, results)
        with self.engine.begin() as connection:
            hold(connection, self.owner)
            if self._lack(slot_of(successor.version)):
                return Exchange(self.owner, "incomplete", successor.version, None, results)
            if read_by(connection, self.owner, successor.version):
                self._note(connection, "search_key.read", successor.version)
        read_from = self._keys().reading.read_from or 0
        return Exchange(self.owner, "read", successor.version, read_from + self.settling, results)

    def _retire(self, keys: IndexKeys, swept: list[Result]) -> Exchange:
        """4."""
        version, predecessor = keys.reading.version, keys.predecessor
        assert predecessor is not None  # noqa: S101 - the caller looked
        quiet = (keys.reading.read_from or 0) + self.settling
        if self.clock() < quiet:
            return Exchange(self.owner, "read", version, quiet, swept)
        if any(one.left - sum(one.without_keys.values()) for one in swept):
            return Exchange(self.owner, "incomplete", version, None, swept)
        with self.engine.begin() as connection:
            hold(connection, self.owner)
            if retire_index_key(connection, self.owner, predecessor.version):
                self._note(connection, "search_key.retire", predecessor.version)
        self._keys()
        self._empty(slot_of(predecessor.version))
        return Exchange(self.owner, "done", version, None, swept)

    # -- their parts --

    def _fill(self, slot: int, act: str) -> list[Result]:
        """Compute what is lacking in the slot. Each tenant whose values are opened for it reads so in its trail."""
        return self._pass_over(slot, act, lacking(slot), Filling.fill)

    def _empty(self, slot: int) -> None:
        self._pass_over(slot, "search_key.empty", holding(slot), Filling.empty)

    def _pass_over(
        self,
        slot: int,
        act: str,
        wanted: Callable[[Stored, Field], ColumnElement[bool]],
        carry_out: Callable[[Filling, int, Watcher], None],
    ) -> list[Result]:
        tenant = None if self.owner == PLATFORM else self.owner
        results = {f.name: Result(f.table.name, f.column) for stored in self.tables for f in stored.fields}
        work = Work(self.guard, self.engine, self.tables, wanted, tenant)
        self.expected += work.rows
        self.progress.expect(self.expected)
        for owner, todo in work.by_tenant.items():
            names = " ".join(one.fields[0].name for one in todo)
            note(self.guard, owner, self.operator, {"act": act, "columns": names})
            for stored in todo:
                result = results[stored.fields[0].name]
                carry_out(Filling(self.guard, self.engine, stored, owner, slot, result), self.batch, self.progress)
        if work.cells:
            finish(results, Work(self.guard, self.engine, self.tables, wanted, tenant))
        return list(results.values())

    def _lack(self, slot: int) -> bool:
        tenant = None if self.owner == PLATFORM else self.owner
        return bool(Work(self.guard, self.engine, self.tables, lacking(slot), tenant).rows)

    def _note(self, connection: Connection, act: str, version: int) -> None:
        self.guard.note_act(connection, self.owner, self.operator, {"act": act, "version": version})


def under_way(guard: Guard, owners: Sequence[str]) -> list[str]:
    """Those of ``owners`` whose exchange has begun and not ended. Raises `KeyUnknown`."""
    found = []
    with guard.engine.connect() as connection:
        for owner in owners:
            keys = index_keys(connection, owner)
            if keys.successor is not None or keys.predecessor is not None:
                found.append(owner)
    return found


def searched_tables(guard: Guard, engine: Engine, *, platform: bool) -> list[Stored]:
    """Each searchable sealed column as the database has it: the platform's, or the tenants'.

    Raises `SearchColumnsMissing` where a table has not both of its search columns.
    """
    fields = [
        one
        for known in guard.register.tables.values()
        for one in known.fields.values()
        if one.search and one.writes_sealed and one.platform is platform
    ]
    _check_columns(engine, fields)
    return [Stored(one.table, [one], engine.dialect) for one in fields]


def _check_columns(engine: Engine, fields: Sequence[Field]) -> None:
    there = inspect(engine)
    live = {
        name: {one["name"] for one in there.get_columns(name)} if there.has_table(name) else set()
        for name in {one.table.name for one in fields}
    }
    missing = [
        f"{one.table.name}.{needed}"
        for one in fields
        for needed in one.index_columns
        if needed not in live[one.table.name]
    ]
    if missing:
        raise SearchColumnsMissing(columns=", ".join(sorted(missing)))


__all__ = ["Exchange", "exchange", "searched_tables", "under_way"]
