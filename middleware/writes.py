"""Writing personal columns: values are sealed before SQLAlchemy holds them as parameters.

`prepare` runs in ``before_execute``. It moves a statement's values into its parameter dictionaries, fills in what the
row key needs (client-side defaults, reserved integers), checks whose row it is, and puts sealed bytes and search
tokens where the values were. A sealed column is written only from a value whose row is known; everything else is
refused, because it was accepted and unreadable afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Column, Connection, Insert, Integer, Table, Update, inspect, select
from sqlalchemy.orm import ColumnProperty
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.selectable import AliasedReturnsRows

from ..errors import InvalidInput, MaskedWrite, SealedWriteRefused, TenantCrossed
from .access import Access, Sight
from .fields import key_text
from .keys import reserve
from .parent_rows import demand_foreign_keys, demand_parents
from .personal import Sealed, Search, SearchToken
from .shape import refuse

if TYPE_CHECKING:
    from .fields import Field, Protected, Register

Rows = list[dict[str, Any]]
_HARMLESS_PREFIXES = frozenset({"or ignore", "or abort"})


def target_of(register: Register, statement: Any) -> Protected | None:
    """The protected table that an INSERT or UPDATE is about to write, or None.

    Raises `SealedWriteRefused` where it goes by an alias or by another Table object of that name: whose columns these
    are could only be guessed.
    """
    target = statement.table
    while isinstance(target, AliasedReturnsRows):
        target = target.element
    table = register.by_name(getattr(target, "name", ""))
    if table is None:
        return None
    if not isinstance(statement.table, Table) or statement.table != table.table:
        detail = "it is written by an alias or by a Table that is not the declared one"
        refuse(SealedWriteRefused(field=table.name, detail=detail))
    return table


def prepare(
    connection: Connection, table: Protected, access: Access, statement: Insert | Update, rows: Rows
) -> tuple[Any, Rows, frozenset[str]]:
    """The INSERT or UPDATE of ``table`` and its parameters as they may be compiled and executed; the columns looked at.

    ``rows`` are parameter dictionaries (empty for none). Raises the refusals of `errors` that end in ``Refused``,
    `TenantCrossed` and `MaskedWrite`.
    """
    _check_prefixes(table, statement)
    if isinstance(statement, Insert):
        ready, rows = _Inserting(connection, table, access).run(statement, rows)
        return ready, rows, frozenset(c.name for c in table.table.columns)
    updating = _Updating(connection, table, access)
    ready, rows = updating.run(statement, rows)
    return ready, rows, frozenset(updating.looked_at)


def foresee(connection: Connection, table: Protected, access: Access, statement: Insert | Update, rows: Rows) -> None:
    """Raise what `prepare` would refuse, as far as the statement alone tells: the database is not asked.

    For a table without sealed columns that is only observed. ``rows`` are left as they are.
    """
    rows = [dict(row) for row in rows]
    if isinstance(statement, Insert):
        _Inserting(connection, table, access).foresee(statement, rows)
    elif table.tenant is not None:
        tenant = table.table.c[table.tenant].key
        where = {bind.key for bind in key_binds(statement, table).values()}
        values = {_column(statement, table, given).key: value for given, value in (statement._values or {}).items()}  # noqa: SLF001
        given = [_value_of(row[tenant]) for row in [values, *rows] if tenant in row and tenant not in where]
        if any(str(value) != access.tenant for value in given):
            refuse(TenantCrossed(resource=table.resource))


def _check_prefixes(table: Protected, statement: Insert | Update) -> None:
    """``OR REPLACE`` (SQLite) would delete whatever row has the key, another tenant's or one of its children, too."""
    for prefix, _ in statement._prefixes:  # noqa: SLF001
        if " ".join(str(prefix).lower().split()) not in _HARMLESS_PREFIXES:
            refuse(SealedWriteRefused(field=table.name, detail="a prefix such as OR REPLACE reaches other rows"))


def delicate(table: Protected) -> frozenset[str]:
    """The columns that an UPDATE may set only after a look: whose row it is, what is personal, and the row's place."""
    place = (*table.key, table.subject) if table.writes_sealed or table.has_children else ()
    return frozenset(name for name in (table.owner_column, *table.fields, *place) if name is not None)


def seal(access: Access, field: Field, key: list[str], value: Any) -> Sealed | None:
    """``value`` sealed for its field and row under the access's tenant. NULL stays NULL."""
    if value is None:
        return None
    place = field.place(key) if field.table.bound_to_row else field.prefix
    return Sealed(access.cipher.seal(field.id, place, field.codec.encode(value)))


