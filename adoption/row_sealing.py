"""Sealing rows that are there already, and moving seals to the newest key: tenant by tenant, batch by batch.

Invariants:

1. The database is the progress: what is left is what has no seal, or one under an older key. A run that was killed is
   run again.
2. A batch locks its rows, so that no concurrent write is sealed over or undone.
3. A seal that does not hold is never replaced, except for a row that a person names: that row's edit is then accepted.
4. Rows without a seal beside rows with one are not sealed unless that is asked for: taking a seal away must not be a
   way to have an edit sealed.
5. No key is made. Nothing of a value leaves: a row is named by its key.

The application's engine and its gate are not used: no access, no events; each tenant's trail takes an entry before its
first row and one after its last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, inspect, literal_column, select, true, update
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from ..errors import InvalidInput, KeyUnknown, RowsSealedBefore, RowTampered, SealError, SiblingsMissing
from ..middleware.row_seals import SEAL_COLUMN, SealedRows
from ..middleware.stored_rows import StoredRows
from .sealing_tables import Raw, Stored, owner_text
from .sealing_targets import engine_for
from .sealing_work import BATCH, QUIET, Watcher, note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Engine

    from ..encryption.keyring import TenantCipher
    from ..guard import Guard

_VERSION: Final = 5
"""A seal's first bytes: its format and its key's version."""


@dataclass(slots=True)
class RowsResult:
    """What was done in one table. ``broken``: (tenant, row) of rows whose seal does not hold, which stay as they are.

    ``without_keys``: how many rows are of tenants that have no keys here, by what their tenant column says.
    """

    table: str
    done: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    without_keys: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing is left to be done."""
        return not (self.broken or self.without_keys)


def sealed_tables(guard: Guard, names: Sequence[str]) -> list[SealedRows]:
    """The tables of these names whose rows are sealed; without names all. Raises `InvalidInput` for any other name."""
    found = {known.sealed_rows.table.name: known.sealed_rows for known in _declared(guard)}
    unknown = [name for name in names if name not in found]
    if unknown or not found:
        shown = repr(unknown[0])[1:-1][:80] if unknown else ""
        raise InvalidInput(detail=f"the rows of {shown} are not sealed" if unknown else "no table's rows are sealed")
    return [found[name] for name in (names or sorted(found))]


def _declared(guard: Guard) -> Iterator[Any]:
    return (known for known in guard.register.tables.values() if known.sealed_rows is not None)


def seal_rows(
    guard: Guard,
    tables: Sequence[SealedRows],
    *,
    operator: str,
    tenant: str | None = None,
    again: bool = False,
    batch: int = BATCH,
    progress: Watcher = QUIET,
) -> list[RowsResult]:
    """Seal the rows that have no seal, as they are. ``tenant``: only its rows.

    Raises `RowsSealedBefore` where others of the same tenant and table are sealed already, unless ``again``;
    `SiblingsMissing`, `KeysUnavailable` and SQLAlchemy's errors; what was sealed until then stays sealed.
    """
    return _run(guard, tables, "seal-rows", operator, tenant, batch, progress, again=again)


def renew_row_seals(
    guard: Guard,
    tables: Sequence[SealedRows],
    *,
    operator: str,
    tenant: str | None = None,
    batch: int = BATCH,
    progress: Watcher = QUIET,
) -> list[RowsResult]:
    """Move seals that hold, and are of an older data key, to the newest. ``tenant``: only its rows.

    A seal that does not hold is told as ``broken`` and stays. Raises what `seal_rows` raises.
    """
    return _run(guard, tables, "renew-row-seals", operator, tenant, batch, progress, again=True)


