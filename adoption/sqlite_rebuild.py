"""Make a table of SQLite's anew with other constraints: SQLite has no ALTER COLUMN.

The new table is made with the words of the old one's CREATE TABLE, changed only where they must be, so that everything
in them stays: collations, checks, generated columns, AUTOINCREMENT, STRICT. Indexes and triggers, which go with the old
table, are made again with their own words.

The caller has a transaction open; foreign keys must be off, or dropping the old table deletes the rows of others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import ForeignKeysOn, TableNotUnderstood

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$]+|\s+|.""", re.DOTALL
)
_CONSTRAINTS: Final = frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_DEEPER: Final = {"(": 1, ")": -1}
_QUOTES: Final = {'"': '"', "`": "`", "[": "]", "'": "'"}


class TableWords:
    """A CREATE TABLE, taken apart into its columns and constraints and kept in its own words."""

    def __init__(self, sql: str) -> None:
        """Raise `ValueError` for what is no list of columns in brackets."""
        self._items: list[list[str]] = [[]]
        depth, words = 0, _TOKEN.findall(sql)
        for position, word in enumerate(words):
            depth += _DEEPER.get(word, 0)
            if depth == 0 and word == ")":
                self._tail = "".join(words[position + 1 :])
                return
            if depth == 1 and word == ",":
                self._items.append([])
            elif depth > 1 or (depth == 1 and word != "("):
                self._items[-1].append(word)
        raise ValueError("no columns in brackets")

    def create(self, name: str) -> str:
        """The statement, for a table of that (quoted) name."""
        return f"CREATE TABLE {name} ({','.join(''.join(item) for item in self._items)}){self._tail}"

    def let_be_null(self, column: str) -> None:
        """Take NOT NULL away from a column."""
        _cut(self._column(column), "NOT", "NULL")

    def demand(self, column: str) -> None:
        """Give NOT NULL to a column, once."""
        item = self._column(column)
        _cut(item, "NOT", "NULL")
        last = max(position for position, token in enumerate(item) if _speaks(token))
        item.insert(last + 1, " NOT NULL")

    def drop_unique(self, columns: Sequence[str]) -> None:
        """Take away the UNIQUE over these columns, of the column or of the table; harmless where there is none."""
        if len(columns) == 1:
            _cut(self._column(columns[0]), "UNIQUE")
        wanted = [name.lower() for name in columns]
        self._items = [item for item in self._items if _unique_over(item) != wanted]

    def add_unique(self, name: str, columns: Iterable[str]) -> None:
        """Add a UNIQUE (name and columns are quoted)."""
        self._items.append([f" CONSTRAINT {name} UNIQUE ({', '.join(columns)})"])

    def _column(self, name: str) -> list[str]:
        for item in self._items:
            words = [token for token in item if _speaks(token)]
            if words and words[0].upper() not in _CONSTRAINTS and bare(words[0]).lower() == name.lower():
                return item
        raise ValueError(f"no column {name}")


def bare(name: str) -> str:
    """A name without its quotes."""
    end = _QUOTES.get(name[:1])
    return name[1:-1].replace(end * 2, end) if end else name


def _speaks(token: str) -> bool:
    return not (token.isspace() or token.startswith(("--", "/*")))


def _cut(item: list[str], *words: str) -> None:
    """Take a constraint out of a column's words, with its name and its ON CONFLICT."""
    depth, outside = 0, []
    for position, token in enumerate(item):
        depth += _DEEPER.get(token, 0)
        if depth == 0 and _speaks(token):
            outside.append((position, token.upper()))
    texts = [text for _, text in outside]
    for start in range(1, len(texts)):
        if tuple(texts[start : start + len(words)]) != words:
            continue
        end = start + len(words)
        if texts[end : end + 2] == ["ON", "CONFLICT"]:
            end += 3
        first = start - 2 if texts[max(start - 2, 0)] == "CONSTRAINT" else start
        del item[outside[first][0] : outside[end - 1][0] + 1]
        return


def _unique_over(item: list[str]) -> list[str] | None:
    """The columns of a UNIQUE constraint of the table, in lower case."""
    words = [token for token in item if _speaks(token)]
    if words and words[0].upper() == "CONSTRAINT":
        words = words[2:]
    if not words or words[0].upper() != "UNIQUE":
        return None
    inside = words[words.index("(") + 1 : words.index(")")]
    return [bare(word).lower() for before, word in zip([",", *inside], inside, strict=False) if before == ","]


def rebuild(connection: Connection, table: str, words: TableWords, *, without: Collection[str] = ()) -> None:
    """Make ``table`` anew from ``words``, with its rows, indexes and triggers; ``without`` names indexes to leave out.

    Raises `ForeignKeysOn` before anything is changed.
    """
    check_foreign_keys(connection, table)
    quote = connection.dialect.identifier_preparer.quote_identifier
    left_out = {name.lower() for name in without}
    beside = [
        sql
        for name, sql in connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE lower(tbl_name) = lower(?) AND type IN ('index', 'trigger') "
            "AND sql IS NOT NULL",
            (table,),
        )
        if name.lower() not in left_out
    ]
    names = ", ".join(
        quote(row.name)
        for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(table)})").all()
        if not row.hidden
    )
    interim = quote(f"_amanah_{table}")
    last_key = _last_key(connection, table)
    legacy = connection.exec_driver_sql("PRAGMA legacy_alter_table").scalar()
    # Otherwise a view or a trigger of another table that names this one stops the renaming.
    connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
    try:
        connection.exec_driver_sql(words.create(interim))
        connection.exec_driver_sql(
            f"INSERT INTO {interim} ({names}) SELECT {names} FROM {quote(table)}"  # noqa: S608 - names, quoted
        )
        connection.exec_driver_sql(f"DROP TABLE {quote(table)}")
        connection.exec_driver_sql(f"ALTER TABLE {interim} RENAME TO {quote(table)}")
        if last_key is not None:
            connection.exec_driver_sql("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last_key, table))
        for sql in beside:
            connection.exec_driver_sql(sql)
    finally:
        connection.exec_driver_sql(f"PRAGMA legacy_alter_table={legacy or 0}")


def words_of(connection: Connection, table: str) -> TableWords:
    """The table's own words. Raises `TableNotUnderstood`."""
    sql = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)", (table,)
    ).scalar()
    try:
        return TableWords(sql or "")
    except ValueError as error:
        raise TableNotUnderstood(table=table, detail=str(error)) from None


def check_foreign_keys(connection: Connection, table: str) -> None:
    """Raise `ForeignKeysOn` where dropping a table would delete rows of others."""
    if connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
        raise ForeignKeysOn(table=table)


def _last_key(connection: Connection, table: str) -> int | None:
    """What AUTOINCREMENT has come to: keys of deleted rows are not given again."""
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").scalar() is None:
        return None
    found = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).scalar()
    return None if found is None else int(found)
