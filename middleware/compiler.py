"""The first wall and the walk of the statement: a subclass of the dialect's own compiler.

Everything that SQLAlchemy renders passes here, ORM and Core alike, once per statement shape:

1. A protected table in a FROM is rendered as ``(SELECT * FROM t WHERE tenant_id = :tenant) AS t``; UPDATE and DELETE get
   the same condition. PostgreSQL flattens it into index scans.
2. A personal column is rendered only where that keeps its promise: as a plain output column (with its row's key before
   it), in IS NULL and COUNT, and, where it is searchable, in equality and IN (on its search column). A governed column
   (stored plain) may stand anywhere, and where rows are chosen by it that is noted as a probe.
3. What was touched is kept as the compiled form's `Shape`.

Tried and not enough: ``with_loader_criteria`` (seven shapes of statement leak) and a comparator (``func.lower(c) == x`` and
``order_by(c)`` fail silently).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Alias, BindParameter, Column, Integer, Null, Table, Uuid, bindparam
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnClause, ColumnElement, Grouping, Label
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause

from ..errors import RawSqlRefused, SealedUseRefused, SealedWriteRefused
from .access import current
from .personal import Bound, IndexToken, Personal, Search
from .shape import Shape, check_raw, refuse

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from .fields import Field, Protected, Register

_EQUALITY = {operators.eq: " = ", operators.ne: " != "}
_MEMBERSHIP = {operators.in_op: " IN ", operators.not_in_op: " NOT IN "}
_NULLNESS = {operators.is_: " IS NULL", operators.is_not: " IS NOT NULL"}

SIGN_IN = "amanah:sign_in"
"""The statement hint by which compiled forms made under a sign-in access are kept apart in SQLAlchemy's cache."""


def protect_dialect(dialect: Dialect, register: Register) -> None:
    """Give ``dialect`` (of one engine) a compiler that knows ``register``."""
    base = dialect.statement_compiler
    if not issubclass(base, GuardedCompiler):
        dialect.statement_compiler = type(f"Guarded{base.__name__}", (GuardedCompiler, base), {"register": register})


def _tenant_now() -> str | None:
    access = current()
    return None if access is None or access.closed else access.tenant


class _Wall(ColumnElement[Any]):
    """``t.tenant_id = :tenant`` for the target of an UPDATE or DELETE."""

    __visit_name__ = "amanah_wall"
    inherit_cache = False

    def __init__(self, target: Any, table: Protected) -> None:
        self.target = target
        self.protected = table


def _plain(element: Any) -> Any:
    """The column under a label or parentheses, if that is all there is."""
    while isinstance(element, Label | Grouping):
        element = element.element
    return element


def _personal(element: Any) -> Field | None:
    """The field, if ``element`` is a personal column itself."""
    if isinstance(element, ColumnClause) and isinstance(element.type, Personal):
        return element.type.field
    return None


