"""Attacks on single sealed values: moved, cut, changed, made up, put back.

Each takes the stage and one sealed column, and raises `Leaked`, `KnownLimit` or `NotApplicable`. What it changes is as
it was before when it ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import literal_column, update
from sqlalchemy.exc import DBAPIError

from ..encryption import envelope as layout
from ..encryption.xaes import TAG_SIZE
from ..errors import AmanahError, SealError
from ..middleware.fields import key_text
from ..middleware.row_seals import SEAL_COLUMN
from .on_rows import must_be_found
from .stage import is_row
from .verdicts import KnownLimit, Leaked, NotApplicable

if TYPE_CHECKING:
    from ..middleware.fields import Field
    from .stage import Cell, Stage

_REPORT: Final = "Report it to Amanah: the value's place should have been checked."
_ROW: Final = (
    "Give the table a key that is known before the INSERT (no server default): only then are values bound to their row."
)
_SEALED: Final = "Report it to Amanah: a sealed value that was changed must not open."


def exchange_rows(stage: Stage, field: Field) -> None:
    """The sealed values of two rows are exchanged."""
    one, other = stage.two(field)
    _exchange(stage, one, other, "its sealed value was exchanged with another row's", _ROW)


def exchange_tenants(stage: Stage, field: Field) -> None:
    """The sealed values of two tenants' rows are exchanged."""
    here, there = stage.two(field)[0], stage.elsewhere(field)
    _exchange(stage, here, there, "its sealed value was exchanged with another tenant's", _REPORT)


def exchange_columns(stage: Stage, field: Field) -> None:
    """The sealed value of another column of the same row is put in."""
    cell = stage.two(field)[0]
    others = [f for f in field.table.fields.values() if f.sealed and f is not field]
    found = [e for f in others if (e := stage.bare.read(field.table, cell.key, [f.sealed_column])[0]) is not None]
    if not found:
        raise NotApplicable(f"{field.table.name} has no other sealed column with a value in that row")
    for envelope in found:
        with stage.bare.planted(field.table, cell.key, {field.sealed_column: envelope}):
            stage.must_refuse(cell, "the sealed value of another column was put in", _REPORT)


def exchange_tables(stage: Stage, field: Field) -> None:
    """The sealed value of another table is put in."""
    cell = stage.two(field)[0]
    tables = [t for t in stage.target.guard.register.tables.values() if t is not field.table]
    others = [next((f for f in t.fields.values() if f.sealed), None) for t in tables]
    found = False
    for other in filter(None, others):
        cells = stage.cells(other, cell.tenant)
        if cells:
            found = True
            envelope = stage.bare.read(other.table, cells[0].key, [other.sealed_column])[0]
            with stage.bare.planted(field.table, cell.key, {field.sealed_column: envelope}):
                stage.must_refuse(cell, f"the sealed value of {other.name} was put in", _REPORT)
    if not found:
        raise NotApplicable("no other table has a sealed value")


def truncate(stage: Stage, field: Field) -> None:
    """A sealed value is cut at the ends of its parts and inside them.

    What was cut to nothing at all may read as NULL does: whoever can empty a cell can set it to NULL.
    """
    cell = stage.two(field)[0]
    envelope = _envelope(stage, cell)
    with stage.open(cell.tenant):
        for length in sorted({1, *_ends(envelope), len(envelope) - 1}):
            with stage.bare.planted(field.table, cell.key, {field.sealed_column: envelope[:length]}):
                stage.must_refuse(cell, f"its sealed value was cut to {length} bytes", _SEALED)
        with stage.bare.planted(field.table, cell.key, {field.sealed_column: b""}):
            _must_be_gone(stage, cell)


def flip_bits(stage: Stage, field: Field) -> None:
    """One bit is changed at the beginning and the end of each part of a sealed value, and a byte is put behind it."""
    cell = stage.two(field)[0]
    envelope = _envelope(stage, cell)
    ends = [end for end in _ends(envelope) if end < len(envelope)]
    with stage.open(cell.tenant):
        for position in sorted({0, *ends, *(end - 1 for end in ends), len(envelope) - 1}):
            changed = bytearray(envelope)
            changed[position] ^= 0x40 if position % 2 else 0x01
            with stage.bare.planted(field.table, cell.key, {field.sealed_column: bytes(changed)}):
                stage.must_refuse(cell, f"a bit of byte {position} of its sealed value was changed", _SEALED)
        with stage.bare.planted(field.table, cell.key, {field.sealed_column: envelope + b"\x00"}):
            stage.must_refuse(cell, "a byte was put behind its sealed value", _SEALED)


