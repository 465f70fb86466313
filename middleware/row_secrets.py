"""The secrets for rows that an UPDATE names by their keys: its parameters do not say whom a row is about.

Where the subject is part of the key, the key tells it. Where not, one query asks for all rows of the statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, or_, select

from ..errors import SubjectErased
from .column_types import Sealed, StoredEnvelope
from .fields import key_text
from .keys import INTERNAL
from .parent_rows import owned
from .shape import refuse
from .subjects import secrets_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from ..encryption.subject_sealing import Secret
    from .access import Access
    from .fields import Field, Protected
    from .write_values import Rows

_OURS: Final = {"amanah_internal": INTERNAL}
_AT_ONCE: Final = 500
"""Rows per query; each takes as many parameters as the key has parts."""


class RowSecrets:
    """Of one UPDATE of ``table`` that writes ``fields``."""

    def __init__(self, connection: Connection, table: Protected, access: Access, fields: Sequence[Field]) -> None:
        self._connection = connection
        self._table = table
        self._access = access
        self._fields = [f for f in fields if f.by_subject]
        self._subjects: dict[tuple[str, ...], str] = {}
        self._secrets: dict[str, Secret] = {}

    def find(self, rows: Rows, key_of: Callable[[dict[str, Any], Field], list[str]]) -> None:
        """Fetch the secrets that ``rows`` need. ``key_of``: a row's key as text; raises where it is not said."""
        columns = self._table.table.c
        keys = []
        for row in rows:
            named = [f for f in self._fields if row.get(columns[f.column].key) is not None]
            if named:
                keys.append(tuple(key_of(row, named[0])))
        if not keys:
            return
        self._subjects = self._in_keys(keys) if self._table.subject in self._table.key else self._asked(keys)
        kind = self._table.subject_kind
        self._secrets = secrets_for(
            self._connection, self._access.subjects, self._access.cipher, kind, self._subjects.values()
        )

    def of(self, key: Sequence[str] | None) -> Secret | None:
        """The secret of that row's subject; None for a row that is about nobody. Raises `SubjectErased`."""
        subject = None if key is None else self._subjects.get(tuple(key))
        if subject is None:
            return None
        if subject not in self._secrets:
            refuse(SubjectErased(subject=f"{self._table.subject_kind} {subject}"))
        return self._secrets[subject]

    def left_as_erased(self, field: Field, key: Sequence[str], row: dict[str, Any]) -> bool:
        """Whether what an erased cell was shown as is written back, as edit forms do: then it stays what it is."""
        subject = self._subjects.get(tuple(key))
        column = self._table.table.c[field.column]
        if not field.by_subject or subject is None or subject in self._secrets or row[column.key] != field.erased():
            return False
        if field.writes_plain:
            refuse(SubjectErased(subject=f"{self._table.subject_kind} {subject}"))
        del row[column.key]
        query = select(StoredEnvelope(field)).where(self._named([tuple(key)]), self._owned())
        stored = self._connection.execute(query, execution_options=_OURS).scalar()
        row[field.sealed_column] = None if stored is None else Sealed(stored)
        if field.search:
            row |= dict.fromkeys(field.index_columns)
        return True

    def _in_keys(self, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
        position = self._table.key.index(self._table.subject or "")
        return {key: key[position] for key in keys}

    def _asked(self, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
        table = self._table
        subject = table.table.c[table.subject or ""]
        found: dict[tuple[str, ...], str] = {}
        for start in range(0, len(keys), _AT_ONCE):
            named = self._named(keys[start : start + _AT_ONCE])
            query = select(subject, *table.key_columns()).where(named, self._owned(), subject.is_not(None))
            for who, *parts in self._connection.execute(query, execution_options=_OURS):
                key = tuple(key_text(c, part) for c, part in zip(table.key_columns(), parts, strict=True))
                found[key] = key_text(subject, who)
        return found

    def _named(self, keys: Sequence[tuple[str, ...]]) -> ColumnElement[bool]:
        """The rows with these keys. A key of one part, besides the tenant, is one list."""
        columns = self._table.key_columns()
        varying = [number for number, c in enumerate(columns) if c.name != self._table.tenant] or [0]
        if len(varying) == 1:
            column = columns[varying[0]]
            parts = [_native(column, key[varying[0]]) for key in keys]
            return column.in_(bindparam("keys", parts, expanding=True, type_=column.type))
        return or_(*(and_(*(columns[n] == _native(columns[n], key[n]) for n in varying)) for key in keys))

    def _owned(self) -> ColumnElement[bool]:
        return owned(self._table, self._access.tenant or "")


def _native(column: Any, text: str) -> Any:
    """A key part in the type of its column."""
    python_type = column.type.python_type
    return text if python_type is str else python_type(text)


__all__ = ["RowSecrets"]