def accept_row(guard: Guard, seal: SealedRows, row: str, *, operator: str, tenant: str) -> bool:
    """Seal one row anew as it is now, whatever its seal says; False where there is no such row.

    ``row``: its key as the trail names it. Whoever calls this says that the row is right; the trail says who.
    """
    with engine_for(guard) as engine:
        rows = _Rows(engine, seal, tenant, guard.keyring.cipher(tenant))
        note(guard, tenant, operator, {"act": "accept-row.begin", "table": seal.table.name, "row": row})
        done = rows.accept(row)
        note(guard, tenant, operator, {"act": "accept-row.end", "table": seal.table.name, "row": row, "done": done})
    return bool(done)


def _run(
    guard: Guard,
    tables: Sequence[SealedRows],
    act: str,
    operator: str,
    tenant: str | None,
    batch: int,
    progress: Watcher,
    *,
    again: bool,
) -> list[RowsResult]:
    results = []
    with engine_for(guard) as engine:
        _check_columns(engine, tables)
        for seal in tables:
            result = RowsResult(seal.table.name)
            results.append(result)
            for owner, unsealed, sealed in _owners(engine, seal):
                if tenant not in (None, owner):
                    continue
                wanted = unsealed if act == "seal-rows" else sealed
                if not wanted:
                    continue
                cipher = _cipher(guard, owner)
                if cipher is None:
                    result.without_keys[owner] = wanted
                    continue
                if unsealed and sealed and not again:
                    raise RowsSealedBefore(count=unsealed, table=seal.table.name)
                progress.expect(wanted)
                facts = {"table": seal.table.name, "columns": " ".join(seal.columns)}
                note(guard, owner, operator, {"act": f"{act}.begin", **facts})
                done, broken = _Rows(engine, seal, owner, cipher).run(act, batch, progress)
                note(guard, owner, operator, {"act": f"{act}.end", **facts, "done": done, "broken": len(broken)})
                result.done += done
                result.broken += [(owner, row) for row in broken]
    return results


def _check_columns(engine: Engine, tables: Sequence[SealedRows]) -> None:
    there = inspect(engine)
    missing = [
        f"{seal.table.name}.{SEAL_COLUMN}"
        for seal in tables
        if not there.has_table(seal.table.name)
        or SEAL_COLUMN not in {one["name"] for one in there.get_columns(seal.table.name)}
    ]
    if missing:
        raise SiblingsMissing(columns=", ".join(missing))


def _cipher(guard: Guard, owner: str) -> TenantCipher | None:
    with guard.engine.connect() as connection:
        if owner not in {one.id for one in guard.directory.tenants(connection)}:
            return None
    try:
        return guard.keyring.cipher(owner)
    except KeyUnknown:
        return None


def _owners(engine: Engine, seal: SealedRows) -> list[tuple[str, int, int]]:
    """For each tenant: how many of its rows have no seal, and how many have one."""
    stored = Stored(seal.table, (), engine.dialect)
    has: Any = literal_column(engine.dialect.identifier_preparer.quote(SEAL_COLUMN))
    rows = select(stored.owner().label("owner"), has.label("seal")).select_from(stored.table).subquery()
    counted = select(rows.c.owner, func.count(), func.count(rows.c.seal)).group_by(rows.c.owner)
    with engine.connect() as connection:
        found = connection.execute(counted).all()
    return sorted((owner_text(owner, stored), total - sealed, sealed) for owner, total, sealed in found)


