"""The seals of the rows that an INSERT or UPDATE writes.

An UPDATE of some sealed columns reads the row's others first, locks the row, and checks the seal that it has: an edit
behind the application would otherwise be sealed by the next honest change. One query for all rows of a statement.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, or_, select

from ..errors import SealedWriteRefused
from .fields import key_text
from .keys import INTERNAL
from .row_seals import SEAL_COLUMN, CheckedRow, RowCell, RowSealBytes, SealedRow, SealedRows, reseal
from .shape import refuse
from .write_values import EXPRESSION, Rows, client_default, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .access import Access
    from .fields import Protected
    from .row_spelling import Spelling

_AT_ONCE = 250
"""So many rows are read by one query."""


def seal_new_rows(connection: Connection, table: Protected, access: Access, rows: Rows, expressions: set[str]) -> None:
    """Put its seal into each of ``rows``, whose keys are there. ``expressions``: columns whose value is SQL."""
    seal = _seal_of(table)
    for name in seal.columns:
        if name in expressions:
            refuse(SealedWriteRefused(field=f"{table.name}.{name}", detail="its value is an SQL expression"))
    _refuse_given(table, SEAL_COLUMN in expressions or any(SEAL_COLUMN in row for row in rows))
    named = {name for name in seal.columns if any(name in row for row in rows)}
    spelled = seal.spelled(connection.dialect)
    for row in rows:
        texts: list[str | None] = []
        defaults: dict[str, Any] = {}
        for name, known in zip(seal.columns, spelled, strict=True):
            column = table.table.c[name]
            if name not in row and column.default is not None:
                value = client_default(connection, column, row)
                if name in named:  # SQLAlchemy goes by the first row's names
                    row[name] = value
                else:
                    defaults[name] = value
            elif name not in row and name in named:
                row[name] = None
            value = defaults.get(name, row.get(name))
            texts.append(_spell(row, name, known, value) if name in row or name in defaults else None)
        key = tuple(key_text(column, row[column.key]) for column in table.key_columns())
        made = RowSealBytes(reseal(access.cipher, seal, SealedRow(key, tuple(texts))))
        made.defaults = defaults
        row[SEAL_COLUMN] = made


def seal_changed_rows(
    connection: Connection, table: Protected, access: Access, rows: Rows, keys: Sequence[Sequence[str]]
) -> None:
    """Put the new seal into each of ``rows``, the parameters of an UPDATE of the rows with these ``keys``.

    Raises `RowTampered` where a row as it is does not fit its seal: what it holds is sealed by nobody.
    """
    seal = _seal_of(table)
    spelled = seal.spelled(connection.dialect)
    _refuse_given(table, any(SEAL_COLUMN in row for row in rows))
    known = {row.key: row for row in _locked(connection, seal, keys)}
    for row, key in zip(rows, keys, strict=True):
        now = known.get(tuple(key))
        if now is None:  # no such row, or not this tenant's: the UPDATE will find none either
            row[SEAL_COLUMN] = None
            continue
        texts = [
            _spell(row, name, one, row[name]) if name in row else text
            for name, one, text in zip(seal.columns, spelled, now.texts, strict=True)
        ]
        changed = known[now.key] = SealedRow(now.key, tuple(texts))
        row[SEAL_COLUMN] = RowSealBytes(reseal(access.cipher, seal, changed))


def _refuse_given(table: Protected, given: bool) -> None:  # noqa: FBT001
    if given:
        refuse(SealedWriteRefused(field=f"{table.name}.{SEAL_COLUMN}", detail="it is written by Amanah only"))


def _seal_of(table: Protected) -> SealedRows:
    seal = table.sealed_rows
    if seal is None:
        raise SealedWriteRefused(field=table.name, detail="its rows are not sealed")
    return seal


def _spell(row: dict[str, Any], name: str, known: Spelling, value: Any) -> str | None:
    """The value's text. A float on its way to a NUMERIC goes as the Decimal that was spelled."""
    if value_of(value) is EXPRESSION:
        refuse(SealedWriteRefused(field=name, detail="its value is an SQL expression"))
    if value is None and not known.spells_none:
        return None
    text = known.from_value(value)
    if known.exact and isinstance(value, float) and name in row and text is not None:
        row[name] = Decimal(text)
    return text


def _locked(connection: Connection, seal: SealedRows, keys: Sequence[Sequence[str]]) -> Iterator[SealedRow]:
    """The rows with these keys, checked, and kept from being written by others until this transaction ends."""
    table = seal.table
    options = {"amanah_internal": INTERNAL}
    if connection.dialect.name != "postgresql":
        # SQLite has one writer at a time; a SELECT alone would not make this transaction the one.
        quote = connection.dialect.identifier_preparer.quote
        name, column = quote(table.name), quote(SEAL_COLUMN)
        lock = f"UPDATE {name} SET {column} = {column} WHERE 1 = 0"  # noqa: S608 - names from the metadata, quoted
        connection.exec_driver_sql(lock, execution_options=options)
    columns = table.key_columns()
    cell: Any = RowCell(table.table.c[seal.bearers[0]], CheckedRow(seal))
    for start in range(0, len(keys), _AT_ONCE):
        part = {tuple(key) for key in keys[start : start + _AT_ONCE]}
        chosen = or_(*(and_(*map(_equals, columns, key)) for key in sorted(part)))
        query = select(cell).select_from(table.table).where(chosen).with_for_update()
        yield from connection.execute(query, execution_options=options).scalars()


def _equals(column: Any, text: str) -> Any:
    """The key's part, in the type of its column."""
    kind = column.type.python_type
    return column == (text if kind is str else kind(text))


__all__ = ["seal_changed_rows", "seal_new_rows"]
