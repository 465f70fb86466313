"""Raw SQL: what it names, as far as that can be told without the database's own parser.

`check_raw` refuses a piece of raw SQL that names something protected. What cannot be told apart is refused: a relation
that nobody declared could be a view over a protected table, and a statement that ends the transaction would part a
change from its record.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateTable

from ..errors import RawSqlRefused, TableShadowed
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.sql.ddl import ExecutableDDLElement

    from .fields import Register

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[^\W\d][\w$]*|\d[\w.]*|[^\s\w]""",
)
_WORD = re.compile(r"[^\W\d][\w$]*")
_HARMLESS = re.compile(r"\s*(?:pragma|savepoint|release|begin|start|show)\b[^;]*;?\s*")
_SETTING = re.compile(r"""amanah"?\s*\.\s*"?(?:tenant|sign_in)""")
"""What row-level security goes by. A hurdle, not a wall: a name can be put together from pieces."""
_RELATION_FOLLOWS = frozenset({"from", "join", "into", "update", "table", "only", "using"})
_LISTS = frozenset({"from", "using", "update"})
_FROM_ENDS = frozenset(
    {"where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "set", "values"}
    | {"returning", "window", "for", "fetch", "select"}
)
_NO_RELATION = frozenset({"select", "with", "values", "lateral", "if", "not", "exists", "nowait", "skip", "set", "of"})
_FROM_IS_NO_CLAUSE = frozenset({"extract", "substring", "trim", "overlay"})
_NEVER_FIRST = frozenset(
    {"commit", "end", "rollback", "abort", "prepare", "execute", "call", "copy", "handler", "attach", "do", "load"}
)
STRING_RUNNERS = (
    "query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml", "dblink", "crosstab",
    "connectby", "ts_stat", "ts_rewrite", "xpath_table", "pg_stat", "load_extension", "lo_export", "pg_read",
)  # fmt: skip
"""So begin the names of functions and views that carry out a string as SQL, or tell of values without their table."""


def check_raw(register: Register, text: str, *, fragment: bool) -> None:
    """Refuse raw SQL that names, anywhere and in any spelling that SQL folds, something protected.

    A whole statement is checked for tables, for relations that nobody declared, and for what ends a transaction or
    carries out other SQL; a ``fragment`` inside a built statement also for personal columns and for the star, which
    would hand out columns unseen. While nothing is enforced yet, only Amanah's own tables count. Raises
    `RawSqlRefused`.
    """
    folded = text.lower()
    if not fragment and _HARMLESS.fullmatch(folded):
        return
    if register.empty:
        if own := next((word for word in _WORD.findall(folded) if word.startswith("amanah_")), None):
            refuse(RawSqlRefused(name=own))
        return
    if found := _SETTING.search(folded):
        refuse(RawSqlRefused(name=found.group()))
    if "u&" in folded:
        refuse(RawSqlRefused(name="U&"))
    for word in _WORD.findall(folded):
        if word in register.tables or word in register.undeclared or word.startswith(("amanah_", *STRING_RUNNERS)):
            refuse(RawSqlRefused(name=word))
        if fragment and word in register.personal_columns:
            refuse(RawSqlRefused(name=word))
    for name in register.odd_names:
        if name in folded:
            refuse(RawSqlRefused(name=name))
    if fragment and "*" in text:
        refuse(RawSqlRefused(name="*"))
    _check_tokens(register, tokens_of(text))


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


def tokens_of(text: str) -> list[str]:
    """The words, quoted names, strings and signs of a statement, in lower case and without comments."""
    return [match.group() for match in _TOKEN.finditer(_COMMENT.sub(" ", text.lower()))]


def defined_in(tokens: list[str]) -> set[str]:
    """The names that the statement gives to common table expressions of its own."""
    return {tokens[i - 1] for i in range(1, len(tokens) - 1) if tokens[i] == "as" and tokens[i + 1] in ("(", "not")}


def _check_tokens(register: Register, tokens: list[str]) -> None:
    for before, token in zip([";", *tokens], tokens, strict=False):
        if before == ";" and token in _NEVER_FIRST:
            refuse(RawSqlRefused(name=token))
    known = defined_in(tokens)
    for name, _ in relations(tokens):
        last = name.split(".")[-1]
        if name.startswith(("information_schema.", "pg_", "sqlite_")) or last in register.shared or last in known:
            continue
        if register.lenient:  # it is no table that is enforced: those were looked for above
            continue
        refuse(RawSqlRefused(name=last))


def relations(tokens: list[str]) -> Iterator[tuple[str, int]]:
    """The names that stand where a relation stands, each with the position behind it.

    After FROM, JOIN, INTO and their like, and after commas in a FROM.
    """
    # For each open parenthesis: does a relation follow a comma? None where FROM is no clause.
    lists: list[bool | None] = [False]
    expected = False
    position = 0
    while position < len(tokens):
        part, before = tokens[position], tokens[position - 1] if position else ""
        position += 1
        if part == "(":
            lists.append(None if before in _FROM_IS_NO_CLAUSE else expected and before != "using")
            expected = bool(lists[-1])
        elif part == ")":
            lists = lists[:-1] or [False]
            expected = False
        elif part == ",":
            expected = bool(lists[-1])
        elif part in _RELATION_FOLLOWS and lists[-1] is not None and before != "distinct":
            expected = True
            lists[-1] = lists[-1] or part in _LISTS
        elif part in _FROM_ENDS or (expected and part in _NO_RELATION):
            lists[-1] = False if lists[-1] is not None else None
            expected = expected and part == "lateral"
        elif expected and (part[0] in '"`[' or _WORD.fullmatch(part)):
            name = part.strip('"`[]')
            while tokens[position : position + 1] == ["."]:
                name += "." + "".join(tokens[position + 1 : position + 2]).strip('"`[]')
                position += 2
            expected = False
            if tokens[position : position + 1] != ["("] or before == "into":
                yield name, position
        else:
            expected = False


__all__ = ["STRING_RUNNERS", "check_new_table", "check_raw", "defined_in", "relations", "tokens_of"]
