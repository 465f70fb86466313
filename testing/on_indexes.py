"""Attacks on search tokens: taken away, exchanged. A search may then find too little or the wrong row, never more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from ..errors import AmanahError
from .verdicts import Leaked, NotApplicable

if TYPE_CHECKING:
    from ..middleware.fields import Field
    from .stage import Cell, Stage

_OWN: Final = "Report it to Amanah: what is shown must not depend on search tokens."


def strip_index(stage: Stage, field: Field) -> None:
    """A row's search tokens are taken away: a search does not find it, and reading it works as before."""
    cell = stage.two(field)[0]
    names = _tokens(field)
    _must_find(stage, cell)
    with stage.bare.planted(field.table, cell.key, dict.fromkeys(names)):
        stage.must_show_own(cell, "its search tokens were taken away", _OWN)
        if cell.key in _found(stage, cell):
            raise Leaked(f"{cell} was found without its search tokens. {_OWN}")


def exchange_tokens(stage: Stage, field: Field) -> None:
    """The search tokens of two rows are exchanged: a search finds the wrong row, which shows its own value."""
    one, other = stage.two(field)
    names = _tokens(field)
    _must_find(stage, one)
    with stage.bare.kept(field.table, names, one.key, other.key) as (first, second):
        stage.bare.write(field.table, one.key, {name: os.urandom(16) for name in names})  # they may be unique
        stage.bare.write(field.table, other.key, first)
        stage.bare.write(field.table, one.key, second)
        for cell in (one, other):
            stage.must_show_own(cell, "its search tokens were exchanged with another row's", _OWN)
            _found(stage, cell)


def _tokens(field: Field) -> list[str]:
    if not field.search:
        raise NotApplicable(f"{field.name} has no search tokens")
    return [name for name in field.columns if name not in (field.column, field.sealed_column)]


def _must_find(stage: Stage, cell: Cell) -> None:
    if cell.key not in _found(stage, cell):
        raise Leaked(f"a search for the value of {cell} does not find it before anything was changed")


def _found(stage: Stage, cell: Cell) -> set[tuple[Any, ...]]:
    """The keys that a search for the cell's value finds; each row that comes shows its own value."""
    field = cell.field
    column = field.table.table.c[field.column]
    with stage.open(cell.tenant), stage.target.engine.connect() as connection:
        try:
            rows = connection.execute(select(*field.table.key_columns(), column).where(column == cell.value)).all()
        except AmanahError as error:
            raise Leaked(f"a search in {field.name} was refused: {type(error).__name__}") from None
    known = {one.key: one.value for one in stage.cells(field, cell.tenant)}
    for *key, value in rows:
        if tuple(key) in known and known[tuple(key)] != value:
            raise Leaked(f"a search in {field.name} showed a row with another one's value. {_OWN}")
    return {tuple(key) for *key, _ in rows}


__all__ = ["exchange_tokens", "strip_index"]