def plant_plaintext(stage: Stage, field: Field) -> None:
    """A plain value is put in place of the sealed one: bare, and with the place before it that a SELECT would bring."""
    one, other = stage.two(field)
    plain = field.codec.encode(other.value)
    place = field.place(map(key_text, field.table.key_columns(), one.key))
    planted: list[Any] = [plain, place + plain, place + _envelope(stage, one), b"0"]
    if stage.bare.dialect == "sqlite":  # which keeps in a BLOB column whatever it is given
        planted += [literal_column("42"), literal_column("'a text'"), literal_column("4.2")]
    with stage.open(one.tenant):
        for value in planted:
            with stage.bare.planted(field.table, one.key, {field.sealed_column: value}):
                stage.must_refuse(one, "a plain value was put in place of the sealed one", _SEALED)


def replay(stage: Stage, field: Field) -> None:
    """A value is changed by the application, and then the sealed value from before is put back.

    Where the row's seal is over the column, the row is refused. Elsewhere the value opens: it was sealed for this very
    cell. That is a limit of sealed values, and not of this application.
    """
    cell = stage.two(field)[0]
    names = list(field.columns)
    covered = field.table.sealed_rows is not None and field.column in field.table.sealed_rows.columns
    with stage.bare.kept(field.table, [*names, *([SEAL_COLUMN] if covered else [])], cell.key) as (before,):
        changed = _change(stage, cell)
        stage.must_show_own(changed, "the application changed it", "It must be possible to change it under access().")
        stage.bare.write(field.table, cell.key, {name: before[name] for name in names})
        if covered:
            must_be_found(stage, field.table, cell.key, f"an older value of {cell} was put back")
            return
        try:
            shown = stage.look(cell)
        except SealError:
            return
        if shown != [cell.value]:
            stage.must_show_own(cell, "an older sealed value was put back", _REPORT)
    raise KnownLimit(
        f"an older value of {field.name} opens in its own cell: name {field.column} in __sealed_rows__ of its table, "
        "beside a version column, or keep backups and the database's log safe"
    )


def _change(stage: Stage, cell: Cell) -> Cell:
    """Another value in that cell, written as the application writes; one that its constraints let in."""
    field = cell.field
    others = [one.value for one in stage.cells(field, cell.tenant) if one.value != cell.value]
    if len(stage.target.tenants) > 1:
        others = [one.value for one in stage.cells(field, stage.other_tenant) if one.value != cell.value] + others
    for value in others:
        statement = update(field.table.table).where(*is_row(field.table, cell.key)).values({field.column: value})
        try:
            with stage.open(cell.tenant), stage.target.engine.begin() as connection:
                connection.execute(statement)
        except (DBAPIError, AmanahError):
            continue
        return cell._replace(value=value)
    raise NotApplicable(f"the application's constraints let no other value into {cell}")


def _exchange(stage: Stage, one: Cell, other: Cell, done: str, remedy: str) -> None:
    table, column = one.field.table, one.field.sealed_column
    envelopes = _envelope(stage, one), _envelope(stage, other)
    with ExitStack() as stack:
        for cell, envelope in zip((other, one), envelopes, strict=True):
            stack.enter_context(stage.bare.planted(table, cell.key, {column: envelope}))
        stage.must_refuse(one, done, remedy)
        stage.must_refuse(other, done, remedy)


def _envelope(stage: Stage, cell: Cell) -> bytes:
    found = stage.bare.read(cell.field.table, cell.key, [cell.field.sealed_column])[0]
    if found is None:
        raise Leaked(f"{cell} is shown, and no sealed value stands in {cell.field.sealed_column}: run amanah encrypt.")
    return bytes(found)


def _ends(envelope: bytes) -> list[int]:
    """Where the parts of an envelope end: format, key version, (half of the nonce), commitment, nonce, ciphertext."""
    if envelope[0] == layout.SUBJECT_FORMAT:
        ends = [1, layout.VERSION_END, layout.SUBJECT_COMMITMENT_END, layout.SUBJECT_NONCE_END]
    else:
        ends = [1, layout.VERSION_END, layout.HALF_END, layout.HEADER_SIZE, layout.NONCE_END]
    return [*ends, len(envelope) - TAG_SIZE]


def _must_be_gone(stage: Stage, cell: Cell) -> None:
    try:
        shown = stage.look(cell)
    except SealError:
        return
    if shown != [None]:
        stage.must_refuse(cell, "its sealed value was emptied", _SEALED)


__all__ = [
    "exchange_columns",
    "exchange_rows",
    "exchange_tables",
    "exchange_tenants",
    "flip_bits",
    "plant_plaintext",
    "replay",
    "truncate",
]