class _Rows:
    """One tenant's rows in one table."""

    def __init__(self, engine: Engine, seal: SealedRows, tenant: str, cipher: TenantCipher) -> None:
        self.engine, self.seal, self.tenant, self.cipher = engine, seal, tenant, cipher
        self.stored = Stored(seal.table, (), engine.dialect)
        self.rows = StoredRows(seal, engine.dialect)
        self.quote = engine.dialect.identifier_preparer.quote
        names = [*seal.table.key, SEAL_COLUMN]
        bare = sql_table(seal.table.name, *(sql_column(name, self._type(name)) for name in names))
        conditions = [bare.c[key] == bindparam(f"k{n}", type_=bare.c[key].type) for n, key in enumerate(seal.table.key)]
        self.writing = update(bare).where(*conditions).values({SEAL_COLUMN: bindparam("seal", type_=Raw())})

    def _type(self, name: str) -> Any:
        return Raw() if name == SEAL_COLUMN else self.seal.table.table.c[name].type

    def run(self, act: str, batch: int, progress: Watcher) -> tuple[int, list[str]]:
        """How many rows were sealed, and the names of those whose seal does not hold."""
        column = self.quote(SEAL_COLUMN)
        chosen: Any = literal_column(f"{column} IS NULL")
        make = self._as_it_is
        if act != "seal-rows":
            newest = self.cipher.row_seal(b"", b"")[:_VERSION].hex()
            literal = f"'\\x{newest}'::bytea" if self.engine.dialect.name == "postgresql" else f"x'{newest}'"
            chosen = literal_column(f"{column} IS NOT NULL AND substr({column}, 1, {_VERSION}) <> {literal}")
            make = self._if_it_holds
        done, broken, last = 0, [], None
        while True:
            with self.engine.begin() as connection:
                self._lock(connection)
                rows = connection.execute(self._page(chosen, last, batch)).all()
                swaps = []
                for row in rows:
                    made = make(row)
                    if made is None:
                        broken.append(self.stored.row_name(row[: len(self.stored.keys)]))
                    else:
                        swaps.append(self._swap(row, made))
                if swaps:
                    connection.execute(self.writing, swaps)
            done += len(swaps)
            progress.advance(len(rows))
            if len(rows) < batch:
                return done, broken
            last = tuple(rows[-1][: len(self.stored.keys)])

    def accept(self, row: str) -> int:
        """Seal the row of that name as it is."""
        table = self.seal.table
        names = [name for name in table.key if name != table.tenant or len(table.key) == 1]
        parts = row.split("/")
        if len(parts) != len(names):
            raise InvalidInput(detail=f"a row of {table.name} is named by {len(names)} parts with / between")
        chosen: ColumnElement[bool] = true()
        for name, part in zip(names, parts, strict=True):
            kind = table.table.c[name].type.python_type
            try:
                chosen &= self.stored.table.c[name] == (part if kind is str else kind(part))
            except (TypeError, ValueError):
                return 0
        with self.engine.begin() as connection:
            self._lock(connection)
            rows = connection.execute(self._page(chosen, None, 2)).all()
            made = self._as_it_is(rows[0]) if rows else None
            if made is None:
                return 0
            connection.execute(self.writing, [self._swap(rows[0], made)])
        return 1

    def _lock(self, connection: Connection) -> None:
        """SQLite has one writer at a time, and a SELECT is none."""
        if self.engine.dialect.name != "postgresql":
            name, column = self.quote(self.seal.table.name), self.quote(SEAL_COLUMN)
            connection.exec_driver_sql(f"UPDATE {name} SET {column} = {column} WHERE 1 = 0")  # noqa: S608 - quoted

    def _page(self, chosen: Any, last: Any, size: int) -> Any:
        return self.stored.page(self.tenant, chosen, self.rows.columns, last, size).with_for_update()

    def _swap(self, row: Any, made: bytes) -> dict[str, Any]:
        return {f"k{n}": row[n] for n in range(len(self.stored.keys))} | {"seal": made}

    def _as_it_is(self, row: Any) -> bytes | None:
        try:
            return self.rows.sealed(self.cipher, self.rows.as_it_is(*self._parts(row)))
        except RowTampered:
            return None

    def _if_it_holds(self, row: Any) -> bytes | None:
        try:
            return self.rows.sealed(self.cipher, self.rows.checked(self.cipher, *self._parts(row)))
        except SealError:
            return None

    def _parts(self, row: Any) -> tuple[list[str], Any]:
        """A row's key as text, and what `StoredRows` takes."""
        size = len(self.stored.keys)
        return self.stored.key_texts(row[:size]), row[size:]


__all__ = ["RowsResult", "accept_row", "renew_row_seals", "seal_rows", "sealed_tables"]
