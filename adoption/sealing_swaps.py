"""Compare and swap: envelopes are stored beside values that are still the ones that were sealed, and beside no others.

PostgreSQL: a batch is one statement over arrays. Rows that somebody else holds are left out, so that it never waits for
the application's transactions and cannot be in a deadlock with them. SQLite: one statement, many times; there is one
writer at a time anyhow.

Where rows are sealed over their envelopes, the seal is a part of the same swap: each honest write of the row gives it
another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Text, and_, bindparam, case, column, func, null, or_, select, update
from sqlalchemy import cast as sql_cast

from .sealing_tables import Raw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import CTE, ColumnElement, Connection, Engine

    from .sealing_cells import Tokens
    from .sealing_tables import Stored


_SEALS: Final = ("old_seal", "new_seal")


class Swap(NamedTuple):
    """One row's new envelopes: for each of the table's fields what was ``seen`` plain, or None where it stays."""

    key: tuple[Any, ...]
    seen: tuple[Any, ...]
    envelopes: tuple[bytes | None, ...]
    tokens: tuple[Tokens, ...]
    """`NO_TOKENS` where they stay as they are."""
    seals: tuple[bytes | None, bytes | None] = (None, None)
    """The row's seal that was seen, and the new one; the row must still have the first. For `Swapper` of ``seals``."""


class Swapper:
    """Stores envelopes of one tenant's rows in one table."""

    def __init__(self, engine: Engine, stored: Stored, tenant: str, *, seals: bool = False) -> None:
        """``seals``: each row's seal is swapped with its envelopes."""
        self._engine = engine
        self._stored = stored
        self._seals = seals
        self._postgresql = engine.dialect.name == "postgresql"
        every = range(len(stored.fields))
        self._names = [
            *(f"k{number}" for number in range(len(stored.keys))),
            *(f"{kind}{number}" for kind in ("s", "e", "t", "u") for number in every),
            *(_SEALS if seals else ()),
        ]
        self._statement = self._of_arrays(tenant) if self._postgresql else self._of_one_row(tenant)

    def store(self, swaps: Sequence[Swap]) -> set[tuple[Any, ...]]:
        """The keys of the rows whose values were still the same; what these got is durable."""
        if not swaps:
            return set()
        if self._postgresql:
            with self._engine.begin() as connection:
                binary_arrays(connection)
                return {tuple(row) for row in connection.execute(self._statement, self._arrays(swaps))}
        rows = [self._row(swap) for swap in swaps]
        with self._engine.connect() as connection:
            if connection.execute(self._statement, rows).rowcount == len(rows):
                connection.commit()
                return {swap.key for swap in swaps}
            connection.rollback()
            # Somebody wrote meanwhile. Which rows are concerned is asked row by row.
            done = {
                s.key for s, row in zip(swaps, rows, strict=True) if connection.execute(self._statement, row).rowcount
            }
            connection.commit()
            return done

    # -- the statement, by parameters or by columns of a relation --

    def _changes(self, given: dict[str, ColumnElement[Any]]) -> tuple[dict[Any, Any], list[ColumnElement[bool]]]:
        """What is set, and on which conditions."""
        stored = self._stored
        values: dict[Any, Any] = {}
        conditions: list[ColumnElement[bool]] = []
        for number, field in enumerate(stored.fields):
            envelope, seen = given[f"e{number}"], given[f"s{number}"]
            values[stored.envelope(field)] = func.coalesce(envelope, stored.envelope(field))
            for kind, token in zip("tu", stored.tokens(field), strict=True) if field.search else ():
                # Both or none: what stands in a slot of no living key would be stale beside a new value.
                none = and_(given[f"t{number}"].is_(null()), given[f"u{number}"].is_(null()))
                values[token] = case((none, token), else_=given[f"{kind}{number}"])
            same = and_(stored.unchanged(field, seen), stored.wanting(field))
            conditions.append(or_(envelope.is_(null()), same))
        if self._seals:
            before, after = (given[name] for name in _SEALS)
            values[stored.row_seal()] = after
            conditions.append(stored.row_seal().is_not_distinct_from(before))
        return values, conditions

    def _of_one_row(self, tenant: str) -> Any:
        stored = self._stored
        given: dict[str, ColumnElement[Any]] = {
            name: bindparam(name, type_=Raw()) for name in self._names if not name.startswith("k")
        }
        values, conditions = self._changes(given)
        keys = [key == bindparam(f"k{number}", type_=key.type) for number, key in enumerate(stored.keys)]
        return update(stored.table).where(*keys, stored.owned(tenant), *conditions).values(values)

    def _row(self, swap: Swap) -> dict[str, Any]:
        first, second = zip(*swap.tokens, strict=True)
        seals = swap.seals if self._seals else ()
        given = (*swap.key, *swap.seen, *swap.envelopes, *first, *second, *seals)
        return dict(zip(self._names, given, strict=True))

    def _of_arrays(self, tenant: str) -> Any:
        stored = self._stored
        kinds: dict[str, Any] = {f"k{number}": Text() for number in range(len(stored.keys))}
        for number, field in enumerate(stored.fields):
            seen, *made = _names(number)
            kinds[seen] = stored.seen(field).type
            kinds |= dict.fromkeys(made, Raw())
        if self._seals:
            kinds |= dict.fromkeys(_SEALS, Raw())
        free, same_row = free_rows(stored, kinds)
        values, conditions = self._changes(dict(free.c.items()))
        statement = update(stored.table).where(*same_row, stored.owned(tenant), *conditions).values(values)
        return statement.returning(*stored.keys)

    def _arrays(self, swaps: Sequence[Swap]) -> dict[str, list[Any]]:
        arrays: dict[str, list[Any]] = {}
        for number in range(len(self._stored.keys)):
            arrays[f"k{number}"] = [str(swap.key[number]) for swap in swaps]
        for number in range(len(self._stored.fields)):
            seen, envelope, first, second = _names(number)
            arrays[seen] = [swap.seen[number] for swap in swaps]
            arrays[envelope] = [swap.envelopes[number] for swap in swaps]
            arrays[first] = [swap.tokens[number][0] for swap in swaps]
            arrays[second] = [swap.tokens[number][1] for swap in swaps]
        for number, name in enumerate(_SEALS if self._seals else ()):
            arrays[name] = [swap.seals[number] for swap in swaps]
        return arrays


