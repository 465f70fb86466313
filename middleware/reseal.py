"""Moving a row to another subject or key: what no UPDATE may do, because its values are sealed for where they stand.

1. The row as it is, locked until the transaction ends; under an access that may meet some rows only, one of these.
2. Each envelope opened under its old place and subject.
3. Key and subject set, and every value sealed anew, in one UPDATE of a row that may be changed; the row, too, where it
   is sealed over one of them.

Nothing that is opened here is shown to anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from ..audit.entries import What
from ..encryption.envelope import OVERWRITTEN
from ..errors import InvalidInput, RowNotThere, SubjectErased
from .column_types import Sealed, StoredEnvelope
from .fields import key_text
from .keys import INTERNAL
from .limited import limited
from .parent_rows import owned
from .row_seals import SEAL_COLUMN, RowSealBytes
from .stored_rows import StoredRows
from .subjects import SubjectSecrets, secrets_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, CursorResult, Select, Update

    from ..encryption.cipher import TenantCipher
    from ..encryption.subject_sealing import Secret
    from .access import Access
    from .fields import Field, Protected

_OURS: Final = {"amanah_internal": INTERNAL}


def movable(table: Protected) -> set[str]:
    """The columns of ``table`` that `Resealing.move` may set: its key and its subject, never whose it is.

    Where rows are sealed over their key, that stays.
    """
    columns = {*table.key, *filter(None, [table.subject])} - set(filter(None, [table.owner_column]))
    if table.sealed_rows is not None:
        columns -= {*table.key, *table.sealed_rows.columns}
    return columns


class Resealing:
    """Moves rows of one tenant in ``table``, in the connection's transaction. What is done needs a note of its own."""

    def __init__(
        self, connection: Connection, table: Protected, cipher: TenantCipher, access: Access | None = None
    ) -> None:
        """``access``: which rows may be met and changed is its; None meets every row of the cipher's tenant."""
        self._access = access
        self._connection, self._table, self._cipher = connection, table, cipher
        self._columns = table.table.c
        self._fields = [f for f in table.fields.values() if f.writes_sealed]
        self._secrets = SubjectSecrets()
        rows = None if table.sealed_rows is None else StoredRows(table.sealed_rows, connection.dialect)
        self._rows = rows if rows is not None and rows.covers([f.column for f in self._fields]) else None

    def move(self, key: Mapping[str, Any], to: Mapping[str, Any]) -> What:
        """Set ``to`` in the row with that ``key``; the tenant's part may be left out. What was done, for the trail.

        Raises `InvalidInput` for other columns, `RowNotThere`, `SubjectErased`, `RowTampered`, and what opening raises.
        """
        table = self._table
        whole = set(table.key) - set(filter(None, [table.tenant]))
        if not to or not set(to) <= movable(table) or not whole <= set(key):
            allowed = ", ".join(sorted(movable(table))) or "-"
            raise InvalidInput(detail=f"{table.name}: reseal takes the whole key, and may set {allowed}")
        mine = [owned(table, self._cipher.tenant_id), *(self._columns[n] == key[n] for n in whole)]
        names = list(dict.fromkeys([*table.key, *filter(None, [table.subject])]))
        stored = [StoredEnvelope(f) for f in self._fields]
        sealed = [] if self._rows is None else self._rows.columns
        query = select(*(self._columns[n] for n in names), *stored, *sealed).where(*mine)
        if self._connection.dialect.name == "postgresql":
            query = query.with_for_update()
        else:  # a write that changes nothing takes SQLite's one write lock
            same = {self._columns[n].key: self._columns[n] for n in whole}
            self._execute(update(table.table).where(*mine).values(same))
        found = self._execute(query).one_or_none()  # 1
        if found is None:
            raise RowNotThere(resource=table.resource)
        now = dict(zip(names, found, strict=False))
        after = {**now, **to}
        old, new = (self._key(now), self._secret(now)), (self._key(after), self._secret(after))
        values: dict[str, Any] = {self._columns[n].key: after[n] for n in to}
        envelopes: dict[str, Sealed] = {}
        for field, envelope in zip(self._fields, found[len(names) : len(names) + len(stored)], strict=True):
            if envelope is None or bytes(envelope) == OVERWRITTEN:
                continue
            encoded = self._open(field, *old, bytes(envelope))  # 2
            envelopes[field.column] = values[self._columns[field.sealed_column].key] = self._seal(field, *new, encoded)
        if self._rows is not None:
            row = self._rows.checked(self._cipher, old[0], found[len(names) + len(stored) :])
            values[SEAL_COLUMN] = RowSealBytes(self._rows.sealed(self._cipher, row, envelopes))
        done = self._execute(update(table.table).where(*mine).values(values))  # 3
        if done.rowcount != 1:
            raise RowNotThere(resource=table.resource)
        subjects = tuple(dict.fromkeys(s for s in (self._subject(now), self._subject(after)) if s is not None))
        name = table.row_name(dict(zip(table.key, new[0], strict=True)))
        return What(table.resource, "reseal", tuple(to), rows=(name,), subjects=subjects, count=1)

    def _execute(self, statement: Select[Any] | Update) -> CursorResult[Any]:
        """Past the gate, which seals and decides, and within the access's limits, which the wall keeps to."""
        kept = statement if self._access is None else limited(statement, self._access)
        return self._connection.execute(kept, execution_options=_OURS)

    def _key(self, row: Mapping[str, Any]) -> list[str]:
        return [key_text(self._columns[n], row[n]) for n in self._table.key]

    def _subject(self, row: Mapping[str, Any]) -> str | None:
        name = self._table.subject
        return None if name is None or row[name] is None else key_text(self._columns[name], row[name])

    def _secret(self, row: Mapping[str, Any]) -> Secret | None:
        subject = self._subject(row)
        if subject is None or not any(f.by_subject for f in self._fields):
            return None
        kind = self._table.subject_kind
        found = secrets_for(self._connection, self._secrets, self._cipher, kind, [subject])
        if subject not in found:
            raise SubjectErased(subject=f"{kind} {subject}")
        return found[subject]

    def _place(self, field: Field, key: list[str]) -> bytes:
        return field.place(key) if self._table.bound_to_row else field.prefix

    def _open(self, field: Field, key: list[str], secret: Secret | None, envelope: bytes) -> bytes:
        if secret is not None and field.by_subject and envelope[:1] == OVERWRITTEN:
            return self._cipher.open_for(secret, self._place(field, key), envelope)
        return self._cipher.open(field.id, self._place(field, key), envelope)

    def _seal(self, field: Field, key: list[str], secret: Secret | None, encoded: bytes) -> Sealed:
        if secret is not None and field.by_subject:
            return Sealed(self._cipher.seal_for(secret, self._place(field, key), encoded))
        return Sealed(self._cipher.seal(field.id, self._place(field, key), encoded))


__all__ = ["Resealing", "movable"]
