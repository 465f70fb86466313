"""What the database itself sees to while plain and sealed values stand side by side: one set of triggers per column.

A process of the old version writes the plain value only. In the state

- ``lenient`` (the plain column is read), the sealed value that no longer fits is emptied: the row is sealed again by
  the next `amanah encrypt`;
- ``strict`` (the sealed column is read), such a write is refused with a sentence: what is read is never stale, and
  nothing that was acknowledged is lost;
- ``released`` (the plain column is no longer written), the same; and where only the sealed value is written, the plain
  one is emptied, so that what is left of it is never stale when somebody takes the way back.

A value is sealed to its row, so a change of the row's key or tenant counts as a change of the value. Values are
compared byte by byte, whatever the column's collation takes for equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ..middleware.siblings import sealed_name, search_names, trigger_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

State = Literal["lenient", "strict", "released"]

STATES: Final[tuple[State, ...]] = ("lenient", "strict", "released")


class Triggers:
    """The statements that make and take away the triggers of one column."""

    def __init__(
        self, quote: Callable[[str], str], *, postgresql: bool, table: str, column: str, row: Sequence[str]
    ) -> None:
        """``quote``: the dialect's way with names. ``row``: the columns that say to which row a value is sealed."""
        self._q = quote
        self._postgresql = postgresql
        self._table = table
        self._column = column
        self._row = tuple(row)
        self._refusal = _literal(
            f"amanah: {table}.{column} is read from its sealed column now, and this process writes only the plain one: "
            "deploy the version that writes both"
        )

    def drop(self) -> Iterator[str]:
        """Take away what stands there, in whichever state the column is."""
        for state in STATES:
            name = self._q(trigger_name(self._table, self._column, state))
            if self._postgresql:
                yield f"DROP TRIGGER IF EXISTS {name} ON {self._q(self._table)}"
                yield f"DROP FUNCTION IF EXISTS {name}()"
            else:
                yield f"DROP TRIGGER IF EXISTS {name}"
                yield f"DROP TRIGGER IF EXISTS {self._q(trigger_name(self._table, self._column, state, 'new'))}"

    def make(self, state: State, *, search: bool) -> Iterator[str]:
        """The triggers of a state, for a column that has none. ``search``: it has tokens."""
        emptied = [sealed_name(self._column), *(search_names(self._column) if search else ())]
        make = self._make_postgresql if self._postgresql else self._make_sqlite
        yield from make(state, [self._q(name) for name in emptied])

    # -- PostgreSQL: one function per column. Triggers fire by name, so that zz_ sees what other triggers made. --

    def _make_postgresql(self, state: State, emptied: list[str]) -> Iterator[str]:
        name = self._q(trigger_name(self._table, self._column, state))
        body = self._lenient_body(emptied) if state == "lenient" else self._strict_body(nulling=state == "released")
        # A search_path of its own: no operator or cast of anybody else's takes part in the comparison.
        yield (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS "
            f"$amanah$ BEGIN {body} RETURN NEW; END $amanah$"
        )
        events = "UPDATE" if state == "lenient" else "INSERT OR UPDATE"
        yield f"CREATE TRIGGER {name} BEFORE {events} ON {self._q(self._table)} FOR EACH ROW EXECUTE FUNCTION {name}()"

    def _lenient_body(self, emptied: list[str]) -> str:
        new = " ".join(f"NEW.{name} := NULL;" for name in emptied)
        return f"IF ({self._changed()}) AND NOT ({self._sealed_anew()}) THEN {new} END IF;"

    def _strict_body(self, *, nulling: bool) -> str:
        plain, sealed = self._plain, self._sealed
        refuse = f"RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = {self._refusal};"
        empty = ""
        if nulling:
            same = f"{self._bytes('NEW', plain)} IS NOT DISTINCT FROM {self._bytes('OLD', plain)}"
            empty = f" ELSIF ({self._sealed_anew()}) AND {same} THEN NEW.{plain} := NULL;"
        return (
            f"IF TG_OP = 'INSERT' THEN IF NEW.{plain} IS NOT NULL AND NEW.{sealed} IS NULL THEN {refuse} END IF; "
            f"ELSIF ({self._changed()}) AND NOT ({self._sealed_anew()}) "
            f"AND (NEW.{plain} IS NOT NULL OR NEW.{sealed} IS NOT NULL) THEN {refuse}{empty} END IF;"
        )

    # -- SQLite: AFTER, so that they too see what other triggers made. --

    def _make_sqlite(self, state: State, emptied: list[str]) -> Iterator[str]:
        plain, sealed, table = self._plain, self._sealed, self._q(self._table)
        name = self._q(trigger_name(self._table, self._column, state))
        here = " AND ".join(f"{self._q(one)} IS NEW.{self._q(one)}" for one in self._row)
        if state == "lenient":
            sets = ", ".join(f"{one} = NULL" for one in emptied)
            yield (
                f"CREATE TRIGGER {name} AFTER UPDATE ON {table} FOR EACH ROW "  # noqa: S608 - names, quoted
                f"WHEN ({self._changed()}) AND NOT ({self._sealed_anew()}) AND NEW.{sealed} IS NOT NULL "
                f"BEGIN UPDATE {table} SET {sets} WHERE {here}; END"
            )
            return
        refuse = f"SELECT RAISE(ABORT, {self._refusal})"
        new = self._q(trigger_name(self._table, self._column, state, "new"))
        yield (
            f"CREATE TRIGGER {new} AFTER INSERT ON {table} FOR EACH ROW "
            f"WHEN NEW.{plain} IS NOT NULL AND NEW.{sealed} IS NULL BEGIN {refuse}; END"
        )
        # One trigger for both: a trigger of SQLite's is not fired by its own UPDATE, and another one would be.
        body = (
            f"{refuse} WHERE ({self._changed()}) AND NOT ({self._sealed_anew()}) "
            f"AND (NEW.{plain} IS NOT NULL OR NEW.{sealed} IS NOT NULL);"
        )
        if state == "released":
            same = f"{self._bytes('NEW', plain)} IS {self._bytes('OLD', plain)} AND NEW.{plain} IS NOT NULL"
            where = f"{here} AND ({self._sealed_anew()}) AND {same}"
            body += f" UPDATE {table} SET {plain} = NULL WHERE {where};"  # noqa: S608 - names, quoted
        yield f"CREATE TRIGGER {name} AFTER UPDATE ON {table} FOR EACH ROW BEGIN {body} END"

    # -- the words of both --

    @property
    def _plain(self) -> str:
        return self._q(self._column)

    @property
    def _sealed(self) -> str:
        return self._q(sealed_name(self._column))

    def _changed(self) -> str:
        names = [self._plain, *map(self._q, self._row)]
        differ = "IS DISTINCT FROM" if self._postgresql else "IS NOT"
        return " OR ".join(f"{self._bytes('NEW', name)} {differ} {self._bytes('OLD', name)}" for name in names)

    def _sealed_anew(self) -> str:
        differ = "IS DISTINCT FROM" if self._postgresql else "IS NOT"
        return f"NEW.{self._sealed} {differ} OLD.{self._sealed}"

    def _bytes(self, which: str, name: str) -> str:
        if self._postgresql:
            return f'{which}.{name}::text COLLATE "C"'
        return f"{which}.{name} COLLATE BINARY"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
