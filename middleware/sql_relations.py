"""Where a relation stands in raw SQL, and which of them the text defines itself.

Words are no grammar, so this errs on one side: what could be a relation is given as one. A keyword counts as one only
where neither database takes it for a name: ``FROM country AS set, customer_view`` and ``c.where`` are valid SQL. A
common table expression is known by its exact name, without a schema, and from where the database knows it: inside the
parentheses in which it stands, behind its own body (in which PostgreSQL takes its name for the table).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RELATION_FOLLOWS: Final = frozenset({"from", "join", "into", "update", "table", "using"})
_LISTS: Final = frozenset({"from", "using"})
_ENDS: Final = frozenset(
    {"where", "group", "order", "having", "limit", "union", "except", "intersect", "select", "returning"}
)
"""Reserved in both databases: no name of a relation or alias."""
_ENDS_OF: Final = {"postgresql": _ENDS | {"offset", "fetch", "for", "window"}, "sqlite": _ENDS}
_FROM_IS_NO_CLAUSE: Final = frozenset({"extract", "substring", "trim", "overlay"})
_NO_TARGET: Final = frozenset({"for", "key", "do", "on"})
"""Before UPDATE: FOR [NO KEY] UPDATE, DO UPDATE SET, ON UPDATE."""


class Relation(NamedTuple):
    """What stands where a relation stands.

    ``parts``: schema and name, without quotes. ``behind``: the position after it.
    """

    parts: tuple[str, ...]
    behind: int
    own: bool
    """The text defines it: a common table expression."""

    @property
    def name(self) -> str:
        """Without schema."""
        return self.parts[-1]


@dataclass(slots=True)
class _Level:
    """What is known inside one pair of parentheses."""

    comma: bool | None = False
    """Whether a relation follows a comma; None where FROM is no clause."""
    defined: set[str] = field(default_factory=set)
    defines: str | None = None
    """The common table expression whose body this is."""
    recursive: bool = False
    """The WITH to which that one belongs says RECURSIVE."""


def relations(words: Sequence[str], dialect: str) -> Iterator[Relation]:
    """The relations that the words of a `sql_words.Reading` name, in their order."""
    return _Scan(words, dialect).run()


def definitions(words: Sequence[str], dialect: str) -> set[str]:
    """The names that the text gives to common table expressions of its own, wherever they can be asked."""
    scan = _Scan(words, dialect)
    list(scan.run())
    return scan.names


class _Scan:
    def __init__(self, words: Sequence[str], dialect: str) -> None:
        self._words = words
        self._ends = _ENDS_OF[dialect]
        self._brackets = "([" if dialect == "postgresql" else "("
        self._before = frozenset({"lateral", "only"} if dialect == "postgresql" else ())
        self._position = 0
        self._expected = False
        self._levels = [_Level()]
        self.names: set[str] = set()
        self._bodies: dict[int, tuple[str, bool]] = {}
        """Where the body of a common table expression opens: its name, and whether it knows itself."""

    def run(self) -> Iterator[Relation]:
        """Walk over the words once."""
        while self._position < len(self._words):
            word = self._words[self._position]
            self._position += 1
            if word in self._brackets:
                self._open()
            elif word in ")]":
                self._close()
            elif word == ",":
                self._expected = bool(self._levels[-1].comma)
            elif word == ";":
                self._levels, self._expected = [_Level()], False
            elif self._at(-2) == ".":
                self._expected = False  # whatever word it is, a column
            elif not self._keyword(word):
                if self._expected and _is_name(word):
                    yield from self._relation(word)
                self._expected = False

    def _keyword(self, word: str) -> bool:
        """Whether the word that was just passed is one, here; what it says of what comes next is remembered."""
        level = self._levels[-1]
        if word == "with" and self._definition(0):
            self._expected = False
        elif word in _RELATION_FOLLOWS and self._introduces(word, level):
            self._expected = True
            level.comma = level.comma or word in _LISTS
        elif self._ends_list(word):
            level.comma = False if level.comma is not None else None
            self._expected = False
        elif self._expected and (skipped := self._skipped(word)):
            self._position += skipped - 1
        else:
            return False
        return True

    def _relation(self, word: str) -> Iterator[Relation]:
        before, parts = self._at(-2), [_bare(word)]
        while self._at(0) == "." and self._position + 1 < len(self._words):
            parts.append(_bare(self._at(1)))
            self._position += 2
        if self._at(0) != "(" or before == "into":
            own = len(parts) == 1 and any(parts[0] in one.defined for one in self._levels)
            yield Relation(tuple(parts), self._position, own)

    def _at(self, step: int) -> str:
        """The word that many steps from the next one: -1 is the one that was just passed."""
        position = self._position + step
        return self._words[position] if 0 <= position < len(self._words) else ""

    def _ends_list(self, word: str) -> bool:
        """Whether the word ends a list of relations, and is no alias."""
        if self._at(-2) == "as" or self._at(0) in (",", "cross", "natural", "join", ")"):
            return False
        return word in self._ends or (word == "do" and self._at(0) in ("update", "nothing"))

    def _introduces(self, word: str, level: _Level) -> bool:
        before = self._at(-2)
        if level.comma is None:
            return False
        if word == "from" and before == "distinct":
            return self._at(-3) not in ("is", "not")
        return not (word == "update" and before in _NO_TARGET)

    def _skipped(self, word: str) -> int:
        """How many words stand before the relation that is expected; 0 where it stands here."""
        after = self._at(0)
        if word in self._before:
            return 1
        if word == "or" and self._at(-2) == "update":  # UPDATE OR IGNORE
            return 2
        if word == "if" and after in ("exists", "not"):
            return 2 if after == "exists" else 3
        return 0

    # -- parentheses, and what is defined in them --

    def _open(self) -> None:
        inner = self._expected and self._at(-2) != "using"
        if self._at(0) in ("select", "with", "values", "table"):
            inner = False  # a query: its own FROM begins a list
        body = self._bodies.get(self._position - 1)
        comma = None if self._at(-2) in _FROM_IS_NO_CLAUSE and body is None else inner
        name, recursive = body or (None, False)
        if name is not None and recursive:
            self._levels[-1].defined.add(name)
        self._levels.append(_Level(comma, defines=name, recursive=recursive))
        self._expected = inner

    def _close(self) -> None:
        closed = self._levels.pop()
        self._levels = self._levels or [_Level()]
        self._expected = False
        if closed.defines is not None:
            self._levels[-1].defined.add(closed.defines)
            if self._at(0) == ",":
                self._definition(1, recursive=closed.recursive)

    def _definition(self, step: int, *, recursive: bool | None = None) -> bool:
        """Remember the body of ``name [(columns)] AS [[NOT] MATERIALIZED] (…)``, if one is defined that many steps on.

        ``recursive``: whether the WITH says so; None where the words after it are still to come.
        """
        if recursive is None:
            recursive = self._at(step) == "recursive" and self._at(step + 1) != "as"
            step += recursive
        name = self._at(step)
        step += 1
        if not _is_name(name):
            return False
        if self._at(step) == "(":
            while self._at(step) not in (")", ""):
                step += 1
            step += 1
        if self._at(step) != "as":
            return False
        step += 1
        step += self._at(step) == "not"
        step += self._at(step) == "materialized"
        if self._at(step) != "(":
            return False
        self._bodies[self._position + step] = _bare(name), recursive
        self.names.add(_bare(name))
        return True


def _is_name(word: str) -> bool:
    first = word[:1]
    return first in "\"'_" or first.isalpha() or first > "\x7f"


def _bare(word: str) -> str:
    return word[1:-1] if word[:1] in "\"'" else word


__all__ = ["Relation", "definitions", "relations"]
