"""What can be told of a declared report by reading its text: its tables, and whether it could reach past their shadows.

Whatever cannot be told apart is refused when the report is declared, never when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import DeclarationError
from .declared_sql import DeclaredSql
from .raw import STRING_RUNNERS
from .sql_relations import definitions, relations
from .sql_words import readings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from .fields import Field, Protected, Register

_READS: Final = ("select", "with")
_NEVER: Final = frozenset(
    {"insert", "update", "delete", "merge", "truncate", "into", "recursive", "call", "execute", "copy", "u&"}
)
_NO_ALIAS: Final = frozenset(
    {"on", "using", "join", "inner", "left", "right", "full", "cross", "natural", "where", "group", "order", "having"}
    | {"limit", "offset", "fetch", "for", "union", "except", "intersect", "window", "select", "as"}
)
_STARS: Final = frozenset((before, "*") for before in ("select", ",", ".", "distinct", "all"))
_QUOTES: Final = '"'


def read_report(register: Register, name: str, sql: str, columns: Mapping[str, str], dialect: str) -> DeclaredSql:
    """The report ``name``. ``columns``: result column → ``table.column`` of a personal column. ``dialect``: its name.

    Every sealed column that the text names must be one of them. Raises `DeclarationError`.
    """
    body = sql.strip().rstrip(";").rstrip()
    tokens = _words(name, body, dialect)
    tables = _tables(register, name, tokens, dialect)
    fields = {f.name: f for table in tables for f in table.fields.values()}
    for column in columns.values():
        if column not in fields:
            _refuse(name, f"{column} is no personal column of its tables")
    named = {result: fields[column] for result, column in columns.items()}
    often = set()
    for one in fields.values():
        count = _count(tokens, one)
        if one.sealed and count and one not in named.values():
            _refuse(name, f"it reads the sealed column {one.name}; say in columns= which result that is")
        if not one.sealed and count > list(named.values()).count(one):
            often.add(one)
    return DeclaredSql(name, body, tables, named, frozenset(often), register)


def _words(name: str, body: str, dialect: str) -> Sequence[str]:
    """The report's words. What can be read in two ways is refused."""
    read = readings(body, dialect)
    if len(read) > 1:
        _refuse(name, "it holds a backslash in a string, or a placeholder with a quote in it")
    if not read[0].closed:
        _refuse(name, "it leaves a quote, a comment or a parenthesis open, or is more than one statement")
    return read[0].words


def _count(tokens: Sequence[str], one: Field) -> int:
    """How often the column's name stands in the text, but for the names that results are given."""
    return sum(
        token.strip(_QUOTES).lower() == one.column.lower() and before != "as"
        for before, token in zip(["", *tokens], tokens, strict=False)
    )


def _tables(register: Register, name: str, tokens: Sequence[str], dialect: str) -> tuple[Protected, ...]:
    """The protected tables that the text reads."""
    if not tokens or tokens[0] not in _READS or ";" in tokens:
        _refuse(name, "it is not one SELECT and nothing else")
    for before, token in zip(["", *tokens], tokens, strict=False):
        word = token.strip(_QUOTES).lower()
        if token in _NEVER or word.startswith(("amanah_", *STRING_RUNNERS)):
            _refuse(name, f"it holds {word!r:.40}, which could reach past the wall")
        if (before, token) in _STARS:
            _refuse(name, "it selects *; name the columns")
    found: dict[str, Protected] = {}
    own = {one.lower() for one in definitions(tokens, dialect)}
    for one in sorted(own):  # SQLite asks it wherever the name stands, in a wall too
        if register.by_name(one) is not None or register.leads_to(one):
            _refuse(name, f"its WITH takes the name of the table {one!r:.60}")
    rows: dict[int, str] = {}
    for relation in relations(tokens, dialect):
        rows |= _names_of_rows(tokens, relation.behind)
        table = register.by_name(relation.name)
        if table is None:
            if not relation.own and ".".join(relation.parts).lower() not in register.shared:
                _refuse(name, f"nobody declared the table {relation.name!r:.60}")
        elif len(relation.parts) > 1:
            _refuse(name, f"the table {table.name} is named with a schema")
        else:
            found[table.name] = table
    _refuse_whole_rows(name, tokens, rows)
    return tuple(found.values())


def _names_of_rows(tokens: Sequence[str], position: int) -> dict[int, str]:
    """Position → name: of the relation that ends before ``position``, and of its alias."""
    names = {position - 1: tokens[position - 1].strip(_QUOTES).lower()}
    at = position + 1 if tokens[position : position + 1] == ["as"] else position
    alias = tokens[at] if at < len(tokens) else ""
    if alias not in _NO_ALIAS and (alias.strip(_QUOTES)[:1].isalpha() or alias[:1] == "_"):
        names[at] = alias.strip(_QUOTES).lower()
    return names


def _refuse_whole_rows(name: str, tokens: Sequence[str], rows: Mapping[int, str]) -> None:
    """PostgreSQL takes the name of a FROM for the whole row: every column of it, unseen."""
    for position, token in enumerate(tokens):
        after = tokens[position + 1] if position + 1 < len(tokens) else ""
        before = tokens[position - 1] if position else ""
        word = token.strip(_QUOTES).lower()
        defines = after in ("as", "(") and before in ("with", ",", "recursive")
        if (
            position not in rows
            and word in rows.values()
            and not defines
            and after != "."
            and before not in (".", "as")
        ):
            _refuse(name, f"it uses the name {word!r:.40} without a column")


def _refuse(name: str, detail: str) -> NoReturn:
    raise DeclarationError(detail=f"the report {name} cannot be declared: {detail}")