def _value_of(candidate: Any) -> Any:
    """A plain value out of ``values()``; `_EXPRESSION` for SQL."""
    if isinstance(candidate, BindParameter):
        return candidate.effective_value if not candidate.required else _EXPRESSION
    return (
        _EXPRESSION
        if hasattr(candidate, "_compiler_dispatch") or hasattr(candidate, "__clause_element__")
        else candidate
    )


_EXPRESSION = object()


def _column(statement: Any, table: Protected, given: Any) -> Any:  # noqa: RET503 - refuse() raises
    """The column that a key of ``values()`` names: a Column, its key, or the attribute of a mapped class.

    Anything else (a hybrid that sets several columns, a column of another table) is refused: SQLAlchemy resolves it
    only while it compiles, when it is too late to look.
    """
    columns = table.table.c
    name = given
    if not isinstance(given, str):
        name = given._annotations.get("proxy_key")  # noqa: SLF001
        if "entity_namespace" not in given._annotations or name is None:  # noqa: SLF001
            if getattr(given, "table", None) == table.table and given.key in columns:
                return columns[given.key]
            name = ""
    entity = statement._propagate_attrs.get("plugin_subject")  # noqa: SLF001
    if entity is not None and name in (mapper := inspect(entity).mapper).all_orm_descriptors:
        known = mapper.attrs.get(name)
        for column in known.columns if isinstance(known, ColumnProperty) else ():
            if column.table is table.table:
                return columns[column.key]
    elif name in columns:
        return columns[name]
    refuse(SealedWriteRefused(field=table.name, detail="values() names something else than one of its columns"))


@dataclass(frozen=True, slots=True)
class _Context:
    """What a default that takes a context finds there, before SQLAlchemy has made its own."""

    connection: Connection
    current_parameters: dict[str, Any]
    current_column: Column[Any]

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """The row's other values."""
        return self.current_parameters

    @property
    def dialect(self) -> Any:
        """The connection's."""
        return self.connection.dialect

    @property
    def engine(self) -> Any:
        """The connection's."""
        return self.connection.engine


def _client_default(connection: Connection, column: Column[Any], row: dict[str, Any], default: Any = None) -> Any:
    """The value of a client-side default; `_EXPRESSION` where there is none that Python can compute."""
    default = default or column.default
    if default is not None and default.is_scalar:
        return default.arg
    if default is not None and default.is_callable:
        return default.arg(_Context(connection, row, column))
    return _EXPRESSION