def _names(number: int) -> tuple[str, str, str, str]:
    """Of what was seen, of the envelope and of the two tokens of one field."""
    return f"s{number}", f"e{number}", f"t{number}", f"u{number}"


def free_rows(stored: Stored, kinds: Mapping[str, Any]) -> tuple[CTE, list[ColumnElement[bool]]]:
    """PostgreSQL: the rows that parameters name which are arrays (``kinds``: their types), locked; others' left out.

    ``k0``, ``k1`` … are the primary key's, as text. Also: what says that a row of the table is one of them.
    """
    arrays = [
        sql_cast(bindparam(name, type_=Raw(spelled)), Raw(spelled))
        for name, kind in kinds.items()
        for spelled in ["TEXT[]" if isinstance(kind, Text) else "BYTEA[]"]
    ]
    columns: list[Any] = [column(name, kind) for name, kind in kinds.items()]
    new = func.unnest(*arrays).table_valued(*columns).render_derived(name="new")
    # One chain of joins by key: without statistics of arrays, PostgreSQL pairs each row with each in anything else.
    found = [key == sql_cast(new.c[f"k{number}"], key.type) for number, key in enumerate(stored.keys)]
    free = (
        select(*new.c)
        .select_from(stored.table.join(new, and_(*found)))
        .with_for_update(key_share=True, skip_locked=True, of=stored.table)
        .cte("free")
    )
    return free, [key == sql_cast(free.c[f"k{number}"], key.type) for number, key in enumerate(stored.keys)]


def binary_arrays(connection: Connection) -> None:
    """Let psycopg send arrays in binary: envelopes as text are twice as long, and slow to write."""
    from psycopg.types.array import ListBinaryDumper

    driver: Any = connection.connection.driver_connection
    driver.adapters.register_dumper(list, ListBinaryDumper)


__all__ = ["Swap", "Swapper", "binary_arrays", "free_rows"]