class GuardedCompiler(SQLCompiler):
    """Mixed in before a dialect's compiler class."""

    register: Register

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Compilation happens inside SQLAlchemy's constructor, so our state comes first."""
        self.amanah_shape = Shape()
        self._allowed: list[Any] = []
        self._exists = False
        self._in_exists: list[bool] = []
        self._tenant_binds: dict[str, BindParameter[Any]] = {}
        super().__init__(*args, **kwargs)

    # -- 1. the wall --------------------------------------------------------------------------------------------------

    def _walled(self, table: Protected) -> bool:
        """Whether rows are limited to the access's tenant: always, but for sign-in on the tables named for it."""
        access = current()
        return not (access is not None and access.kind == "sign_in" and table.sign_in)

    def _tenant_bind(self, table: Protected, **kw: Any) -> str:
        bind = self._tenant_binds.get(table.name)
        if bind is None:
            bind = bindparam(f"amanah_tenant_{table.name}", callable_=_tenant_now, type_=table.table.c[table.tenant].type)
            self._tenant_binds[table.name] = bind
        kw = {k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")}
        return self.process(bind, **kw)

    def visit_table(self, table: Any, asfrom: bool = False, iscrud: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """A table in a FROM stands behind the wall."""
        protected = self.register.by_name(table.name)
        if protected is None:
            folded = table.name.lower()
            if folded in self.register.undeclared or (folded.startswith("amanah_") and not table.schema):
                self.amanah_shape.undeclared.add(table.name)
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        if kw.get("within_tstring"):
            refuse(RawSqlRefused(name=protected.name))
        if not asfrom or iscrud:
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        self.amanah_shape.touch(protected, "read")
        if not self._walled(protected):
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        names = kw.pop("ambiguous_table_name_map", None)
        enclosing = kw.get("enclosing_alias")
        inner = super().visit_table(table, asfrom=True, iscrud=False, **kw)
        column = self.preparer.quote(protected.tenant)
        text = f"(SELECT * FROM {inner} WHERE {column} = {self._tenant_bind(protected, **kw)})"
        if enclosing is not None and enclosing.element is table:
            return text
        name = table.name
        if names and name in names:
            name = self._truncated_identifier("alias", names[name])
        return text + self.get_render_as_alias_suffix(self.preparer.quote(name))

    def visit_amanah_wall(self, wall: _Wall, **kw: Any) -> str:
        """The condition of an UPDATE or DELETE."""
        column = self.preparer.quote(wall.protected.tenant)
        return f"{self.preparer.quote(wall.target.name)}.{column} = {self._tenant_bind(wall.protected, **kw)}"

    def _written(self, statement: Any, action: str) -> tuple[Any, Protected | None]:
        """Note what an INSERT, UPDATE or DELETE touches; for the last two, add the wall."""
        target = statement.table
        source = target.element if isinstance(target, Alias) else target
        if not isinstance(source, TableClause):
            refuse(SealedWriteRefused(field="the statement", detail="its target is not one table"))
        protected = self.register.by_name(source.name)
        if protected is None:
            if source.name.lower() in self.register.undeclared or source.name.startswith("amanah_"):
                self.amanah_shape.undeclared.add(source.name)
            return statement, None
        self.amanah_shape.touch(protected, action)
        if action != "delete" and not self.stack:
            names = set(self.column_keys or ()) | {getattr(c, "key", str(c)) for c in (statement._values or ())}  # noqa: SLF001
            self.amanah_shape.columns = tuple(
                c.name for c in protected.table.columns if c.key in names and not isinstance(c.type, IndexToken)
            )
        if action != "create" and self._walled(protected):
            statement = statement.where(_Wall(target, protected))
        return statement, protected

    def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """An UPDATE reaches the tenant's rows only."""
        statement, _ = self._written(update_stmt, "update")
        return super().visit_update(statement, visiting_cte=visiting_cte, **kw)

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """A DELETE reaches the tenant's rows only."""
        statement, _ = self._written(delete_stmt, "delete")
        return super().visit_delete(statement, visiting_cte=visiting_cte, **kw)

    def visit_insert(self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any) -> str:
        """Rows enter by value, never by SELECT; whose they are is checked at execution."""
        _, protected = self._written(insert_stmt, "create")
        if protected is not None:
            if insert_stmt.select is not None:
                refuse(SealedWriteRefused(field=protected.name, detail="INSERT … SELECT"))
            if visiting_cte is not None:
                refuse(SealedWriteRefused(field=protected.name, detail="an INSERT inside a WITH"))
        return super().visit_insert(
            insert_stmt, visited_bindparam=visited_bindparam, visiting_cte=visiting_cte, **kw
        )

    # -- 2. the walk --------------------------------------------------------------------------------------------------

    def visit_select(self, select_stmt: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """Note columns selected by name; refuse DISTINCT over ciphertext."""
        exists, self._exists = self._exists, False
        if not self.stack or kw.get("need_column_expressions"):
            for raw in select_stmt._raw_columns:  # noqa: SLF001
                if not isinstance(raw, FromClause):
                    for part in visitors.iterate(raw):
                        if (field := _personal(part)) is not None:
                            self.amanah_shape.named.add(field)
        if select_stmt._distinct:  # noqa: SLF001
            self._refuse_sealed(select_stmt.selected_columns, "DISTINCT")
        self._in_exists.append(exists)
        try:
            return super().visit_select(select_stmt, asfrom=asfrom, **kw)
        finally:
            self._in_exists.pop()

    def visit_unary(self, unary: Any, **kw: Any) -> str:
        """What EXISTS selects is never shown."""
        if unary.operator is operators.exists:
            self._exists = True
        return super().visit_unary(unary, **kw)

    def visit_compound_select(self, cs: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """UNION ALL only: the others compare ciphertext."""
        if cs.keyword.name != "UNION_ALL":
            for select in cs.selects:
                self._refuse_sealed(select.selected_columns, cs.keyword.name.replace("_", " "))
        return super().visit_compound_select(cs, asfrom=asfrom, **kw)

    def _refuse_sealed(self, columns: Any, construct: str) -> None:
        for column in columns:
            field = _personal(_plain(column))
            if field is not None and field.sealed:
                refuse(SealedUseRefused(field=field.name, construct=construct))

    def _label_select_column(
        self, select: Any, column: Any, populate_result_map: Any, asfrom: bool, *args: Any, **kw: Any  # noqa: FBT001
    ) -> Any:
        """An output column: bound to its row at the top, passed on by a subquery, refused in a scalar subquery."""
        plain = _plain(column)
        field = _personal(plain)
        label = super()._label_select_column
        allowed = None
        if self._in_exists and self._in_exists[-1] and not populate_result_map:
            allowed = _ANY
        elif field is not None and not populate_result_map and not kw.get("need_column_expressions"):
            if not asfrom and field.sealed:
                refuse(SealedUseRefused(field=field.name, construct="a subquery used as a value"))
            if not asfrom:
                self.amanah_shape.probes.add(field)
            allowed = plain
        self._allowed.append(allowed)
        try:
            return label(select, column, populate_result_map, asfrom, *args, **kw)
        finally:
            self._allowed.pop()

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
        """A column anywhere: personal ones are refused or noted unless the construct around them allowed it."""
        if column.is_literal:
            if not (column.name == "*" and self._allowed and self._allowed[-1] in (_COUNT, _ANY)):
                check_raw(self.register, str(column.name), fragment=True)
            return super().visit_column(column, *args, **kw)
        field = _personal(column)
        if field is None:
            self._check_stranger(column)
        elif not (self._allowed and (self._allowed[-1] is column or self._allowed[-1] is _ANY)):
            if field.sealed:
                refuse(SealedUseRefused(field=field.name, construct="this construct"))
            self.amanah_shape.probes.add(field)
        return super().visit_column(column, *args, **kw)

    def _check_stranger(self, column: Any) -> None:
        """A column that does not say it is personal, but has the name of one: another Table object, or none at all."""
        if isinstance(column.type, IndexToken):
            field = column.type.search.field.name if column.type.search else column.name
            refuse(SealedUseRefused(field=field, construct="using its search column directly"))
        name = str(column.name).lower()
        if name not in self.register.personal_columns:
            return
        source = column.table
        while isinstance(source, AliasedReturnsRows):
            source = source.element
        if source is None:
            check_raw(self.register, name, fragment=True)
        elif isinstance(source, TableClause):
            protected = self.register.by_name(source.name)
            if protected is not None and (name in protected.fields or name.removesuffix("_ix") in protected.fields):
                field = protected.fields.get(name) or protected.fields[name.removesuffix("_ix")]
                refuse(SealedUseRefused(field=field.name, construct="a Table object that is not the declared one"))

    def visit_label(self, label: Any, *args: Any, within_columns_clause: bool = False, **kw: Any) -> str:
        """ORDER BY and GROUP BY a label of a personal column work on the column, not on what was bound to it."""
        if not within_columns_clause and _personal(_plain(label)) is not None:
            return self.process(_plain(label), **{k: v for k, v in kw.items() if k == "ambiguous_table_name_map"})
        return super().visit_label(label, *args, within_columns_clause=within_columns_clause, **kw)

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """COUNT asks for presence only."""
        if func.name.lower() == "count":
            clauses = list(func.clauses)
            if len(clauses) == 1:
                column = _plain(clauses[0])
                if (field := _personal(column)) is not None:
                    self.amanah_shape.presence.add(field)
                    return self._counting(column, func, *args, **kw)
                if getattr(column, "is_literal", False):
                    return self._counting(_COUNT, func, *args, **kw)
        return super().visit_function(func, *args, **kw)

    def _counting(self, allowed: Any, func: Any, *args: Any, **kw: Any) -> str:
        self._allowed.append(allowed)
        try:
            return super().visit_function(func, *args, **kw)
        finally:
            self._allowed.pop()

    def visit_binary(self, binary: Any, *args: Any, **kw: Any) -> str:
        """Equality and membership of a searchable column go to its search column; IS NULL works on the ciphertext."""
        operator = kw.get("override_operator") or binary.operator
        left, right = _plain(binary.left), _plain(binary.right)
        field = _personal(left)
        if operator in _NULLNESS and field is not None and isinstance(right, Null):
            self.amanah_shape.presence.add(field)
            return super().visit_column(left, **_column_kw(kw)) + _NULLNESS[operator]
        if operator in _EQUALITY:
            if field is None:
                left, right, field = right, left, _personal(right)
            if field is not None and field.sealed:
                return self._equality(field, left, right, _EQUALITY[operator], kw)
        if operator in _MEMBERSHIP and field is not None and field.sealed and isinstance(right, BindParameter):
            return self._index(field, left, kw) + _MEMBERSHIP[operator] + self._token(field, right, kw)
        return super().visit_binary(binary, *args, **kw)

    def _equality(self, field: Field, column: Any, other: Any, sign: str, kw: dict[str, Any]) -> str:
        if isinstance(other, BindParameter):
            return self._index(field, column, kw) + sign + self._token(field, other, kw)
        second = _personal(other)
        if second is not None and second.sealed and second.domain == field.domain and second.platform == field.platform:
            return self._index(field, column, kw) + sign + self._index(second, other, kw)
        refuse(SealedUseRefused(field=field.name, construct="a comparison with an expression"))

    def _index(self, field: Field, column: Any, kw: dict[str, Any]) -> str:
        """The search column that belongs to ``column``, in the same table or alias."""
        source = column.table
        if isinstance(source, Alias):
            source = source.element
        if not field.search or not isinstance(source, TableClause):
            refuse(SealedUseRefused(field=field.name, construct="a comparison"))
        self.amanah_shape.probes.add(field)
        text = super().visit_column(column, **_column_kw(kw))
        plain = self.preparer.quote(column.name)
        return text[: len(text) - len(plain)] + self.preparer.quote(field.index_column)

    def _token(self, field: Field, bind: BindParameter[Any], kw: dict[str, Any]) -> str:
        """The parameter, processed into a search token when the statement is executed."""
        known = self.binds.get(bind.key)
        if known is not None and known is not bind and not bind.unique:
            refuse(SealedUseRefused(field=field.name, construct="one parameter in two comparisons"))
        twin = bind._clone(maintain_key=True)  # noqa: SLF001
        twin.type = IndexToken(Search(field))
        allowed = {k: v for k, v in kw.items() if k in ("render_postcompile", "literal_execute")}
        return self.process(twin, **allowed)

    # -- raw text inside a statement -----------------------------------------------------------------------------------

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> str:
        """Raw SQL: a whole statement, or a piece of one."""
        check_raw(self.register, textclause.text, fragment=bool(self.stack))
        return super().visit_textclause(textclause, *args, **kw)

    def visit_textual_select(self, taf: Any, *args: Any, **kw: Any) -> str:
        """``text(…).columns(…)``: raw SQL whatever its columns are said to be."""
        check_raw(self.register, taf.element.text, fragment=False)
        return super().visit_textual_select(taf, *args, **kw)

    def visit_tstring_text(self, element: Any, **kw: Any) -> str:
        """The fixed parts of a template string (SQLAlchemy 2.1) are raw SQL."""
        check_raw(self.register, element.text, fragment=True)
        return super().visit_tstring_text(element, **kw)  # type: ignore[misc,no-any-return]

    # -- the cell with its place ---------------------------------------------------------------------------------------

    def visit_amanah_bound(self, bound: Bound, **kw: Any) -> str:
        """Field id, key parts, subject and stored value, each of the first three as a netstring."""
        column = bound.column
        field = _personal(column)
        if field is None:
            name = getattr(bound.type.field, "name", "?")
            refuse(SealedUseRefused(field=name, construct="an expression around the column"))
        table = field.table
        wanted = [table.table.c[name] for name in table.key]
        if table.subject is not None:
            wanted.append(table.table.c[table.subject])
        plain = _column_kw(kw)
        parts = []
        for key in wanted:
            found = _beside(column, key)
            if found is None:
                refuse(
                    SealedUseRefused(
                        field=field.name, construct=f"a subquery that leaves out {table.name}.{key.name}, its row's key,"
                    )
                )
            parts.append((super().visit_column(found, **plain), key))
        value = super().visit_column(column, **plain)
        return self._concatenate(field, parts, value)

    def _concatenate(self, field: Field, parts: list[tuple[str, Column[Any]]], value: str) -> str:
        prefix = f"'{field.prefix.decode()}'"
        if self.dialect.name == "postgresql":
            texts = [f"coalesce({_key_text(text, key, dashes=True)}, '')" for text, key in parts]
            pieces = [f"octet_length({text})::text || ':' || {text} || ','" for text in texts]
            head = " || ".join([prefix, *pieces])
            stored = value if field.sealed else f"convert_to({value}::text, 'UTF8')"
            return f"(convert_to({head}, 'UTF8') || {stored})"
        texts = [f"coalesce({_key_text(text, key, dashes=False)}, '')" for text, key in parts]
        pieces = [f"length(CAST({text} AS BLOB)) || ':' || {text} || ','" for text in texts]
        return f"CAST({' || '.join([prefix, *pieces])} || {value} AS BLOB)"


_ANY = object()
_COUNT = object()


def _column_kw(kw: dict[str, Any]) -> dict[str, Any]:
    """Of a compiler's keywords, those that say how a column is spelled."""
    return {k: v for k, v in kw.items() if k in ("include_table", "ambiguous_table_name_map")}


def _key_text(text: str, key: Column[Any], *, dashes: bool) -> str:
    """SQL for one key part as text, spelled as `writes.key_text` spells it."""
    if isinstance(key.type, Integer):
        return f"CAST({text} AS TEXT)"
    if isinstance(key.type, Uuid):
        return f"replace(CAST({text} AS TEXT), '-', '')" if dashes else f"replace({text}, '-', '')"
    return text


def _beside(column: Any, key: Column[Any]) -> Any:
    """The column of ``key`` in the same table, alias or subquery from which ``column`` comes, or None.

    Through a subquery it follows the column's own line of proxies, so that in a self-join each side keeps its own key.
    """
    source = column.table
    if source is None:
        return None
    base = source.element if isinstance(source, Alias) else source
    if isinstance(base, Table | TableClause):
        return source.c.get(key.name)
    inner = [p for p in getattr(column, "_proxies", ()) if p is not None]
    if not inner:
        return None
    wanted = _beside(_plain(inner[0]), key)
    if wanted is None:
        return None
    for candidate in source.c:
        for proxied in getattr(candidate, "_proxies", ()):
            origin = _plain(proxied)
            if origin is wanted or (origin.table is wanted.table and origin.name == wanted.name):
                return candidate
    return None


__all__ = ["SIGN_IN", "GuardedCompiler", "protect_dialect"]
