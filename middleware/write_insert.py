"""One INSERT on its way: whose rows they are, the keys that they get, and their sealed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Integer

from ..errors import SealedWriteRefused, SubjectErased, TenantCrossed
from .fields import key_text
from .keys import reserve
from .parent_rows import demand_foreign_keys, demand_parents
from .references import demand_inserted, demand_set
from .row_seals import SEAL_COLUMN
from .shape import refuse
from .subjects import secrets_for

if TYPE_CHECKING:
    from ..encryption.subject_sealing import Secret
    from .access import Access
    from .fields import Protected
from .write_rows import seal_new_rows
from .write_values import EXPRESSION, Rows, client_default, column_of, store, value_of


class Inserting:
    """One INSERT on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access
        self.expressions: dict[str, Any] = {}

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. Values into dictionaries. 2. Upsert, categories. 3. Tenant, what is referred to. 4. Key. 5. Seal."""
        statement, rows = self._values_to_rows(statement, rows)
        self._check_upsert(statement)
        self._check_categories(rows)
        rows = rows or [{}]
        self._tenants(rows)
        if self.table.references:
            sure = statement._post_values_clause is None and not statement._prefixes  # noqa: SLF001
            demand_inserted(self.connection, self.access, self.table, rows, self.expressions, sure=sure)
            self._check_references_set(statement)
        demand_foreign_keys(self.connection, self.table)
        if self.table.writes_sealed:
            known = not self.table.bound_to_row or self._keys(rows)
            for row, secret in zip(rows, self._secrets(rows, known=known), strict=True):
                self._seal(row, secret, known=known)
            if self.table.sealed_rows is not None:
                seal_new_rows(self.connection, self.table, self.access, rows, set(self.expressions))
        return statement, rows

    def foresee(self, statement: Any, rows: Rows) -> None:
        """Steps 1 to 3, as far as they need no query."""
        statement, rows = self._values_to_rows(statement, rows)
        self._check_upsert(statement)
        self._check_categories(rows)
        if self.table.via is None:
            self._tenants(rows or [{}])

    def _values_to_rows(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        if statement._multi_values:  # noqa: SLF001
            many = [
                {column_of(statement, self.table, k).key: value_of(v) for k, v in one.items()}
                for group in statement._multi_values  # noqa: SLF001
                for one in group
            ]
            if any(value is EXPRESSION for one in many for value in one.values()):
                refuse(SealedWriteRefused(field=self.table.name, detail="values() of many rows holds SQL expressions"))
            bare = statement._generate()  # noqa: SLF001
            bare._multi_values = ()  # noqa: SLF001
            return bare, many
        if not statement._values:  # noqa: SLF001
            return statement, [dict(row) for row in rows]
        stay, move = {}, {}
        for given, candidate in statement._values.items():  # noqa: SLF001
            column = column_of(statement, self.table, given)
            value = value_of(candidate)
            if value is EXPRESSION:
                stay[given] = candidate
                self.expressions[column.name] = candidate
            else:
                move[column.key] = value
        bare = statement._generate()  # noqa: SLF001
        bare._values = type(statement._values)(stay) if stay else None  # noqa: SLF001
        return bare, [{**move, **row} for row in (rows or [{}])]

    def _check_upsert(self, statement: Any) -> None:
        """DO UPDATE could reach another tenant's row, or a personal column of a row that is not this one."""
        clause = getattr(statement, "_post_values_clause", None)
        if clause is None or not hasattr(clause, "update_values_to_set"):
            return
        target = {str(getattr(c, "name", c)) for c in (clause.inferred_target_elements or ())}
        owner = self.table.owner_column
        if owner is not None and owner not in target:
            refuse(SealedWriteRefused(field=self.table.name, detail=f"an upsert whose target lacks {owner}"))
        pairs = clause.update_values_to_set
        for given, _ in pairs.items() if hasattr(pairs, "items") else pairs:
            name = column_of(statement, self.table, given).name
            if self.table.names(name) or name in (owner, SEAL_COLUMN, *self.table.key):
                refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="an upsert that sets it"))

    def _check_categories(self, rows: Rows) -> None:
        """To collect is to process: no value of a category for which the purpose is not registered. NULL is none."""
        for name, field in self.table.fields.items():
            if not self.access.closes(field):
                continue
            key = self.table.table.c[name].key
            if name in self.expressions or any(value_of(row.get(key)) is not None for row in rows):
                refuse(self.access.withheld(field))

    def _check_references_set(self, statement: Any) -> None:
        """What DO UPDATE lets a row refer to; what the new row would have held was looked at."""
        pairs = getattr(statement._post_values_clause, "update_values_to_set", ())  # noqa: SLF001
        given = {
            column_of(statement, self.table, one).name: value
            for one, value in (pairs.items() if hasattr(pairs, "items") else pairs)
        }
        said = {name: value_of(value) for name, value in given.items() if not _is_new_rows_own(value, name)}
        demand_set(self.connection, self.access, self.table, [said], given)

    def _tenants(self, rows: Rows) -> None:
        """The rows are of the access's tenant: by their column, by their parents, or like all rows."""
        table = self.table
        if table.owner_column is None:
            if self.access.tenant != table.fixed and not (self._signing_in() and table.sign_in):
                refuse(TenantCrossed(resource=table.resource))
            return
        column = table.table.c[table.owner_column]
        if column.name in self.expressions:
            refuse(TenantCrossed(resource=table.resource))
        if table.via is None:
            for row in rows:
                self._tenant(row, column)
            return
        for row in rows:
            if row.get(column.key) is None:
                row[column.key] = client_default(self.connection, column, row)
        demand_parents(self.connection, self.access, table, [value_of(row[column.key]) for row in rows])

    def _signing_in(self) -> bool:
        return self.access.kind == "sign_in" and self.access.tenant is None

    def _tenant(self, row: dict[str, Any], column: Column[Any]) -> None:
        """The row is of the access's tenant; sign-in names the tenant itself, on the tables declared for it."""
        given = row.get(column.key)
        if self.access.tenant is None:
            if self._signing_in() and self.table.sign_in and given is not None:
                return
            refuse(TenantCrossed(resource=self.table.resource))
        if given is None:
            row[column.key] = self.table.tenant_value(self.access.tenant)
        elif str(given) != self.access.tenant:
            refuse(TenantCrossed(resource=self.table.resource))

    def _keys(self, rows: Rows) -> bool:
        """Fill in key parts that are made by the client, and reserve integers that the database would assign.

        False where the key cannot be known before, and nothing depends on it yet.
        """
        needed = self.table.sealed_rows is not None or any(f.sealed for f in self.table.fields.values())
        for column in self.table.key_columns():
            if column.name in self.expressions:
                if not needed:
                    return False
                refuse(SealedWriteRefused(field=self.table.name, detail=f"{column.name} is an SQL expression"))
            for row in rows:
                if row.get(column.key) is None:
                    value = client_default(self.connection, column, row)
                    if value is not EXPRESSION:
                        row[column.key] = value
            missing = [row for row in rows if row.get(column.key) is None]
            if not missing:
                continue
            if not isinstance(column.type, Integer) or column is not self.table.table.autoincrement_column:
                if not needed:
                    return False
                refuse(SealedWriteRefused(field=self.table.name, detail=f"{column.name} has no value and no default"))
            for row, number in zip(missing, reserve(self.connection, column, len(missing)), strict=True):
                row[column.key] = number
        return True

    def _secrets(self, rows: Rows, *, known: bool) -> list[Secret | None]:
        """The secrets of the rows' subjects; None for a row that is about nobody."""
        name, fields = self.table.subject, [f for f in self.table.fields.values() if f.by_subject]
        if name is None or not fields or not known:
            return [None] * len(rows)
        column = self.table.table.c[name]
        if name in self.expressions:
            refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="its subject is an SQL expression"))
        subjects: list[str | None] = []
        for row in rows:
            if (
                row.get(column.key) is None
                and (value := client_default(self.connection, column, row)) is not EXPRESSION
            ):
                row[column.key] = value
            subject = value_of(row.get(column.key))
            if subject is EXPRESSION:
                refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="its subject is an SQL expression"))
            subjects.append(None if subject is None else key_text(column, subject))
        wanted = [one for one in subjects if one is not None]
        subjects_own = name in self.table.key  # the row that makes a person known
        secrets = secrets_for(
            self.connection, self.access.subjects, self.access.cipher, self.table.subject_kind, wanted, new=subjects_own
        )
        for one in wanted:
            if one not in secrets:
                refuse(SubjectErased(subject=f"{self.table.subject_kind} {one}"))
        return [None if one is None else secrets[one] for one in subjects]

    def _seal(self, row: dict[str, Any], secret: Secret | None, *, known: bool) -> None:
        """``known``: the row's key is. ``secret``: its subject's."""
        key = None
        if known:
            key = [key_text(c, row[c.key]) for c in self.table.key_columns()] if self.table.bound_to_row else []
        for name, field in self.table.fields.items():
            if not field.writes_sealed:
                continue
            if field.sealed_column in self.expressions or (field.sealed and name in self.expressions):
                refuse(SealedWriteRefused(field=field.name, detail="its value is an SQL expression"))
            column = self.table.table.c[name]
            default = field.default or column.default
            # The ORM says None for a column without default, and knows of none where we keep it.
            missing = column.key not in row or (field.default is not None and row[column.key] is None)
            if default is not None and missing:
                row[column.key] = client_default(self.connection, column, row, default)
            if column.key in row:
                store(self.access, field, key, row, secret)


def _is_new_rows_own(value: Any, name: str) -> bool:
    """``excluded.name``: what the row would have held that was to be inserted, which was looked at."""
    table = getattr(value, "table", None)
    return getattr(table, "name", None) == "excluded" and getattr(value, "name", None) == name
