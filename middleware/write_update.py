"""One UPDATE on its way: what it may set, for which row, and the sealed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Connection, select

from ..errors import MaskedWrite, SealedWriteRefused, TenantCrossed
from .access import Access, Sight
from .fields import key_text
from .parent_rows import demand_foreign_keys, demand_parents
from .references import demand_set
from .row_seals import SEAL_COLUMN
from .row_secrets import RowSecrets
from .shape import refuse

if TYPE_CHECKING:
    from .fields import Field, Protected
from .write_rows import seal_changed_rows
from .write_values import EXPRESSION, Rows, column_of, key_binds, store, value_of


class Updating:
    """One UPDATE on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access
        self.looked_at: set[str] = set()

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. What is set. 2. Key and tenant stay. 3. Who does not see a column may not change it. 4. Seal, and rows."""
        where = key_binds(statement, self.table)
        columns = self.table.table.c
        values = {
            column_of(statement, self.table, given).key: value_of(candidate)
            for given, candidate in (statement._values or {}).items()  # noqa: SLF001
        }
        rows = [dict(row) for row in rows]
        set_names = set(values) | ({c.key for c in columns} & set(rows[0]) if rows else set())
        where_names = {bind.key for bind in where.values()}
        set_names -= {n for n in where_names if n not in values}
        self.looked_at = {columns[key].name for key in set_names}
        self._check_key(set_names, values, rows)
        if self.table.references:
            self._check_references(statement, set_names, values, rows)
        personal = [f for f in self.table.fields.values() if columns[f.column].key in set_names]
        sealed = [name for name in self._sealed_with_the_row() if columns[name].key in set_names]
        if not personal and not sealed:
            return statement, rows
        if values:
            moved = [*(f.column for f in personal), *sealed]
            statement, rows = self._values_to_rows(statement, values, moved, rows)
        rows = rows or [{}]
        unseen = [f for f in personal if self.access.sight(f) is not Sight.CLEAR]
        for row in rows:
            self._leave_as_shown(row, where, unseen)
        fields = [f for f in personal if f.writes_sealed and f not in unseen]
        secrets = RowSecrets(self.connection, self.table, self.access, fields)
        if self._names_row(where) or any(f.sealed for f in fields):
            secrets.find(rows, lambda row, field: self._row_key(where, row, field.name))
        for row in rows:
            self._seal(row, where, secrets, fields)
        if sealed:
            keys = [self._row_key(where, row, f"{self.table.name}.{sealed[0]}") for row in rows]
            seal_changed_rows(self.connection, self.table, self.access, rows, keys)
        return statement, rows

    def _sealed_with_the_row(self) -> tuple[str, ...]:
        """The columns over which rows are sealed, and the seal itself, which only `seal_changed_rows` sets."""
        return () if self.table.sealed_rows is None else (*self.table.sealed_rows.columns, SEAL_COLUMN)

    def _only_emptied(self, name: str, values: dict[str, Any], rows: Rows) -> bool:
        """Whether a subject that cannot be NULL is set to NULL: the ORM does so to the children of a row that it
        deletes, and the database refuses it, which the application may have an answer for.
        """  # noqa: D205
        column = self.table.table.c[name]
        if column.name != self.table.subject or column.name in self.table.key or column.nullable:
            return False
        return all(value_of(row[name]) is None for row in [values, *rows] if name in row)

    def _check_key(self, names: set[str], values: dict[str, Any], rows: Rows) -> None:
        columns = self.table.table.c
        owner = None if self.table.owner_column is None else columns[self.table.owner_column].key
        given = [row[owner] for row in [values, *rows] if owner in row] if owner in names else []
        if self.table.via is not None:
            demand_parents(self.connection, self.access, self.table, [value_of(value) for value in given])
        elif any(str(value) != self.access.tenant for value in given):
            refuse(TenantCrossed(resource=self.table.resource))
        if names & {columns[n].key for n in self.table.key}:
            demand_foreign_keys(self.connection, self.table)
        if self.table.writes_sealed:
            sealed = any(f.writes_sealed for f in self.table.fields.values())
            place = {columns[n].key for n in (*self.table.key, *filter(None, [self.table.subject if sealed else None]))}
            for name in names & (place - ({owner} if self.table.via is None else set())):
                if self._only_emptied(name, values, rows):
                    continue
                refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="it is part of what its row is"))

    def _check_references(self, statement: Any, names: set[str], values: dict[str, Any], rows: Rows) -> None:
        by_key = {column.key: column.name for column in self.table.table.c if column.key in names}
        said = [
            {by_key[key]: value_of(value) for key, value in {**values, **row}.items() if key in by_key}
            for row in rows or [{}]
        ]
        given = {
            column_of(statement, self.table, one).name: candidate
            for one, candidate in (statement._values or {}).items()  # noqa: SLF001
        }
        demand_set(self.connection, self.access, self.table, said, given)

    def _values_to_rows(self, statement: Any, values: dict[str, Any], names: list[str], rows: Rows) -> tuple[Any, Rows]:
        """Move the values of these columns out of ``values()`` into the parameters; the others stay where they are."""
        columns = self.table.table.c
        moved: dict[str, Any] = {}
        for column in names:
            name = columns[column].key
            if name in values:
                if values[name] is EXPRESSION:
                    label = f"{self.table.name}.{column}"
                    refuse(SealedWriteRefused(field=label, detail="its value is an SQL expression"))
                moved[name] = values[name]
        stay = {
            given: value
            for given, value in statement._values.items()  # noqa: SLF001
            if column_of(statement, self.table, given).key not in moved
        }
        bare = statement._generate()  # noqa: SLF001
        bare._values = type(statement._values)(stay) if stay else None  # noqa: SLF001
        return bare, [{**moved, **row} for row in (rows or [{}])]

    def _seal(
        self, row: dict[str, Any], where: dict[str, BindParameter[Any]], secrets: RowSecrets, fields: list[Field]
    ) -> None:
        """4. Seal each value for the row that the WHERE names."""
        key: list[str] | None = None
        for field in fields:
            if self.table.table.c[field.column].key not in row:
                continue
            if key is None and (field.sealed or self._names_row(where)):
                key = self._row_key(where, row, field.name)
            if key is not None and secrets.left_as_erased(field, key, row):
                continue
            store(self.access, field, key, row, secrets.of(key))

    def _leave_as_shown(self, row: dict[str, Any], where: dict[str, BindParameter[Any]], fields: list[Field]) -> None:
        """3. Columns that this access does not see in clear: what was shown may be written back, which changes nothing.

        Edit forms do that. The mask is a function of the value alone, so what was shown can be computed again without
        any memory of the form. Raises `MaskedWrite` for any other value.
        """
        table = self.table.table
        named = [f for f in fields if table.c[f.column].key in row]
        if not named:
            return
        self._row_key(where, row, named[0].name)
        conditions = [table.c[name] == row.get(bind.key, bind.effective_value) for name, bind in where.items()]
        shown = self.connection.execute(select(table).where(*conditions)).mappings().one_or_none()
        for field in named:
            column = table.c[field.column]
            if shown is not None and shown[column] != row[column.key]:
                refuse(MaskedWrite(field=field.name, purpose=self.access.purpose or "-"))
            del row[column.key]
        if not {c.key for c in table.c} & set(row):
            # An UPDATE needs something to set: the tenant, or the key, to what it is.
            same = table.c[self.table.tenant or self.table.key[0]]
            self.looked_at.add(same.name)
            if self.table.tenant is not None:
                row[same.key] = self.table.tenant_value(self.access.tenant or "")
            else:
                bind = where[same.name]
                row[same.key] = row.get(bind.key, bind.effective_value)

    def _names_row(self, where: dict[str, BindParameter[Any]]) -> bool:
        """Whether the WHERE names one row, as `_row_key` demands."""
        return all(name in where or (name == self.table.tenant and self.access.tenant) for name in self.table.key)

    def _row_key(self, where: dict[str, BindParameter[Any]], row: dict[str, Any], label: str) -> list[str]:
        """The row that the WHERE names by its whole primary key; the tenant's part may be left to the wall."""
        parts = []
        for name in self.table.key:
            bind = where.get(name)
            if bind is not None:
                value = row.get(bind.key, bind.effective_value)
            elif name == self.table.tenant and self.access.tenant is not None:
                value = self.access.tenant
            else:
                refuse(SealedWriteRefused(field=label, detail=f"its WHERE does not say {name} == a value"))
            parts.append(key_text(self.table.table.c[name], value))
        return parts
