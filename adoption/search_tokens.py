"""Search tokens of values that are sealed already: computed anew for one slot, or taken out of it.

Invariants:

1. The database is the progress: what is left is what has an envelope and no token in the slot.
2. A concurrent write wins. A token is stored only beside the envelope whose value it was computed from.
3. Nobody waits: rows that the application holds are gone back to (PostgreSQL).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Text, and_, bindparam, null, type_coerce, update
from sqlalchemy.exc import IntegrityError

from .sealing_cells import Cells
from .sealing_swaps import binary_arrays, free_rows
from .sealing_tables import Raw, Stored
from .sealing_work import PASSES, pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Engine

    from ..guard import Guard
    from ..middleware.fields import Field
    from .sealing_work import Result, Watcher

_PAUSE: Final = 0.2
"""Seconds before going back to rows that others hold or write."""

Key = tuple[Any, ...]


class _Token(NamedTuple):
    """What is to stand in the slot of one row: computed from ``envelope``; both None where the slot is emptied."""

    key: Key
    envelope: bytes | None
    token: bytes | None


def lacking(slot: int) -> Callable[[Stored, Field], ColumnElement[bool]]:
    """There is an envelope, and no token in the slot."""
    return lambda stored, one: and_(stored.sealed(one), stored.tokens(one)[slot].is_(None))


def holding(slot: int) -> Callable[[Stored, Field], ColumnElement[bool]]:
    """There is a token in the slot."""
    return lambda stored, one: stored.tokens(one)[slot].is_not(None)


class Filling:
    """One tenant's cells of one column, in one slot."""

    def __init__(self, guard: Guard, engine: Engine, stored: Stored, tenant: str, slot: int, result: Result) -> None:
        """``stored`` has one field. ``result`` takes what is done, and what is refused."""
        self._guard, self._engine, self._stored, self._tenant = guard, engine, stored, tenant
        self._field: Field = stored.fields[0]
        self._slot, self._result = slot, result
        self._refused: set[Key] = set()

    def fill(self, batch: int, progress: Watcher) -> None:
        """Compute the tokens that are lacking. Raises what the keyring raises."""
        wanted = lacking(self._slot)
        what = [type_coerce(self._stored.envelope(self._field), Raw()), self._stored.subject()]
        self._pass_over(wanted, what, self._tokens, batch, progress)

    def empty(self, batch: int, progress: Watcher) -> None:
        """Take away the tokens that stand there."""
        self._pass_over(holding(self._slot), [], _emptied, batch, progress)

    def _pass_over(
        self,
        wanted: Callable[[Stored, Field], ColumnElement[bool]],
        what: Sequence[ColumnElement[Any]],
        made: Callable[[Sequence[Any]], list[_Token]],
        batch: int,
        progress: Watcher,
    ) -> None:
        statement = self._statement(emptying=not what)

        def mine(one: Field) -> ColumnElement[bool]:
            return wanted(self._stored, one)

        for _ in range(PASSES):
            lost = 0
            for rows in pages(self._engine, self._stored, self._tenant, mine, what, batch):
                tokens = made(rows)
                done = self._store(statement, tokens)
                self._result.done += done
                lost += len(tokens) - done
                progress.advance(done)
            if not lost:
                return
            time.sleep(_PAUSE)

    def _tokens(self, rows: Sequence[Any]) -> list[_Token]:
        cells = Cells(self._guard, self._field, self._tenant, self._engine)
        size = len(self._stored.keys)
        cells.meet((self._stored.subject_text(row[-1]) for row in rows), make=False)
        made = []
        for row in rows:
            key, envelope = tuple(row[:size]), bytes(row[size])
            if key in self._refused:
                continue
            subject = self._stored.subject_text(row[-1])
            opened = cells.open(self._stored.row_part(key), envelope, subject)
            token = None if opened is None else opened.tokens[self._slot]
            if token is None:
                self._refuse(key)
            else:
                made.append(_Token(key, envelope, token))
        return made

    def _refuse(self, key: Key) -> None:
        if key not in self._refused:
            self._refused.add(key)
            self._result.refused.append((self._tenant, self._stored.row_name(key)))

    # -- compare and swap --

    def _store(self, statement: Any, tokens: list[_Token]) -> int:
        """How many were stored. One that would not be unique is refused, and the others go on."""
        if not tokens:
            return 0
        try:
            with self._engine.begin() as connection:
                if self._engine.dialect.name == "postgresql":
                    binary_arrays(connection)
                    return len(connection.execute(statement, self._arrays(tokens)).all())
                return int(connection.execute(statement, [self._row(one) for one in tokens]).rowcount)
        except IntegrityError:
            if len(tokens) == 1:
                self._refuse(tokens[0].key)
                return 0
        middle = len(tokens) // 2
        return self._store(statement, tokens[:middle]) + self._store(statement, tokens[middle:])

    def _statement(self, *, emptying: bool) -> Any:
        stored, column = self._stored, self._stored.tokens(self._field)[self._slot]
        keys = range(len(stored.keys))
        if self._engine.dialect.name == "postgresql":
            kinds: dict[str, Any] = {f"k{number}": Text() for number in keys} | {"e": Raw(), "t": Raw()}
            free, found = free_rows(stored, kinds)
            envelope, token = free.c.e, free.c.t
        else:
            found = [stored.keys[number] == bindparam(f"k{number}", type_=stored.keys[number].type) for number in keys]
            envelope, token = bindparam("e", type_=Raw()), bindparam("t", type_=Raw())
        if emptying:
            changed = update(stored.table).where(*found, stored.owned(self._tenant), column.is_not(None))
            changed = changed.values({column: null()})
        else:
            same = stored.envelope(self._field) == envelope, column.is_(None)
            changed = update(stored.table).where(*found, stored.owned(self._tenant), *same).values({column: token})
        return changed.returning(*stored.keys) if self._engine.dialect.name == "postgresql" else changed

    def _arrays(self, tokens: list[_Token]) -> dict[str, list[Any]]:
        keys = {f"k{number}": [str(one.key[number]) for one in tokens] for number in range(len(self._stored.keys))}
        return keys | {"e": [one.envelope for one in tokens], "t": [one.token for one in tokens]}

    def _row(self, one: _Token) -> dict[str, Any]:
        return {f"k{number}": part for number, part in enumerate(one.key)} | {"e": one.envelope, "t": one.token}


def _emptied(rows: Sequence[Any]) -> list[_Token]:
    return [_Token(tuple(row), None, None) for row in rows]


__all__ = ["Filling", "holding", "lacking"]
