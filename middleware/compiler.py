"""The first wall and the walk of the statement: a subclass of the dialect's own compiler.

Everything that SQLAlchemy renders passes here, ORM and Core alike, once per statement shape. The walk is in this
module; beside it are the wall (`compiler_wall`), raw text inside a statement (`compiler_raw`) and the cells of the
result (`compiler_cell`):

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

from sqlalchemy import BindParameter, Null
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause

from ..errors import RawSqlRefused, SealedUseRefused
from .column_types import IndexToken, Search, Sibling
from .compiler_raw import RawText
from .compiler_rows import ROW_NAME, RowCells
from .compiler_state import SIGN_IN, of_table, plain_of
from .compiler_wall import Wall
from .raw import STRING_RUNNERS
from .row_seals import RowSealed, SealColumn
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

    from .fields import Field, Register

_EQUALITY = {operators.eq: " = ", operators.ne: " != "}
_MEMBERSHIP = {operators.in_op: " IN ", operators.not_in_op: " NOT IN "}
_NULLNESS = {operators.is_: " IS NULL", operators.is_not: " IS NOT NULL"}


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


class GuardedCompiler(Wall, RawText, RowCells):
    """Mixed in before a dialect's compiler class: the walk of the statement. Walls, raw text and cells are beside."""

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
        self._carrying.append(set())
        try:
            return super().visit_select(select_stmt, asfrom=asfrom, **kw)
        finally:
            self._carrying.pop()
            self._in_exists.pop()
            self._grouped.pop()

    def group_by_clause(self, select: Any, **kw: Any) -> str:
        """A searchable column groups by its search column: in the outermost SELECT, where `_concatenate` meets it."""
        clauses = select._group_by_clauses  # noqa: SLF001
        if not self._by_token or len(self.stack) > 1:
            return str(super().group_by_clause(select, **kw))
        parts = []
        for clause in clauses:
            plain = plain_of(clause)
            field = self._field(plain)
            by_token = field is not None and hash(plain) in self._by_token
            parts.append(self._index(field, plain, kw) if by_token and field else self.process(clause, **kw))
        return " GROUP BY " + ", ".join(parts)

    def _tokens_grouped(self, select: Any) -> set[int]:
        """The searchable sealed columns by which the outermost SELECT groups, by the hash that their twins share."""
        if self.stack or not select._group_by_clauses:  # noqa: SLF001
            return set()
        plain = [plain_of(clause) for clause in select._group_by_clauses]  # noqa: SLF001
        return {hash(c) for c in plain if (f := self._field(c)) is not None and f.sealed and f.search and of_table(c)}

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
            self._check_place([plain_of(cell) for cell in cells], shown=shown)
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
            field = self._field(plain_of(column))
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
        plain = plain_of(column)
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
        if isinstance(column.type, SealColumn):
            refuse(SealedUseRefused(field=str(column), construct="using the seal of its rows directly"))
        if isinstance(column.type, Sibling):
            field = column.type.field.name if column.type.field else column.name
            refuse(SealedUseRefused(field=field, construct="using the column beside it directly"))
        name = str(column.name).lower()
        if ROW_NAME.fullmatch(name):
            refuse(RawSqlRefused(name=name))
        source = column.table
        if source is None:
            self._loose.add(name)
        personal = name in self.register.personal_columns
        if isinstance(column.type, RowSealed) or not (personal or name in self.register.row_sealed_columns):
            return
        while isinstance(source, AliasedReturnsRows):
            source = source.element
        if source is None and personal:
            self._check_words(name)
        elif isinstance(source, TableClause):
            protected = self.register.by_name(source.name)
            if protected is not None and protected.names(name):
                label = f"{protected.name}.{name}"
                refuse(SealedUseRefused(field=label, construct="a Table object that is not the declared one"))

    def visit_label(self, label: Any, *args: Any, within_columns_clause: bool = False, **kw: Any) -> str:
        """ORDER BY and GROUP BY a label of a personal column work on the column, not on what was bound to it."""
        if not within_columns_clause and self._field(plain_of(label)) is not None:
            return self.process(plain_of(label), **{k: v for k, v in kw.items() if k == "ambiguous_table_name_map"})
        return super().visit_label(label, *args, within_columns_clause=within_columns_clause, **kw)

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """COUNT asks for presence only. Functions that carry out a string as SQL are refused like raw SQL."""
        if func.name.lower().startswith(STRING_RUNNERS) and not self.register.empty:
            refuse(RawSqlRefused(name=func.name.lower()))
        if func.name.lower() == "count":
            clauses = list(func.clauses)
            if len(clauses) == 1:
                column = plain_of(clauses[0])
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
        left, right = plain_of(binary.left), plain_of(binary.right)
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
        if not field.search or not of_table(column):
            refuse(SealedUseRefused(field=field.name, construct="a comparison"))
        self.amanah_shape.probes.add(field)
        return self._searched(column, field, kw)

    def _token(self, field: Field, bind: BindParameter[Any], kw: dict[str, Any]) -> str:
        """The parameter, processed into a search token when the statement is executed."""
        twin = bind._clone(maintain_key=True)  # noqa: SLF001
        twin.type = IndexToken(Search(field))
        allowed = {k: v for k, v in kw.items() if k in ("render_postcompile", "literal_execute")}
        return self.process(twin, **allowed)

    def visit_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> str:
        """One parameter cannot be a token here and itself, or another token, there: the last would win for both."""
        self._check_bind(bindparam)
        known = self.binds.get(bindparam.key)
        if known is not None and known is not bindparam:
            searches = [b.type.search if isinstance(b.type, IndexToken) else None for b in (known, bindparam)]
            if searches[0] != searches[1]:
                field = next(search.field for search in searches if search is not None)
                refuse(SealedUseRefused(field=field.name, construct="one parameter in two comparisons"))
        return super().visit_bindparam(bindparam, *args, **kw)


_ANY = object()
_COUNT = object()


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


__all__ = ["SIGN_IN", "GuardedCompiler", "protect_dialect"]
