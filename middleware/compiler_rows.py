"""Row-sealed columns in a statement: where the row that they come from is known, the first of each brings its seal.

- In the outermost SELECT, and in RETURNING, the first row-sealed column of each table or alias is rendered as a cell:
  which column it is, the texts of all sealed columns, the row's key, the seal. The row's other columns stay as they
  are.
- A subquery or CTE in a FROM passes each row's cell on under a name of its own (`_passed_on`), beside the row's first
  column, so that it is checked behind a LIMIT with joined loading, too.
- Under GROUP BY and DISTINCT, in set operations other than a UNION ALL of the same columns, in recursive CTEs and in
  expressions there is no one row: the column is rendered as it is, and nothing is checked.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CTE, Alias, Select, Subquery
from sqlalchemy.sql.elements import ColumnClause

from .compiler_cell import Cell, key_text_sql
from .compiler_state import column_kw, is_column, of_table, plain_of
from .row_seals import SEAL_COLUMN, RowSealed

if TYPE_CHECKING:
    from .row_seals import RowCell, SealedRows

ROW_NAME: Final = re.compile(r"amanah_[0-9a-f]{16}")
"""Under such names subqueries pass on what checking a row needs: in it are values that are not shown."""

_LAST_NAME = re.compile(r'(?:"((?:[^"]|"")+)"|([\w$]+))$')


class RowCells(Cell):
    """How a row-sealed column is rendered where it is shown, and where a subquery passes it on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing was shown yet."""
        self._brought: list[set[Any]] = [set()]
        """Of each SELECT around: the rows whose seal one of its columns has brought."""
        self._places: list[frozenset[int] | None] = [None]
        """Of each set operation around: the places in which cells may stand; None: this is no part of one."""
        self._counted: list[int] = [0]
        self._recursive = 0
        super().__init__(*args, **kwargs)

    def visit_select(self, select_stmt: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """Each SELECT shows rows of its own."""
        self._brought.append(set())
        self._counted.append(-1)
        if kw.get("compound_index") is None:
            self._places.append(None)
        else:
            self._places.append(self._places[-1])
        try:
            return str(super().visit_select(select_stmt, asfrom=asfrom, **kw))
        finally:
            self._places.pop()
            self._counted.pop()
            self._brought.pop()

    def visit_compound_select(self, cs: Any, asfrom: bool = False, **kw: Any) -> str:  # noqa: FBT001, FBT002
        """Cells stand where all SELECTs show the same column of the same table."""
        self._places.append(_same_columns(cs) if cs.keyword.name == "UNION_ALL" else frozenset())
        try:
            return str(super().visit_compound_select(cs, asfrom=asfrom, **kw))
        finally:
            self._places.pop()

    def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
        """A recursive CTE lists its columns."""
        self._recursive += bool(cte.recursive)
        try:
            return super().visit_cte(cte, *args, **kw)
        finally:
            self._recursive -= bool(cte.recursive)

    def _label_select_column(
        self,
        select: Any,
        column: Any,
        populate_result_map: Any,
        asfrom: bool,  # noqa: FBT001
        column_clause_args: Any,
        **kw: Any,
    ) -> Any:
        """An output column of a subquery in a FROM, and beside it the cell of its row."""
        self._counted[-1] += 1
        text = super()._label_select_column(select, column, populate_result_map, asfrom, column_clause_args, **kw)
        plain = plain_of(column)
        if (
            asfrom
            and not populate_result_map
            and not kw.get("need_column_expressions")
            and self._places[-1] is None
            and not self._grouped[-1]
            and not self._recursive
            and self._has_row(plain)
        ):
            args = column_kw(column_clause_args)
            row = self._row_of(plain, args)
            if row not in self._brought[-1]:
                self._brought[-1].add(row)
                return f"{text}, {self._row(plain, args)} AS {_passed_on(_last_name(text))}"
        return text

    def visit_amanah_row_cell(self, cell: RowCell, **kw: Any) -> str:
        """The cell, or the column as it is where another has brought the row's seal or there is no one row."""
        column, plain = cell.column, column_kw(kw)
        if not isinstance(cell.type, RowSealed):
            return self._cell(cell.type.seal, cell.type.column, self._row(column, plain))
        if self._has_row(column) and not self._grouped[-1] and self._may_stand_here():
            row = self._row_of(column, plain)
            if row not in self._brought[-1]:
                self._brought[-1].add(row)
                return self._cell(column.type.seal, column.type.column, self._row(column, plain))
        return str(self.process(column, **plain))

    def _may_stand_here(self) -> bool:
        places = self._places[-1]
        return places is None or self._counted[-1] in places

    def _has_row(self, column: Any) -> bool:
        """Whether each value of ``column`` comes from one row of its table, whose seal can be had."""
        if not _is_sealed(column) or self._lenient(column.type.seal):
            return False
        return of_table(column) or _below(column) is not None

    def _lenient(self, seal: SealedRows) -> bool:
        return self.register.lenient and self.register.by_name(seal.table.name) is None

    def _row_of(self, column: Any, plain: dict[str, Any]) -> Any:
        """What is the same for two columns of one row: under which name it stands here, and where it comes from."""
        return self._spelled(column, plain).rpartition(".")[0], hash(_origin(column).table)

    def _spelled(self, column: Any, plain: dict[str, Any]) -> str:
        return str(super().visit_column(column, **plain))

    def _cell(self, seal: SealedRows, name: str, row: str) -> str:
        prefix = f"'{seal.prefixes[name].decode()}'"
        if self.dialect.name == "postgresql":
            return f"(convert_to({prefix}, 'UTF8') || {row})"
        return f"CAST({prefix} || {row} AS BLOB)"

    def _row(self, column: Any, plain: dict[str, Any]) -> str:
        """The texts of the row's sealed columns, its key and its seal, as bytes; NULL for no row at all."""
        if not of_table(column):
            text = self._spelled(column, plain)
            first = _last_name(self._spelled(_first(column), plain))
            return text[: -len(_last_name(text))] + _passed_on(first)
        seal: SealedRows = column.type.seal
        texts = [
            one.sql(self._neighbour(column, known, plain))
            for one, known in zip(seal.spelled(self.dialect), seal.columns, strict=True)
        ]
        keys = seal.table.key_columns()
        parts = [self._neighbour(column, key.name, plain) for key in keys]
        stored = self._neighbour(column, SEAL_COLUMN, plain)
        if self.dialect.name == "postgresql":
            pieces = [f"coalesce(octet_length({text})::text || ':' || {text} || ',', '-')" for text in texts]
            named = [key_text_sql(part, key, dashes=True) for part, key in zip(parts, keys, strict=True)]
            pieces += [f"octet_length({text})::text || ':' || {text} || ','" for text in named]
            return f"(convert_to({' || '.join(pieces)}, 'UTF8') || coalesce({stored}, ''::bytea))"
        pieces = [f"coalesce(length(CAST({text} AS BLOB)) || ':' || {text} || ',', '-')" for text in texts]
        named = [
            f"coalesce({key_text_sql(part, key, dashes=False)}, '')" for part, key in zip(parts, keys, strict=True)
        ]
        pieces += [f"length(CAST({text} AS BLOB)) || ':' || {text} || ','" for text in named]
        there = f"coalesce({', '.join([*parts, 'NULL'])})"  # of an outer join's missing row, all of them are NULL
        whole = f"CAST({' || '.join(pieces)} || coalesce({stored}, '') AS BLOB)"
        return f"CASE WHEN {there} IS NOT NULL THEN {whole} END"


