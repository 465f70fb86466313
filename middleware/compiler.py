"""The first wall and the walk of the statement: a subclass of the dialect's own compiler.

Everything that SQLAlchemy renders passes here, ORM and Core alike, once per statement shape:

1. A protected table in a FROM is rendered as ``(SELECT * FROM t WHERE tenant_id = :tenant) AS t``; UPDATE and DELETE
   get the same condition. PostgreSQL flattens it into index scans. Where the tenant is a parent's, the condition is an
   EXISTS over the parent's key: SQLite, too, then looks up one parent per row that it has found. (``IN (SELECT …)``
   lists the tenant's whole parent table for each get; a join is no longer flattened under LEFT JOIN.)
2. A personal column is rendered only where that keeps its promise: as a plain output column (with its row's key before
   it), in IS NULL and COUNT, and, where it is searchable, in equality, IN and GROUP BY (on its search column). A
   governed column (stored plain) may stand anywhere, and where rows are chosen by it that is noted as a probe.
3. What was touched is kept as the compiled form's `Shape`.

Tried and not enough: ``with_loader_criteria`` (seven shapes of statement leak) and a comparator (``func.lower(c) ==
x`` and ``order_by(c)`` fail silently).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import CHAR, Alias, BindParameter, Column, Integer, MetaData, Null, String, Table, Uuid, bindparam
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnClause, ColumnElement, Grouping, Label, TextClause, _truncated_label
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause, TableValuedAlias

from ..errors import AmanahError, RawSqlRefused, SealedUseRefused, SealedWriteRefused, TableShadowed
from .access import current
from .declared_sql import DeclaredText
from .personal import Bound, Envelope, IndexToken, Personal, Search
from .raw import STRING_RUNNERS, check_raw
from .shape import Shape, refuse, rehearsing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Dialect

    from .fields import Field, Protected, Register

_EQUALITY = {operators.eq: " = ", operators.ne: " != "}
_MEMBERSHIP = {operators.in_op: " IN ", operators.not_in_op: " NOT IN "}
_NULLNESS = {operators.is_: " IS NULL", operators.is_not: " IS NOT NULL"}

_CATALOGUES = ("pg_class", "pg_namespace", "pg_attribute", "pg_type", "pg_index", "sqlite_", "alembic_version")

SIGN_IN = "amanah:sign_in"
"""The statement hint by which compiled forms made under a sign-in access are kept apart in SQLAlchemy's cache."""


def protect_dialect(dialect: Dialect, register: Register, enforced: Callable[[], Register] | None = None) -> None:
    """Give ``dialect`` (of one engine) a compiler that knows ``register``.

    ``enforced``: the part of it that is enforced at this moment, where the guard observes the rest. Each statement is
    then compiled under that part, and beside it, to see what would be refused, under all of it (`rehearsal`).
    """
    base = dialect.statement_compiler
    if issubclass(base, GuardedCompiler):
        return
    guarded = type(f"Guarded{base.__name__}", (GuardedCompiler, base), {"register": register})
    if enforced is not None:
        known = {"enforced": staticmethod(enforced), "rehearsal": guarded}
        guarded = type(f"Observing{base.__name__}", (guarded,), known)
    dialect.statement_compiler = guarded


def _tenant_now(table: Protected) -> Callable[[], Any]:
    """The current access's tenant in the type of the table's column; NULL, which no row equals, where there is none."""

    def now() -> Any:
        access = current()
        return None if access is None or access.closed or access.tenant is None else table.tenant_value(access.tenant)

    return now


class _Wall(ColumnElement[Any]):
    """``t.tenant_id = :tenant``, or what stands for it, for the target of an UPDATE or DELETE."""

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


_Base: Any = SQLCompiler  # whose methods have no types, and other signatures in each release


