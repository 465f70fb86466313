"""Raw SQL cut into words, as the database that will carry it out cuts it: exactly, for each of the two.

What one database takes for a comment or a string is code for the other one, and a word that is hidden so is not seen
by `raw`. PostgreSQL (4.1, "Lexical Structure"): comments nest, ``--`` ends at a carriage return, too, strings are
escaped (``E'…'``) or stand in dollars, ``[…]`` is no name. SQLite (tokenize.c): ``[name]``, ```name```, and a string
may stand where a name does.

Where a text can be read in more than one way, all of them are given: PostgreSQL's backslash in a plain string, which is
a matter of a setting, and a driver's placeholder, which may hold what looks like SQL (``%(')s``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_UPPER: Final = {number: number + 32 for number in range(ord("A"), ord("Z") + 1)}
_START: Final = "A-Za-z_\x80-\U0010ffff"
_WORD: Final = rf"[{_START}][{_START}0-9$]*"
_NUMBER: Final = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?"
_STRING: Final = r"'(?:[^']|'')*'"
_ESCAPED: Final = r"'(?:[^'\\]|\\.|'')*'"
_QUOTED: Final = r'"(?:[^"]|"")*"'
_DOLLARS: Final = rf"\$(?P<tag>(?:[{_START}][{_START}0-9]*)?)\$.*?\$(?P=tag)\$"
_PLACEHOLDER: Final = r"%(?:\(\w+\))?[sbt](?![\w$])"
_ODD: Final = re.compile(rf"({_PLACEHOLDER})|%(?:\([^)]*\))?[sbt]")
"""What a driver takes for a placeholder; in the group, one whose parts could be nothing else."""
_OPENERS: Final = {"postgresql": "([", "sqlite": "("}
_CLOSERS: Final = {"postgresql": ")]", "sqlite": ")"}


def _pattern(*, string: str, postgresql: bool) -> re.Pattern[str]:
    if postgresql:
        kinds = [
            rf"(?P<string>[eE]{_ESCAPED}|{string}|{_DOLLARS})",
            rf"(?P<quoted>{_QUOTED})",
            rf"(?P<other>\$[0-9]+|{_PLACEHOLDER})",
        ]
        blank = r"(?P<blank>[ \t\n\r\f\v]+|--[^\n\r]*[\n\r])"
    else:
        kinds = [
            rf"(?P<string>{string})",
            rf"(?P<quoted>{_QUOTED}|`(?:[^`]|``)*`|\[[^\]]*\])",
            rf"(?P<other>\?[0-9]+|{_PLACEHOLDER})",
        ]
        blank = r"(?P<blank>[ \t\n\r\f]+|--[^\n]*\n|/\*.*?\*/)"
    rest = [rf"(?P<word>{_WORD})", rf"(?P<number>{_NUMBER})", r"(?P<comment>--|/\*)", r"(?P<sign>.)"]
    return re.compile("|".join([blank, *kinds, *rest]), re.DOTALL)


_POSTGRESQL: Final = _pattern(string=_STRING, postgresql=True)
_POSTGRESQL_BACKSLASHES: Final = _pattern(string=_ESCAPED, postgresql=True)
_SQLITE: Final = _pattern(string=_STRING, postgresql=False)
_NESTED: Final = re.compile(r"/\*|\*/")


class Reading(NamedTuple):
    """One way to read a text. Words in lower case, names as ``"name"`` in their own case, strings, signs.

    A string is ``'…'``, and ``''`` where PostgreSQL's escapes or dollars are in it.
    """

    words: tuple[str, ...]
    closed: bool
    """Nothing is left open: no string, comment or parenthesis, and no statement ends in it."""


def readings(text: str, dialect: str) -> list[Reading]:
    """Every way in which the database of that dialect could read ``text``."""
    texts = [text]
    if any(found.group(1) is None for found in _ODD.finditer(text)):
        texts.append(_ODD.sub(lambda found: found.group(1) or " $1 ", text))
    patterns = [_SQLITE]
    if dialect == "postgresql":
        patterns = [_POSTGRESQL, _POSTGRESQL_BACKSLASHES] if "\\" in text else [_POSTGRESQL]
    return list(dict.fromkeys(_read(one, pattern, dialect) for one in texts for pattern in patterns))


def _read(text: str, pattern: re.Pattern[str], dialect: str) -> Reading:
    words: list[str] = []
    closed, depth = True, 0
    for kind, found in _pieces(text, pattern, dialect):
        if kind == "open":
            closed = False
            continue
        if kind == "quoted":
            words.append(_name(found))
        elif kind == "word":
            words.append(found.translate(_UPPER))
        elif kind == "string":
            words.append("'" + found[1:-1].replace("''", "'") + "'" if found[0] == "'" else "''")
        else:
            words.append(found)
            if kind == "sign":
                depth += (found in _OPENERS[dialect]) - (found in _CLOSERS[dialect])
                closed = closed and depth >= 0 and found not in ";'\"`"
    return Reading(tuple(words), closed and depth == 0)


def _pieces(text: str, pattern: re.Pattern[str], dialect: str) -> Iterator[tuple[str, str]]:
    """Kind and text of each piece; ("open", "") where a comment has no end."""
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:  # no text of any length: "sign" takes one character
            return
        kind, position = str(match.lastgroup), match.end()
        if kind != "comment":
            if kind != "blank":
                yield kind, match.group()
            continue
        if match.group() == "--":  # to the end of the text
            yield "open", ""
            return
        position = _end_of_comment(text, position) if dialect == "postgresql" else -1
        if position < 0:
            yield "open", ""
            return


def _end_of_comment(text: str, position: int) -> int:
    """Behind the ``*/`` that ends the comment which was begun before ``position``; -1 where none does."""
    depth = 1
    for sign in _NESTED.finditer(text, position):
        depth += 1 if sign.group() == "/*" else -1
        if depth == 0:
            return sign.end()
    return -1


def _name(quoted: str) -> str:
    """A quoted name, whatever it is quoted with, as ``"name"``."""
    sign = quoted[0]
    inner = quoted[1:-1]
    return '"' + (inner if sign == "[" else inner.replace(sign * 2, sign)) + '"'


__all__ = ["Reading", "readings"]
