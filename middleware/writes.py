"""Writing personal columns: values are sealed before SQLAlchemy holds them as parameters.

`prepare` runs in ``before_execute``. It moves a statement's values into its parameter dictionaries, fills in what the row
key needs (client-side defaults, reserved integers), checks whose row it is, and puts sealed bytes and search tokens where
the values were. A sealed column is written only from a value whose row is known; everything else is refused, because it
was accepted and unreadable afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import BindParameter, Column, Connection, Insert, Integer, Table, Update, select
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList

from ..errors import MaskedWrite, SealedWriteRefused, TenantCrossed
from .access import Access, Sight
from .keys import reserve
from .personal import Sealed, Search
from .shape import refuse

if TYPE_CHECKING:
    from .fields import Field, Protected, Register

Rows = list[dict[str, Any]]


def prepare(
    connection: Connection, register: Register, access: Access, statement: Any, rows: Rows
) -> tuple[Any, Rows]:
    """The statement and its parameters as they may be compiled and executed.

    ``rows`` are parameter dictionaries (empty for none). Raises the refusals of `errors` that end in ``Refused``,
    `TenantCrossed` and `MaskedWrite`.
    """
    table = register.by_name(statement.table.name) if isinstance(getattr(statement, "table", None), Table) else None
    if table is None:
        return statement, rows
    if isinstance(statement, Insert):
        return _Inserting(connection, table, access).run(statement, rows)
    if isinstance(statement, Update):
        return _Updating(connection, table, access).run(statement, rows)
    return statement, rows


def key_text(value: Any) -> str:
    """One part of a primary key as text, spelled as the compiler's SQL spells it."""
    return value.hex if isinstance(value, UUID) else str(value)


def seal(access: Access, field: Field, key: list[str], value: Any) -> Sealed | None:
    """``value`` sealed for its field and row under the access's tenant. NULL stays NULL."""
    if value is None or type(value) is Sealed:
        return value
    place = field.place(key) if field.table.bound_to_row else field.prefix
    return Sealed(access.cipher.seal(field.id, place, field.codec.encode(value)))


def _value_of(candidate: Any) -> Any:
    """A plain value out of ``values()``; `_EXPRESSION` for SQL."""
    if isinstance(candidate, BindParameter):
        return candidate.effective_value
    return _EXPRESSION if hasattr(candidate, "_compiler_dispatch") or hasattr(candidate, "__clause_element__") else candidate


_EXPRESSION = object()