class GuardedCompiler(_Base):  # type: ignore[misc]
    """Mixed in before a dialect's compiler class."""

    register: Register
    enforced: Callable[[], Register] | None = None
    rehearsal: type[GuardedCompiler]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Compilation happens inside SQLAlchemy's constructor, so our state comes first."""
        if self.enforced is not None:
            self.register = self.enforced()
        self.amanah_shape = Shape()
        self._doubts: list[AmanahError] = []
        self._allowed: list[Any] = []
        self._exists = False
        self._in_exists: list[bool] = []
        self._tenant_binds: dict[str, BindParameter[Any]] = {}
        self._grouped: list[bool] = [False]
        self._by_token: set[int] = set()
        self._shown: list[bool] = [False]
        self._from_names: set[str] = set()
        self._loose: set[str] = set()
        self._names_results: Any = ()
        super().__init__(*args, **kwargs)
        if self._doubts and self.amanah_shape.tables:
            refuse(self._doubts[0])
        if self._loose & self._from_names and any(t.fields for t in self.amanah_shape.tables.values()):
            # PostgreSQL takes the name of a FROM for the whole row: every column of it, unseen.
            refuse(RawSqlRefused(name=min(self._loose & self._from_names)))

    def _field(self, element: Any) -> Field | None:
        """The field, if ``element`` is a personal column itself; None for one that is only observed."""
        field = _personal(element)
        return None if field is None or self._observed(field) else field

    def _observed(self, field: Field) -> bool:
        return self.register.lenient and self.register.by_name(field.table.name) is None

    # -- 1. the wall --------------------------------------------------------------------------------------------------

    def _walled(self, table: Protected) -> bool:
        """Whether rows are limited to the access's tenant: always, but for sign-in on the tables named for it."""
        access = current()
        if access is None or access.kind != "sign_in" or not table.sign_in or not self._marked():
            return True
        self.amanah_shape.unwalled = True
        return False

    def _marked(self) -> bool:
        """Whether the statement carries sign-in's mark, so that its compiled form is cached apart."""
        statement: Any = self.statement
        hints = [text for _, text in getattr(statement, "_statement_hints", ())]
        return SIGN_IN in (*hints, *getattr(statement, "_hints", {}).values())

    def _tenant_bind(self, table: Protected, **kw: Any) -> str:
        bind = self._tenant_binds.get(table.name)
        if bind is None:
            type_ = String() if table.tenant is None else table.table.c[table.tenant].type
            bind = bindparam(f"amanah_tenant_{table.name}", callable_=_tenant_now(table), type_=type_)
            self._tenant_binds[table.name] = bind
        kw = {k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")}
        return self.process(bind, **kw)

    def visit_table(self, table: Any, asfrom: bool = False, iscrud: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """A table in a FROM stands behind the wall."""
        protected = self.register.by_name(table.name)
        if protected is None:
            self._check_outsider(table)
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        if kw.get("within_tstring"):
            refuse(RawSqlRefused(name=protected.name))
        if not asfrom or iscrud:
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        self.amanah_shape.touch(protected, "read")
        walled = self._walled(protected)
        columns = self._columns(protected)
        if not walled and columns == "*":
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        names = kw.pop("ambiguous_table_name_map", None)
        enclosing = kw.get("enclosing_alias")
        inner = super().visit_table(table, asfrom=True, iscrud=False, **kw)
        condition = f" WHERE {self._owned(protected, table, table.name, **kw)}" if walled else ""
        text = f"(SELECT {columns} FROM {inner}{condition})"  # noqa: S608 - names from the declarations, quoted
        if enclosing is not None and enclosing.element is table:
            return text
        name = table.name
        if names and name in names:
            name = self._truncated_identifier("alias", names[name])
        self._from_names.add(name.lower())
        return text + self.get_render_as_alias_suffix(self.preparer.quote(name))

    def _columns(self, table: Protected) -> str:
        """What a SELECT meets behind the wall: where envelopes stand beside a column, they bear its name as well."""
        beside = {f.column: f for f in table.fields.values() if f.sealed and f.beside}
        if not beside:
            return "*"
        quote = self.preparer.quote
        return ", ".join(
            f"{quote(beside[c.name].sealed_column)} AS {quote(c.name)}" if c.name in beside else quote(c.name)
            for c in table.table.columns
        )

    def _owned(self, owned: Protected, source: Any, row: str, *outer: str, **kw: Any) -> str:
        """SQL: the row of ``source`` that stands here under the name ``row`` is the access's tenant's.

        A parent is sought in the schema of ``source``. ``outer``: names that mean something else around it.
        """
        quote = self.preparer.quote
        if owned.fixed is not None:
            fixed = self.render_literal_value(owned.fixed, String())
            return f"{self._tenant_bind(owned, **kw)} = {fixed}"
        if owned.via is None:
            return f"{quote(row)}.{quote(owned.tenant)} = {self._tenant_bind(owned, **kw)}"
        parent = owned.via.parent
        above = Table(parent.name, MetaData(), schema=getattr(source, "schema", None))
        taken = {name.lower() for name in (row, *outer)}
        up = next(name for name in (f"amanah_up{n}" for n in range(1, len(taken) + 2)) if name not in taken)
        return (
            f"EXISTS (SELECT 1 FROM {self.preparer.format_table(above)} AS {up} "  # noqa: S608 - quoted
            f"WHERE {up}.{quote(parent.key[0])} = {quote(row)}.{quote(owned.via.column)} "
            f"AND {self._owned(parent, above, up, row, *outer, **kw)})"
        )

    def _check_outsider(self, table: Any) -> None:
        """A table that nobody declared could be a view over a protected one, or hold what should be protected."""
        if self.register.lenient:
            return
        folded = table.name.lower()
        schema = (getattr(table, "schema", None) or "").lower()
        if folded not in self.register.shared and not (
            schema in ("pg_catalog", "information_schema") or folded.startswith(_CATALOGUES)
        ):
            self.amanah_shape.undeclared.add(table.name)

    def visit_alias(self, alias: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """Remember under which names rows stand in this statement."""
        if asfrom and not isinstance(alias, TableValuedAlias):
            self._remember(alias.name)
        return super().visit_alias(alias, asfrom=asfrom, **kw)

    def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
        """Remember under which names rows stand in this statement. None stands in for a parent of the wall's."""
        name = self._remember(cte.name)
        if self.register.leads_to(name):
            refuse(TableShadowed(name=name))
        return super().visit_cte(cte, *args, **kw)

    def _remember(self, name: Any) -> str:
        known = str(self._truncated_identifier("alias", name) if isinstance(name, _truncated_label) else name).lower()
        self._from_names.add(known)
        return known

    def visit_table_valued_column(self, element: Any, **kw: Any) -> str:
        """A whole row as one value is every column of it, unseen."""
        name = element.name
        self._loose.add(
            str(self._truncated_identifier("alias", name) if isinstance(name, _truncated_label) else name).lower()
        )
        return super().visit_table_valued_column(element, **kw)

    def visit_amanah_wall(self, wall: _Wall, **kw: Any) -> str:
        """The condition of an UPDATE or DELETE."""
        source = wall.target.element if isinstance(wall.target, Alias) else wall.target
        return self._owned(wall.protected, source, wall.target.name, **kw)

    def _written(self, statement: Any, action: str, visiting_cte: Any) -> tuple[Any, Protected | None]:
        """Note what an INSERT, UPDATE or DELETE touches; for the last two, add the wall."""
        target = statement.table
        source = target.element if isinstance(target, Alias) else target
        if not isinstance(source, TableClause):
            refuse(SealedWriteRefused(field="the statement", detail="its target is not one table"))
        protected = self.register.by_name(source.name)
        if protected is None:
            self._check_outsider(source)
            return statement, None
        if visiting_cte is not None or self.stack:
            refuse(SealedWriteRefused(field=protected.name, detail=f"{action} inside another statement"))
        self.amanah_shape.touch(protected, action)
        self.amanah_shape.target = protected
        if statement._returning:  # noqa: SLF001
            self.amanah_shape.touch(protected, "read")
            self._note_named(statement._returning)  # noqa: SLF001
        if action != "create" and self._walled(protected):
            statement = statement.where(_Wall(target, protected))
        return statement, protected

    def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """An UPDATE reaches the tenant's rows only. What it sets is read off the text: ``SET "name"=…``."""
        statement, protected = self._written(update_stmt, "update", visiting_cte)
        text = super().visit_update(statement, visiting_cte=visiting_cte, **kw)
        if protected is not None:
            quote = self.preparer.quote
            self.amanah_shape.columns = _said(
                c for c in protected.table.columns if re.search(rf"[ .]{re.escape(quote(c.name))}=", text)
            )
        return text

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        """A DELETE reaches the tenant's rows only."""
        statement, _ = self._written(delete_stmt, "delete", visiting_cte)
        return super().visit_delete(statement, visiting_cte=visiting_cte, **kw)

    def visit_insert(self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any) -> str:
        """Rows enter by value, never by SELECT; whose they are is checked at execution."""
        _, protected = self._written(insert_stmt, "create", visiting_cte)
        if protected is not None:
            if insert_stmt.select is not None:
                refuse(SealedWriteRefused(field=protected.name, detail="INSERT … SELECT"))
            if hasattr(insert_stmt._post_values_clause, "update_values_to_set"):  # noqa: SLF001
                self.amanah_shape.touch(protected, "update")
            names = set(self.column_keys or ()) | {getattr(c, "key", str(c)) for c in (insert_stmt._values or ())}  # noqa: SLF001
            self.amanah_shape.columns = _said(c for c in protected.table.columns if c.key in names)
        return super().visit_insert(insert_stmt, visited_bindparam=visited_bindparam, visiting_cte=visiting_cte, **kw)

    # -- 2. the walk --------------------------------------------------------------------------------------------------

    def visit_select(self, select_stmt: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """Note columns selected by name; refuse DISTINCT over ciphertext."""
        exists, self._exists = self._exists, False
        self._by_token = self._tokens_grouped(select_stmt) or self._by_token
        compound = kw.get("compound_index") is not None
        if not self.stack or kw.get("need_column_expressions") or (compound and self._shown[-1]):
            self._note_named(select_stmt._raw_columns)  # noqa: SLF001
        if select_stmt._distinct:  # noqa: SLF001
            self._refuse_sealed(select_stmt.selected_columns, "DISTINCT")
        if any(_names_a_place(c) for c in (*select_stmt._group_by_clauses, *select_stmt._order_by_clauses)):  # noqa: SLF001
            self._refuse_sealed(select_stmt.selected_columns, "GROUP BY or ORDER BY a position")
        falls_together = select_stmt._distinct or select_stmt._group_by_clauses  # noqa: SLF001
        self._grouped.append(bool(falls_together or (compound and self._grouped[-1])))
        self._in_exists.append(exists)
        try:
            return super().visit_select(select_stmt, asfrom=asfrom, **kw)
        finally:
            self._in_exists.pop()
            self._grouped.pop()

    def group_by_clause(self, select: Any, **kw: Any) -> str:
        """A searchable column groups by its search column: in the outermost SELECT, where `_concatenate` meets it."""
        clauses = select._group_by_clauses  # noqa: SLF001
        if not self._by_token or len(self.stack) > 1:
            return str(super().group_by_clause(select, **kw))
        parts = []
        for clause in clauses:
            plain = _plain(clause)
            field = self._field(plain)
            by_token = field is not None and hash(plain) in self._by_token
            parts.append(self._index(field, plain, kw) if by_token and field else self.process(clause, **kw))
        return " GROUP BY " + ", ".join(parts)

    def _tokens_grouped(self, select: Any) -> set[int]:
        """The searchable sealed columns by which the outermost SELECT groups, by the hash that their twins share."""
        if self.stack or not select._group_by_clauses:  # noqa: SLF001
            return set()
        plain = [_plain(clause) for clause in select._group_by_clauses]  # noqa: SLF001
        return {hash(c) for c in plain if (f := self._field(c)) is not None and f.sealed and f.search and _of_table(c)}

    def _note_named(self, columns: Any) -> None:
        for raw in columns:
            if not isinstance(raw, FromClause):
                self.amanah_shape.named.update(
                    f for part in visitors.iterate(raw) if (f := self._field(part)) is not None
                )

    def visit_unary(self, unary: Any, **kw: Any) -> str:
        """What EXISTS selects is never shown."""
        if unary.operator is operators.exists:
            self._exists = True
        return super().visit_unary(unary, **kw)

    def visit_compound_select(self, cs: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """UNION ALL only for sealed columns: the others compare ciphertext. Columns of one place are of one kind."""
        distinct = cs.keyword.name != "UNION_ALL"
        if distinct:
            for select in cs.selects:
                self._refuse_sealed(select.selected_columns, cs.keyword.name.replace("_", " "))
        shown = bool(not self.stack or kw.get("need_column_expressions"))
        for cells in zip(*(select._all_selected_columns for select in cs.selects), strict=False):  # noqa: SLF001
            self._check_place([_plain(cell) for cell in cells], shown=shown)
        self._grouped.append(distinct)
        self._shown.append(shown)
        try:
            return super().visit_compound_select(cs, asfrom=asfrom, **kw)
        finally:
            self._shown.pop()
            self._grouped.pop()

    def _check_place(self, cells: list[Any], *, shown: bool) -> None:
        """In the result every cell carries its own field; in a subquery the first SELECT's column speaks for all."""
        fields = [self._field(cell) for cell in cells]
        present = {field for field in fields if field is not None}
        if not present:
            return
        strangers = [c for c, field in zip(cells, fields, strict=True) if field is None and not isinstance(c, Null)]
        if fields[0] is None or strangers or (len(present) > 1 and not shown):
            field = next(f for f in fields if f is not None)
            refuse(SealedUseRefused(field=field.name, construct="a UNION with a column of another kind"))

    def _refuse_sealed(self, columns: Any, construct: str) -> None:
        for column in columns:
            field = self._field(_plain(column))
            if field is not None and field.sealed:
                refuse(SealedUseRefused(field=field.name, construct=construct))

    def _label_select_column(
        self,
        select: Any,
        column: Any,
        populate_result_map: Any,
        asfrom: bool,  # noqa: FBT001
        *args: Any,
        **kw: Any,
    ) -> Any:
        """An output column: bound to its row at the top, passed on by a subquery, refused in a scalar subquery."""
        plain = _plain(column)
        field = self._field(plain)
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
        # Inside DDL, which writes the names of an index's columns and reads no row; or names of a report's results.
        if self.statement is None or any(column is result for result in self._names_results):
            return super().visit_column(column, *args, **kw)
        if column.is_literal:
            if not (column.name == "*" and self._allowed and self._allowed[-1] in (_COUNT, _ANY)):
                self._check_fragment(str(column.name))
            return super().visit_column(column, *args, **kw)
        field = self._field(column)
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
        if isinstance(column.type, Envelope):
            field = column.type.field.name if column.type.field else column.name
            refuse(SealedUseRefused(field=field, construct="using the column beside it directly"))
        name = str(column.name).lower()
        source = column.table
        if source is None:
            self._loose.add(name)
        if name not in self.register.personal_columns:
            return
        while isinstance(source, AliasedReturnsRows):
            source = source.element
        if source is None:
            self._check_words(name)
        elif isinstance(source, TableClause):
            protected = self.register.by_name(source.name)
            field = protected.column_named(name) if protected is not None else None
            if field is not None:
                refuse(SealedUseRefused(field=field.name, construct="a Table object that is not the declared one"))

    def visit_label(self, label: Any, *args: Any, within_columns_clause: bool = False, **kw: Any) -> str:
        """ORDER BY and GROUP BY a label of a personal column work on the column, not on what was bound to it."""
        if not within_columns_clause and self._field(_plain(label)) is not None:
            return self.process(_plain(label), **{k: v for k, v in kw.items() if k == "ambiguous_table_name_map"})
        return super().visit_label(label, *args, within_columns_clause=within_columns_clause, **kw)

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """COUNT asks for presence only. Functions that carry out a string as SQL are refused like raw SQL."""
        if func.name.lower().startswith(STRING_RUNNERS) and not self.register.empty:
            refuse(RawSqlRefused(name=func.name.lower()))
        if func.name.lower() == "count":
            clauses = list(func.clauses)
            if len(clauses) == 1:
                column = _plain(clauses[0])
                if (field := self._field(column)) is not None:
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
        field = self._field(left)
        if operator in _NULLNESS and field is not None and isinstance(right, Null):
            self.amanah_shape.presence.add(field)
            return self._stored(field, left, kw) + _NULLNESS[operator]
        if operator in _EQUALITY:
            if field is None:
                left, right, field = right, left, self._field(right)
            if field is not None and field.sealed:
                return self._equality(field, left, right, _EQUALITY[operator], kw)
        if operator in _MEMBERSHIP and field is not None and field.sealed and isinstance(right, BindParameter):
            return self._index(field, left, kw) + _MEMBERSHIP[operator] + self._token(field, right, kw)
        return super().visit_binary(binary, *args, **kw)

    def _equality(self, field: Field, column: Any, other: Any, sign: str, kw: dict[str, Any]) -> str:  # noqa: RET503
        if isinstance(other, BindParameter):
            return self._index(field, column, kw) + sign + self._token(field, other, kw)
        second = self._field(other)
        if second is not None and second.sealed and second.domain == field.domain and second.platform == field.platform:
            return self._index(field, column, kw) + sign + self._index(second, other, kw)
        refuse(SealedUseRefused(field=field.name, construct="a comparison with an expression"))

    def _index(self, field: Field, column: Any, kw: dict[str, Any]) -> str:
        """The search column that belongs to ``column``, in the same table or alias."""
        if not field.search or not _of_table(column):
            refuse(SealedUseRefused(field=field.name, construct="a comparison"))
        self.amanah_shape.probes.add(field)
        return self._neighbour(column, field.index_column, kw)

    def _stored(self, field: Field, column: Any, kw: dict[str, Any]) -> str:
        """What the database holds for ``column``. A subquery has passed it on under the column's own name."""
        if field.sealed and _of_table(column):
            return self._neighbour(column, field.sealed_column, kw)
        return str(super().visit_column(column, **_column_kw(kw)))

    def _neighbour(self, column: Any, name: str, kw: dict[str, Any]) -> str:
        """The column ``name`` in the table or alias to which ``column`` belongs."""
        text = super().visit_column(column, **_column_kw(kw))
        return text[: len(text) - len(self.preparer.quote(column.name))] + self.preparer.quote(name)

    def _token(self, field: Field, bind: BindParameter[Any], kw: dict[str, Any]) -> str:
        """The parameter, processed into a search token when the statement is executed."""
        twin = bind._clone(maintain_key=True)  # noqa: SLF001
        twin.type = IndexToken(Search(field))
        allowed = {k: v for k, v in kw.items() if k in ("render_postcompile", "literal_execute")}
        return self.process(twin, **allowed)

    def visit_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> str:
        """One parameter cannot be a token here and itself, or another token, there: the last would win for both."""
        known = self.binds.get(bindparam.key)
        if known is not None and known is not bindparam:
            searches = [b.type.search if isinstance(b.type, IndexToken) else None for b in (known, bindparam)]
            if searches[0] != searches[1]:
                field = next(search.field for search in searches if search is not None)
                refuse(SealedUseRefused(field=field.name, construct="one parameter in two comparisons"))
        return super().visit_bindparam(bindparam, *args, **kw)

    # -- raw text inside a statement -----------------------------------------------------------------------------------

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> str:
        """Raw SQL: a whole statement, or a piece of one."""
        if isinstance(textclause, DeclaredText):
            if len(self.stack) > 1:  # inside another statement it would be decided by nobody
                refuse(RawSqlRefused(name="a declared report inside another statement"))
        elif self.stack:
            self._check_fragment(textclause.text)
        else:
            check_raw(self.register, textclause.text, fragment=False)
        return super().visit_textclause(textclause, *args, **kw)

    def visit_textual_select(self, taf: Any, *args: Any, **kw: Any) -> str:
        """``text(…).columns(…)``: raw SQL whatever its columns are said to be."""
        if not isinstance(taf.element, DeclaredText):
            check_raw(self.register, taf.element.text, fragment=False)
            return super().visit_textual_select(taf, *args, **kw)
        self._names_results = taf.column_args
        try:
            return super().visit_textual_select(taf, *args, **kw)
        finally:
            self._names_results = ()

    def visit_tstring_text(self, element: Any, **kw: Any) -> str:
        """The fixed parts of a template string (SQLAlchemy 2.1) are raw SQL."""
        self._check_fragment(element.text)
        return super().visit_tstring_text(element, **kw)

    def get_statement_hint_text(self, hint_texts: Any) -> str:
        """A hint stands at the end of the statement as it is: raw SQL."""
        for text in hint_texts:
            self._check_fragment(text)
        return super().get_statement_hint_text(hint_texts)

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        """``column.op("…")``: the operator is raw SQL."""
        self._check_fragment(operator.opstring.replace("*", ""))
        return super().visit_custom_op_binary(element, operator, **kw)

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        """An operator of one side, as above."""
        self._check_fragment(operator.opstring.replace("*", ""))
        return super().visit_custom_op_unary_operator(element, operator, **kw)

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> str:
        """An operator behind its side, as above."""
        self._check_fragment(operator.opstring.replace("*", ""))
        return super().visit_custom_op_unary_modifier(element, operator, **kw)

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        """``EXTRACT(field FROM …)``: the field is one word."""
        if not str(extract.field).isidentifier() and not self.register.empty:
            refuse(RawSqlRefused(name="EXTRACT"))
        return super().visit_extract(extract, **kw)

    def _check_words(self, text: str) -> None:
        """Raw SQL inside a statement. While observing, a personal column's name may be that of another table's column.

        It is refused where the statement turns out to touch something enforced; naming a table is refused at once.
        """
        if not self.register.lenient:
            check_raw(self.register, text, fragment=True)
            return
        check_raw(self.register, text, fragment=False)
        try:
            with rehearsing():
                check_raw(self.register, text, fragment=True)
        except AmanahError as doubt:
            self._doubts.append(doubt)

    def _check_fragment(self, text: str) -> None:
        self._check_words(text)
        self._loose.update(re.findall(r"[^\W\d][\w$]*", text.lower()))

    # -- the cell with its place ---------------------------------------------------------------------------------------

    def visit_amanah_bound(self, bound: Bound, **kw: Any) -> str:
        """Field id, key parts, subject and stored value, each of the first three as a netstring."""
        column = bound.column
        if bound.type.field is not None and self._observed(bound.type.field):
            return self.process(column, **_column_kw(kw))  # as it stands in the database
        field = self._field(column)
        if field is None and bound.type.field is not None and not bound.type.field.sealed:
            # An expression over governed columns: those in it were noted as probes, so who gets here sees them in
            # clear.
            field = bound.type.field
            no_row = [("''", key) for key in _carried(field.table)]
            return self._concatenate(field, no_row, self.process(column, **_column_kw(kw)))
        if field is None:
            name = getattr(bound.type.field, "name", "?")
            refuse(SealedUseRefused(field=name, construct="an expression around the column"))
        table = field.table
        wanted = _carried(table)
        plain = _column_kw(kw)
        parts = []
        if self._grouped[-1] and not field.sealed:
            # Equal values fall together: the cell belongs to no one row, and to see which values there are is to
            # search.
            self.amanah_shape.probes.add(field)
            return self._concatenate(field, [("''", key) for key in wanted], super().visit_column(column, **plain))
        for key in wanted:
            found = _beside(column, key)
            if found is None:
                what = f"a subquery that leaves out {table.name}.{key.name}, its row's key,"
                refuse(SealedUseRefused(field=field.name, construct=what))
            parts.append((super().visit_column(found, **plain), key))
        cell = self._concatenate(field, parts, self._stored(field, column, kw))
        if hash(column) not in self._by_token or len(self.stack) > 1:
            return cell
        # One of the cells that fall together, whole: its own key goes with its own envelope.
        return f"(array_agg({cell}))[1]" if self.dialect.name == "postgresql" else f"min({cell})"

    def _concatenate(self, field: Field, parts: list[tuple[str, Column[Any]]], value: str) -> str:
        prefix = f"'{field.prefix.decode()}'"
        if self.dialect.name == "postgresql":
            texts = [_never_null(_key_text(text, key, dashes=True), key) for text, key in parts]
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


def _carried(table: Protected) -> list[Column[Any]]:
    return [table.table.c[name] for name in table.carried()]


def _never_null(text: str, key: Column[Any]) -> str:
    """PostgreSQL's primary keys are never NULL where there is a row; a subject may be."""
    return text if key.primary_key else f"coalesce({text}, '')"


def _key_text(text: str, key: Column[Any], *, dashes: bool) -> str:
    """SQL for one key part as text, spelled as `fields.key_text` spells it."""
    if text == "''":
        return text
    if isinstance(key.type, Integer):
        return f"CAST({text} AS TEXT)"
    if isinstance(key.type, Uuid):
        return f"lower(replace(CAST({text} AS TEXT), '-', ''))"
    if isinstance(key.type, CHAR):
        return f"rtrim(CAST({text} AS TEXT))"
    return f"CAST({text} AS TEXT)" if dashes else text


def _beside(column: Any, key: Column[Any]) -> Any:
    """The column of ``key`` in the same table, alias or subquery from which ``column`` comes, or None.

    Through a subquery it follows the column's own line of proxies, so that in a self-join each side keeps its own key.
    """
    source = column.table
    if source is None:
        return None
    base = source
    while isinstance(base, Alias):
        base = base.element
    if isinstance(base, TableClause):
        return source.c.get(key.name)
    inner = [p for p in getattr(column, "_proxies", ()) if p is not None]
    if not inner:
        return None
    wanted = _beside(_plain(inner[0]), key)
    if wanted is None:
        return None
    for candidate in source.c:
        origins = [_plain(p) for p in getattr(candidate, "_proxies", ())]
        if any(o is wanted or (o.table is wanted.table and o.name == wanted.name) for o in origins if _is_column(o)):
            # In a UNION ALL each SELECT brings its own key to the same place, or none of them is known.
            return candidate if all(_is_column(o) and o.name == wanted.name for o in origins) else None
    return None


def _names_a_place(clause: Any) -> bool:
    """GROUP BY 1, ORDER BY 2 DESC: a number stands for a column of the result, whichever it is."""
    for part in visitors.iterate(clause):
        text = (
            part.text
            if isinstance(part, TextClause)
            else getattr(part, "is_literal", False) and getattr(part, "name", "")
        )
        if text and re.match(r"\s*\d+\b", str(text)):
            return True
    return False


def _of_table(column: Any) -> bool:
    """It stands in a table or an alias of one, and in no subquery."""
    source = column.table
    while isinstance(source, Alias):
        source = source.element
    return isinstance(source, TableClause)


def _said(columns: Iterable[Column[Any]]) -> tuple[str, ...]:
    """The columns as models and declarations name them: envelopes are their column's, tokens nobody's."""
    names = (
        c.type.field.column if isinstance(c.type, Envelope) and c.type.field is not None else c.name
        for c in columns
        if not isinstance(c.type, IndexToken)
    )
    return tuple(dict.fromkeys(names))


def _is_column(element: Any) -> bool:
    return isinstance(element, ColumnClause) and not element.is_literal


__all__ = ["SIGN_IN", "GuardedCompiler", "protect_dialect"]
