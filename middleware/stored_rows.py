"""Sealed rows past the gate: read as the database has them, checked, and sealed anew by who has locked or swaps them.

For Amanah's own statements on one table, on its own engine or on a guarded one. No access is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import NullType

from ..errors import RowTampered, RowUnsealed
from .row_seals import SEAL_COLUMN, SealedRow, SealedRows, body, reseal
from .row_spelling import WRONG_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Dialect

    from ..encryption.keyring import TenantCipher


class _Stored(ColumnElement[Any]):
    """SQL of ours in the columns of a SELECT from one table."""

    __visit_name__ = "amanah_stored"
    inherit_cache = False

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.type: Any = NullType()


@compiles(_Stored)
def _render(element: _Stored, compiler: Any, **kw: Any) -> str:  # noqa: ARG001 - SQLAlchemy's signature
    return element.sql


class StoredRows:
    """The rows of one table with their seals."""

    def __init__(self, seal: SealedRows, dialect: Dialect) -> None:
        self.seal = seal
        self._spelled = seal.spelled(dialect)
        quote = dialect.identifier_preparer.quote
        texts = [one.sql(quote(name)) for one, name in zip(self._spelled, seal.columns, strict=True)]
        if dialect.name != "postgresql":  # whose texts may be none: bytes come out as they are
            texts = [f"CAST({text} AS BLOB)" for text in texts]
        self.columns = [_Stored(sql) for sql in (*texts, quote(SEAL_COLUMN))]
        """What a SELECT must bring of a row: ``found`` below."""

    def covers(self, names: Sequence[str]) -> bool:
        """Whether rows are sealed over any of these columns."""
        return not set(names).isdisjoint(self.seal.columns)

    def as_it_is(self, key: Sequence[str], found: Sequence[Any]) -> SealedRow:
        """The row, unchecked. ``key``: as text. Raises `RowTampered` for a value that its column cannot hold."""
        texts = zip(self._spelled, found[: len(self._spelled)], strict=True)
        try:
            spelled = tuple(None if text is None else one.from_text(_text(text)) for one, text in texts)
        except WRONG_TEXT:
            raise RowTampered(resource=self.seal.table.resource) from None
        return SealedRow(tuple(key), spelled)

    def checked(self, cipher: TenantCipher, key: Sequence[str], found: Sequence[Any]) -> SealedRow:
        """The row, whose seal holds. Raises `RowTampered`, `RowUnsealed` (one of these), and `KeyUnknown`."""
        seal, stored = self.seal, found[-1]
        if stored is None:
            raise RowUnsealed(resource=seal.table.resource, table=seal.table.name)
        row = self.as_it_is(key, found)
        # SQLite keeps in a column whatever it is given.
        held = isinstance(stored, bytes | memoryview) and cipher.check_row_seal(
            seal.place, body(row.texts, row.key), bytes(stored)
        )
        if not held:
            raise RowTampered(resource=seal.table.resource)
        return row

    def sealed(self, cipher: TenantCipher, row: SealedRow, envelopes: Mapping[str, bytes] | None = None) -> bytes:
        """The seal of ``row``, in which these ``envelopes`` take their columns' places."""
        new = envelopes or {}
        texts = tuple(
            one.from_value(new[name]) if name in new else text
            for name, one, text in zip(self.seal.columns, self._spelled, row.texts, strict=True)
        )
        return reseal(cipher, self.seal, SealedRow(row.key, texts))


def _text(found: Any) -> str:
    return found if isinstance(found, str) else bytes(found).decode()


__all__ = ["StoredRows"]