class _Inserting:
    """One INSERT on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. Values into dictionaries. 2. Upsert checked. 3. Tenant. 4. Key. 5. Seal."""
        statement, rows = self._values_to_rows(statement, rows)
        self._check_upsert(statement)
        rows = rows or [{}]
        for row in rows:
            self._tenant(row, statement)
        if any(f.sealed for f in self.table.fields.values()):
            self._keys(rows)
            for row in rows:
                self._seal(row, statement)
        return statement, rows

    def _values_to_rows(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        columns = self.table.table.c
        if statement._multi_values:  # noqa: SLF001
            many = [
                {_key_of(columns, k): _value_of(v) for k, v in one.items()}
                for group in statement._multi_values  # noqa: SLF001
                for one in group
            ]
            if any(value is _EXPRESSION for one in many for value in one.values()):
                refuse(SealedWriteRefused(field=self.table.name, detail="values() of many rows holds SQL expressions"))
            bare = statement._generate()  # noqa: SLF001
            bare._multi_values = ()  # noqa: SLF001
            return bare, many
        if not statement._values:  # noqa: SLF001
            return statement, [dict(row) for row in rows]
        stay, move = {}, {}
        for column, candidate in statement._values.items():  # noqa: SLF001
            value = _value_of(candidate)
            if value is _EXPRESSION:
                stay[column] = candidate
            else:
                move[_key_of(columns, column)] = value
        bare = statement._generate()  # noqa: SLF001
        bare._values = type(statement._values)(stay) if stay else None  # noqa: SLF001
        return bare, [{**move, **row} for row in (rows or [{}])]

    def _check_upsert(self, statement: Any) -> None:
        """DO UPDATE could reach another tenant's row, or a personal column of a row that is not this one."""
        clause = getattr(statement, "_post_values_clause", None)
        if clause is None or not hasattr(clause, "update_values_to_set"):
            return
        target = {str(getattr(c, "name", c)) for c in (clause.inferred_target_elements or ())}
        if self.table.tenant not in target:
            refuse(SealedWriteRefused(field=self.table.name, detail="an upsert whose target lacks the tenant column"))
        changed = {str(getattr(k, "name", k)) for k, _ in clause.update_values_to_set}
        for name in changed & (set(self.table.fields) | {self.table.tenant, *self.table.key}):
            refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="an upsert that sets it"))

    def _tenant(self, row: dict[str, Any], statement: Any) -> None:
        """The row is of the access's tenant; sign-in names the tenant itself, on the tables declared for it."""
        column = self.table.table.c[self.table.tenant]
        if any(getattr(c, "name", c) == column.name for c in (statement._values or ())):  # noqa: SLF001
            refuse(TenantCrossed(resource=self.table.resource))
        if self.access.tenant is None:
            if self.access.kind == "sign_in" and self.table.sign_in and row.get(column.key) is not None:
                return
            refuse(TenantCrossed(resource=self.table.resource))
        given = row.get(column.key)
        if given is None:
            row[column.key] = tenant_value(column, self.access.tenant)
        elif str(given) != self.access.tenant:
            refuse(TenantCrossed(resource=self.table.resource))

    def _keys(self, rows: Rows) -> None:
        """Fill in key parts that are made by the client, and reserve integers that the database would assign."""
        for column in self.table.key_columns():
            missing = [row for row in rows if row.get(column.key) is None]
            if not missing:
                continue
            default = column.default
            if default is not None and default.is_scalar:
                values: list[Any] = [default.arg] * len(missing)
            elif default is not None and default.is_callable:
                values = [default.arg(None) for _ in missing]
            elif isinstance(column.type, Integer) and column is self.table.table.autoincrement_column:
                values = reserve(self.connection, column, len(missing))
            else:
                refuse(SealedWriteRefused(field=f"{self.table.name}", detail=f"{column.name} is made by the database"))
            for row, value in zip(missing, values, strict=True):
                row[column.key] = value

    def _seal(self, row: dict[str, Any], statement: Any) -> None:
        key = [key_text(row[c.key]) for c in self.table.key_columns()]
        expressions = {getattr(c, "name", c) for c in (statement._values or ())}  # noqa: SLF001
        for name, field in self.table.fields.items():
            if not field.sealed:
                continue
            column = self.table.table.c[name]
            if name in expressions:
                refuse(SealedWriteRefused(field=field.name, detail="its value is an SQL expression"))
            if column.key not in row and column.default is not None:
                row[column.key] = column.default.arg(None) if column.default.is_callable else column.default.arg
            if column.key in row:
                value = row[column.key]
                row[column.key] = seal(self.access, field, key, value)
                _token(field, row, value, self.table)


def _token(field: Field, row: dict[str, Any], value: Any, table: Protected) -> None:
    if field.search and field.index_column in table.table.c:
        row[field.index_column] = None if value is None else Search(field).token(value)


def _key_of(columns: Any, column: Any) -> str:
    """The parameter's name for a column given as Column or name in ``values()``."""
    if isinstance(column, str):
        return column
    known = columns.get(getattr(column, "key", None))
    return str(known.key if known is not None else column.key)


def tenant_value(column: Column[Any], tenant: str) -> Any:
    """The tenant's identifier in the type of the application's column."""
    python_type = column.type.python_type
    return tenant if python_type is str else python_type(tenant)


