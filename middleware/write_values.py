"""The values of an INSERT or UPDATE: which column they are for, where they stand, and what is stored for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Column, Connection, inspect
from sqlalchemy.orm import ColumnProperty
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList

from ..errors import InvalidInput, SealedWriteRefused
from .column_types import Sealed, Search, SearchToken
from .shape import refuse

if TYPE_CHECKING:
    from ..encryption.subject_sealing import Secret
    from .access import Access
    from .fields import Field, Protected

Rows = list[dict[str, Any]]


def value_of(candidate: Any) -> Any:
    """A plain value out of ``values()``; `EXPRESSION` for SQL."""
    if isinstance(candidate, BindParameter):
        return candidate.effective_value if not candidate.required else EXPRESSION
    return (
        EXPRESSION
        if hasattr(candidate, "_compiler_dispatch") or hasattr(candidate, "__clause_element__")
        else candidate
    )


EXPRESSION = object()


def column_of(statement: Any, table: Protected, given: Any) -> Any:  # noqa: RET503 - refuse() raises
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


def client_default(connection: Connection, column: Column[Any], row: dict[str, Any], default: Any = None) -> Any:
    """The value of a client-side default; `EXPRESSION` where there is none that Python can compute."""
    default = default or column.default
    if default is not None and default.is_scalar:
        return default.arg
    if default is not None and default.is_callable:
        return default.arg(_Context(connection, row, column))
    return EXPRESSION


def seal(access: Access, field: Field, key: list[str], value: Any, secret: Secret | None) -> Sealed | None:
    """``value`` sealed for its field and row under the access's tenant, and its subject's secret. NULL stays NULL."""
    if value is None and not field.seals_none:
        return None
    place = field.place(key) if field.table.bound_to_row else field.prefix
    encoded = field.codec.encode(value)
    if secret is not None and field.by_subject:
        return Sealed(access.cipher.seal_for(secret, place, encoded))
    return Sealed(access.cipher.seal(field.id, place, encoded))


def store(
    access: Access, field: Field, key: list[str] | None, row: dict[str, Any], secret: Secret | None = None
) -> None:
    """Put into ``row`` what is stored for the value that stands there: its envelope, its tokens, itself.

    ``secret``: of the row's subject; None where it is about nobody.
    ``key`` is None where the row is not known. While the plain column is still the one that is read, a value that
    cannot be sealed is stored plain only, and what stood sealed beside it goes: it is to be sealed by `amanah encrypt`.
    """
    column = field.table.table.c[field.column]
    value = row[column.key]
    envelope: Sealed | None = None
    tokens: tuple[SearchToken | None, SearchToken | None] = (None, None)
    try:
        if value_of(value) is EXPRESSION:
            if field.sealed:
                refuse(SealedWriteRefused(field=field.name, detail="its value is an SQL expression"))
        elif key is not None:
            envelope = seal(access, field, key, value, secret)
            if value is not None and field.search:
                tokens = Search(field).tokens(value)
    except InvalidInput:
        if field.sealed:
            raise
    if not field.writes_plain:
        del row[column.key]
    row[field.sealed_column] = envelope
    if field.search:
        row.update(zip(field.index_columns, tokens, strict=True))


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