def _is_sealed(column: Any) -> bool:
    return isinstance(column, ColumnClause) and is_column(column) and isinstance(column.type, RowSealed)


def _below(column: Any) -> Any:
    """The row-sealed column that the subquery of ``column`` shows there, where it passes its cell on; or None."""
    source = column.table
    while isinstance(source, Alias):
        source = source.element
    if not isinstance(source, Subquery | CTE) or (isinstance(source, CTE) and source.recursive):
        return None
    shown: Any = source.element
    while getattr(shown, "__visit_name__", "") in ("select_statement_grouping", "grouping"):
        shown = shown.element
    if not isinstance(shown, Select) or shown._distinct or shown._group_by_clauses:  # noqa: SLF001
        return None
    inner = [plain_of(proxy) for proxy in getattr(column, "_proxies", ()) if proxy is not None]
    if not inner or not _is_sealed(inner[0]):
        return None
    return inner[0] if of_table(inner[0]) or _below(inner[0]) is not None else None


def _same_columns(cs: Any) -> frozenset[int]:
    """The places at which all SELECTs of a set operation show the same row-sealed column, straight from its table."""
    found = set()
    for number, cells in enumerate(zip(*(one._all_selected_columns for one in cs.selects), strict=False)):  # noqa: SLF001
        columns = [plain_of(cell) for cell in cells]
        if all(_is_sealed(one) and of_table(one) for one in columns):
            kinds = {(id(one.type.seal), one.type.column) for one in columns}
            if len(kinds) == 1:
                found.add(number)
    return frozenset(found)


def _origin(column: Any) -> Any:
    """The column of a table or alias that ``column`` passes on."""
    while not of_table(column):
        column = _below(column)
    return column


def _first(column: Any) -> Any:
    """Of the columns of its subquery that come from the same row, the one beside which the row's cell is passed on."""
    inner = _below(column)
    wanted = inner.table, _origin(inner).table
    for candidate in column.table.c:
        below = _below(candidate) if _is_sealed(candidate) else None
        if below is not None and (below.table, _origin(below).table) == wanted:
            return candidate
    return column


def _last_name(text: str) -> str:
    match = _LAST_NAME.search(text)
    return match.group() if match else ""


def _passed_on(name: str) -> str:
    """The name under which a subquery passes a cell on, beside the column ``name``, quoted or not."""
    bare = name.strip('"')
    return f"amanah_{sha256(bare.encode()).hexdigest()[:16]}"