class _Inserting:
    """One INSERT on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access
        self.expressions: set[str] = set()

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. Values into dictionaries. 2. Upsert checked. 3. Tenant. 4. Key. 5. Seal."""
        statement, rows = self._values_to_rows(statement, rows)
        self._check_upsert(statement)
        rows = rows or [{}]
        self._tenants(rows)
        demand_foreign_keys(self.connection, self.table)
        if self.table.writes_sealed:
            known = not self.table.bound_to_row or self._keys(rows)
            for row in rows:
                self._seal(row, known=known)
        return statement, rows

    def foresee(self, statement: Any, rows: Rows) -> None:
        """Steps 1 to 3, as far as they need no query."""
        statement, rows = self._values_to_rows(statement, rows)
        self._check_upsert(statement)
        if self.table.via is None:
            self._tenants(rows or [{}])

    def _values_to_rows(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        if statement._multi_values:  # noqa: SLF001
            many = [
                {_column(statement, self.table, k).key: _value_of(v) for k, v in one.items()}
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
        for given, candidate in statement._values.items():  # noqa: SLF001
            column = _column(statement, self.table, given)
            value = _value_of(candidate)
            if value is _EXPRESSION:
                stay[given] = candidate
                self.expressions.add(column.name)
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
            name = _column(statement, self.table, given).name
            if name in self.table.fields or name in (owner, *self.table.key):
                refuse(SealedWriteRefused(field=f"{self.table.name}.{name}", detail="an upsert that sets it"))

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
                row[column.key] = _client_default(self.connection, column, row)
        demand_parents(self.connection, self.access, table, [_value_of(row[column.key]) for row in rows])

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
        needed = any(f.sealed for f in self.table.fields.values())
        for column in self.table.key_columns():
            if column.name in self.expressions:
                if not needed:
                    return False
                refuse(SealedWriteRefused(field=self.table.name, detail=f"{column.name} is an SQL expression"))
            for row in rows:
                if row.get(column.key) is None:
                    value = _client_default(self.connection, column, row)
                    if value is not _EXPRESSION:
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

    def _seal(self, row: dict[str, Any], *, known: bool) -> None:
        """``known``: the row's key is."""
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
                row[column.key] = _client_default(self.connection, column, row, default)
            if column.key in row:
                store(self.access, field, key, row)


def store(access: Access, field: Field, key: list[str] | None, row: dict[str, Any]) -> None:
    """Put into ``row`` what is stored for the value that stands there: its envelope, its token, itself.

    ``key`` is None where the row is not known. While the plain column is still the one that is read, a value that
    cannot be sealed is stored plain only, and what stood sealed beside it goes: it is to be sealed by `amanah encrypt`.
    """
    column = field.table.table.c[field.column]
    value = row[column.key]
    envelope: Sealed | None = None
    token: SearchToken | None = None
    try:
        if _value_of(value) is _EXPRESSION:
            if field.sealed:
                refuse(SealedWriteRefused(field=field.name, detail="its value is an SQL expression"))
        elif key is not None:
            envelope = seal(access, field, key, value)
            token = None if value is None or not field.search else Search(field).token(value)
    except InvalidInput:
        if field.sealed:
            raise
    if not field.writes_plain:
        del row[column.key]
    row[field.sealed_column] = envelope
    if field.search:
        row[field.index_column] = token


class _Updating:
    """One UPDATE on its way."""

    def __init__(self, connection: Connection, table: Protected, access: Access) -> None:
        self.connection = connection
        self.table = table
        self.access = access
        self.looked_at: set[str] = set()

    def run(self, statement: Any, rows: Rows) -> tuple[Any, Rows]:
        """1. What is set. 2. Key and tenant stay. 3. Who does not see a column may not change it. 4. Seal."""
        where = key_binds(statement, self.table)
        columns = self.table.table.c
        values = {
            _column(statement, self.table, given).key: _value_of(candidate)
            for given, candidate in (statement._values or {}).items()  # noqa: SLF001
        }
        rows = [dict(row) for row in rows]
        set_names = set(values) | ({c.key for c in columns} & set(rows[0]) if rows else set())
        where_names = {bind.key for bind in where.values()}
        set_names -= {n for n in where_names if n not in values}
        self.looked_at = {columns[key].name for key in set_names}
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
            self._seal(row, where, [f for f in personal if f.writes_sealed and f not in unseen])
        return statement, rows

    def _check_key(self, names: set[str], values: dict[str, Any], rows: Rows) -> None:
        columns = self.table.table.c
        owner = None if self.table.owner_column is None else columns[self.table.owner_column].key
        given = [row[owner] for row in [values, *rows] if owner in row] if owner in names else []
        if self.table.via is not None:
            demand_parents(self.connection, self.access, self.table, [_value_of(value) for value in given])
        elif any(str(value) != self.access.tenant for value in given):
            refuse(TenantCrossed(resource=self.table.resource))
        if names & {columns[n].key for n in self.table.key}:
            demand_foreign_keys(self.connection, self.table)
        if self.table.writes_sealed:
            place = {columns[n].key for n in (*self.table.key, *filter(None, [self.table.subject]))}
            for name in names & (place - ({owner} if self.table.via is None else set())):
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
        stay = {
            given: value
            for given, value in statement._values.items()  # noqa: SLF001
            if _column(statement, self.table, given).key not in moved
        }
        bare = statement._generate()  # noqa: SLF001
        bare._values = type(statement._values)(stay) if stay else None  # noqa: SLF001
        return bare, [{**moved, **row} for row in (rows or [{}])]

    def _seal(self, row: dict[str, Any], where: dict[str, BindParameter[Any]], fields: list[Field]) -> None:
        """4. Seal each value for the row that the WHERE names."""
        key: list[str] | None = None
        for field in fields:
            if self.table.table.c[field.column].key not in row:
                continue
            if key is None and (field.sealed or self._names_row(where)):
                key = self._row_key(where, row, field)
            store(self.access, field, key, row)

    def _leave_as_shown(self, row: dict[str, Any], where: dict[str, BindParameter[Any]], fields: list[Field]) -> None:
        """3. Columns that this access does not see in clear: what was shown may be written back, which changes nothing.

        Edit forms do that. The mask is a function of the value alone, so what was shown can be computed again without
        any memory of the form. Raises `MaskedWrite` for any other value.
        """
        table = self.table.table
        named = [f for f in fields if table.c[f.column].key in row]
        if not named:
            return
        self._row_key(where, row, named[0])
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
            parts.append(key_text(self.table.table.c[name], value))
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


__all__ = ["Rows", "delicate", "foresee", "key_binds", "key_text", "prepare", "seal", "target_of"]
