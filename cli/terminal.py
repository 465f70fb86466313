"""How lines reach the terminal, or the file or pipe in its place. No stored text steers it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.text import Text

from ..i18n import translate

if TYPE_CHECKING:
    from ..errors import AmanahError
    from ..i18n import Language

_PIPE_WIDTH: Final = 250
"""Columns of a table that goes into a file or a pipe: nothing is cut off, and `grep` finds whole lines."""


def console(*, stderr: bool) -> Console:
    """Where lines go. If that is no terminal, they are as long as they need to be."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=wide, highlight=False)


def plain(text: str, style: str = "") -> Text:
    """Text in which nothing is taken for markup or for a terminal's control sequence."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text), style=style)


def moment(microseconds: int) -> datetime:
    """The moment so many µs after the epoch, in UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def print_json(value: object) -> None:
    """An answer for machines, to stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def complain(error: AmanahError, language: Language) -> None:
    """What, why and remedy, to stderr."""
    out = console(stderr=True)
    what, why, remedy = (
        translate(part, language, **error.facts) if part else "" for part in (error.what, error.why, error.remedy)
    )
    out.print(plain(what, "bold red"), soft_wrap=True)
    if why:
        out.print(plain(why), soft_wrap=True)
    if remedy:
        out.print(plain(f"→ {remedy}", "green"), soft_wrap=True)
