"""Raw SQL: what it names, as far as that can be told without the database's own parser.

`check_raw` refuses a piece of raw SQL that names something protected. What cannot be told apart is refused: a relation
that nobody declared could be a view over a protected table, and a statement that ends the transaction would part a
change from its record.

No parser stands here (decision 0015): names of what is protected are looked for in the whole text, comments and strings
included, and where a relation stands is told from its words, cut as the database cuts them (`sql_words`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateTable

from ..errors import RawSqlRefused, RawSqlUnclosed, TableShadowed
from .shape import refuse
from .sql_relations import relations
from .sql_words import readings

if TYPE_CHECKING:
    from sqlalchemy.sql.ddl import ExecutableDDLElement

    from .fields import Register
    from .sql_relations import Relation

_WORD = re.compile(r"[^\W\d][\w$]*")
_HARMLESS = re.compile(r"\s*(?:pragma|savepoint|release|begin|start|show)\b[^;]*;?\s*")
_SETTING = re.compile(r"""amanah"?\s*\.\s*"?(?:tenant|sign_in)""")
"""What row-level security goes by. A hurdle, not a wall: a name can be put together from pieces."""
_ESCAPED = re.compile(r"""u&['"]""")
_LONGEST = 63
"""Bytes of a name that PostgreSQL looks at."""
_CATALOGUES = ("information_schema", "pg_catalog")
_NEVER_FIRST = frozenset(
    {"commit", "end", "rollback", "abort", "prepare", "execute", "call", "copy", "handler", "attach", "do", "load"}
)
_ENDS_TRANSACTION = frozenset({"commit", "end", "rollback", "abort"})
_MAKES_CODE = frozenset({"function", "procedure", "extension"})
"""CREATE of these: what they hold is carried out later, by a name that tells nothing."""
STRING_RUNNERS = (
    "query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml", "dblink", "crosstab",
    "connectby", "ts_stat", "ts_rewrite", "xpath_table", "pg_stat", "pg_toast", "load_extension", "lo_export",
    "pg_read", "sqlite_stat", "sqlite_dbpage", "writable_schema",
)  # fmt: skip
"""So begin the names of functions, views and settings that carry out a string as SQL, tell of values without their
table, or take one table for another."""


def check_raw(register: Register, text: str, dialect: str, *, fragment: bool, driver: bool = False) -> None:
    """Refuse raw SQL that names, anywhere and in any spelling that SQL folds, something protected.

    ``dialect``: the name of the one that will carry it out. A whole statement is checked for tables, for relations that
    nobody declared, and for what ends a transaction or carries out other SQL; a ``fragment`` inside a built statement
    also for personal columns, for the star, which would hand out columns unseen, and for what it leaves open: what is
    written behind it, the wall included, would be read as a part of it. ``driver``: it goes to the driver's own
    connection, which can end a transaction anyhow, and takes COPY of what is not protected. While nothing is enforced
    yet, only Amanah's own tables count. Raises `RawSqlRefused`.
    """
    folded = text.lower()
    words = [word.encode()[:_LONGEST].decode(errors="ignore") for word in _WORD.findall(folded)]
    if register.empty:
        if own := next((word for word in words if word.startswith("amanah_")), None):
            refuse(RawSqlRefused(name=own))
        return
    if not fragment and _HARMLESS.fullmatch(folded) and "writable_schema" not in folded:
        return
    _check_names(register, folded, words, fragment=fragment)
    for reading in readings(text, dialect):
        if fragment and not reading.closed:
            refuse(RawSqlUnclosed())
        if fragment and "*" in reading.words:
            refuse(RawSqlRefused(name="*"))
        _check_reading(register, _copied(reading.words) if driver else reading.words, dialect, driver=driver)


def _check_names(register: Register, folded: str, words: list[str], *, fragment: bool) -> None:
    """What is looked for in the whole text, comments and strings included."""
    for found in filter(None, [_SETTING.search(folded), _ESCAPED.search(folded)]):
        refuse(RawSqlRefused(name=found.group()))
    for word in words:
        if word in register.tables or word in register.undeclared or word.startswith(("amanah_", *STRING_RUNNERS)):
            refuse(RawSqlRefused(name=word))
        if fragment and word in register.personal_columns:
            refuse(RawSqlRefused(name=word))
    for name in register.odd_names:
        if name in folded:
            refuse(RawSqlRefused(name=name))


def check_new_table(register: Register, statement: ExecutableDDLElement, text: str) -> None:
    """Refuse a CREATE TABLE that would stand before a protected table, or let an INSERT take a row's place unseen.

    A temporary table is found before the one of the same name that the walls know. Where SQLite resolves a conflict by
    REPLACE, an INSERT deletes the row of whichever tenant is in its way. Raises `TableShadowed`, `RawSqlRefused`.
    """
    if not isinstance(statement, CreateTable):
        return
    name = statement.element.name.lower()
    if name not in register.tables:
        return
    words = text.lower().split()
    if any(word.startswith("temp") for word in words[: words.index("table")]):
        refuse(TableShadowed(name=name))
    if "on conflict replace" in " ".join(words):
        refuse(RawSqlRefused(name="ON CONFLICT REPLACE"))


def _copied(words: tuple[str, ...]) -> tuple[str, ...]:
    """What a COPY names, as a query: ``TABLE name`` or the query itself. One of the server's files stays as it is."""
    if words[:1] == ("copy",) and ";" not in words and not {"program", "file"} & set(words):
        for position, word in enumerate(words):
            if word in ("from", "to") and words[position + 1 : position + 2] in (("stdin",), ("stdout",)):
                return (*(() if words[1:2] == ("(",) else ("table",)), *words[1:position])
    return words


def _check_reading(register: Register, words: tuple[str, ...], dialect: str, *, driver: bool) -> None:
    for position, word in enumerate(words):
        if position == 0 or words[position - 1] == ";":
            if driver and word in _ENDS_TRANSACTION:
                continue
            _check_first(word, words[position + 1 : position + 6])
    for relation in relations(words, dialect):
        if relation.own or _is_catalogue(relation) or relation.name.lower() in register.shared:
            continue
        if register.lenient:  # it is no table that is enforced: those were looked for above
            continue
        refuse(RawSqlRefused(name=relation.name.lower()))


def _check_first(word: str, after: tuple[str, ...]) -> None:
    """What a statement begins with."""
    if (
        word in _NEVER_FIRST
        or (word == "create" and not _MAKES_CODE.isdisjoint(after[:3]))
        or (word == "explain" and "execute" in after)
        or (word == "vacuum" and "into" in after)
        or (word in ("set", "reset") and not {"role", "authorization"}.isdisjoint(after[:2]))
    ):
        refuse(RawSqlRefused(name=word))


def _is_catalogue(relation: Relation) -> bool:
    if len(relation.parts) == 1:
        return relation.name.startswith(("pg_", "sqlite_"))
    return relation.parts[0] in _CATALOGUES


__all__ = ["STRING_RUNNERS", "check_new_table", "check_raw"]