class _Updating:
    """One UPDATE on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. What is set. 2. Key and tenant stay. 3. Who does not see a column may not change it. 4. Seal."""
        where = key_binds(statement, self.table)
        columns = self.table.table.c
        values = {
            _key_of(columns, column): _value_of(candidate)
            for column, candidate in (statement._values or {}).items()  # noqa: SLF001
        }
        rows = [dict(row) for row in rows]
        set_names = set(values) | ({c.key for c in columns} & set(rows[0]) if rows else set())
        where_names = {bind.key for bind in where.values()}
        set_names -= {n for n in where_names if n not in values}
        self._check_key(set_names, values, rows)
        personal = [f for f in self.table.fields.values() if columns[f.column].key in set_names]
        if not personal:
            return statement, rows
        if values:
            statement, rows = self._values_to_rows(statement, values, personal, rows)
        rows = rows or [{}]
        unseen = [f for f in personal if self.access.sight(f) is not Sight.CLEAR]
        for row in rows:
            self._leave_as_shown(row, where, unseen)
            self._seal(row, where, [f for f in personal if f.sealed and f not in unseen])
        return statement, rows

    def _check_key(self, names: set[str], values: dict[str, Any], rows: Rows) -> None:
        columns = self.table.table.c
        tenant = columns[self.table.tenant].key
        for row in [values, *rows] if tenant in names else ():
            if tenant in row and str(row[tenant]) != self.access.tenant:
                refuse(TenantCrossed(resource=self.table.resource))
        if any(f.sealed for f in self.table.fields.values()):
            fixed = {columns[n].key for n in (*self.table.key, *filter(None, [self.table.subject]))} - {tenant}
            for name in names & fixed:
                refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="it is part of what its row is"))

    def _values_to_rows(
        self, statement: Any, values: dict[str, Any], personal: list[Field], rows: Rows
    ) -> tuple[Any, Rows]:
        """Move the personal values of ``values()`` into the parameters; the others stay where they are."""
        columns = self.table.table.c
        moved: dict[str, Any] = {}
        for field in personal:
            name = columns[field.column].key
            if name in values:
                if values[name] is _EXPRESSION:
                    refuse(SealedWriteRefused(field=field.name, detail="its value is an SQL expression"))
                moved[name] = values[name]
        stay = {c: v for c, v in statement._values.items() if _key_of(columns, c) not in moved}  # noqa: SLF001
        bare = statement._generate()  # noqa: SLF001
        bare._values = type(statement._values)(stay) if stay else None  # noqa: SLF001
        return bare, [{**moved, **row} for row in (rows or [{}])]

    def _seal(self, row: dict[str, Any], where: dict[str, BindParameter[Any]], fields: list[Field]) -> None:
        """4. Seal each value for the row that the WHERE names."""
        key: list[str] | None = None
        for field in fields:
            name = self.table.table.c[field.column].key
            if name in row:
                key = key if key is not None else self._row_key(where, row, field)
                value = row[name]
                row[name] = seal(self.access, field, key, value)
                _token(field, row, value, self.table)

    def _leave_as_shown(
        self, row: dict[str, Any], where: dict[str, BindParameter[Any]], fields: list[Field]
    ) -> None:
        """3. Columns that this access does not see in clear: what was shown may be written back, which changes nothing.

        Edit forms do that. The mask is a function of the value alone, so what was shown can be computed again without any
        memory of the form. Raises `MaskedWrite` for any other value.
        """
        table = self.table.table
        named = [f for f in fields if table.c[f.column].key in row]
        if not named:
            return
        self._row_key(where, row, named[0])
        conditions = [
            table.c[name] == row.get(bind.key, bind.effective_value) for name, bind in where.items()
        ]
        shown = self.connection.execute(select(table).where(*conditions)).mappings().one_or_none()
        for field in named:
            column = table.c[field.column]
            if shown is not None and shown[column] != row[column.key]:
                refuse(MaskedWrite(field=field.name, purpose=self.access.purpose or "-"))
            del row[column.key]
        if not {c.key for c in table.c} & set(row):
            # An UPDATE needs something to set: the tenant, to what it is.
            tenant = table.c[self.table.tenant]
            row[tenant.key] = tenant_value(tenant, self.access.tenant or "")

    def _row_key(self, where: dict[str, BindParameter[Any]], row: dict[str, Any], field: Field) -> list[str]:
        """The row that the WHERE names by its whole primary key; the tenant's part may be left to the wall."""
        parts = []
        for name in self.table.key:
            bind = where.get(name)
            if bind is not None:
                value = row.get(bind.key, bind.effective_value)
            elif name == self.table.tenant and self.access.tenant is not None:
                value = self.access.tenant
            else:
                refuse(SealedWriteRefused(field=field.name, detail=f"its WHERE does not say {name} == a value"))
            parts.append(key_text(value))
        return parts


def key_binds(statement: Any, table: Protected) -> dict[str, BindParameter[Any]]:
    """Key column → the bind parameter that the WHERE demands it equals; taken from the criteria, never by guessing."""
    found: dict[str, BindParameter[Any]] = {}

    def visit(clause: Any) -> None:
        if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
            for part in clause.clauses:
                visit(part)
        elif isinstance(clause, BinaryExpression) and clause.operator is operators.eq:
            for column, bind in ((clause.left, clause.right), (clause.right, clause.left)):
                if (
                    isinstance(bind, BindParameter)
                    and getattr(column, "name", None) in table.key
                    and getattr(getattr(column, "table", None), "name", None) == table.name
                ):
                    found[column.name] = bind

    for criterion in statement._where_criteria:  # noqa: SLF001
        visit(criterion)
    return found


__all__ = ["Rows", "key_binds", "key_text", "prepare", "seal", "tenant_value"]
