"""The cell: a personal column in the result, with the field and row to which it belongs before its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CHAR, Alias, Integer, String, Uuid
from sqlalchemy.sql.expression import TableClause

from ..errors import SealedUseRefused
from .compiler_state import Compiling, column_kw, is_column, of_table, plain_of
from .shape import refuse
from .slots import mark
from .subjects import NOTHING, VALUE

if TYPE_CHECKING:
    from sqlalchemy import Column

    from .column_types import StoredEnvelope
    from .fields import Field, Protected
    from .personal import Bound


class Cell(Compiling):
    """How a personal column is rendered where it is shown."""

    def visit_amanah_bound(self, bound: Bound, **kw: Any) -> str:
        """Field id, key parts, subject and stored value, each of the first three as a netstring."""
        column = bound.column
        if bound.type.field is not None and self._observed(bound.type.field):
            return self.process(column, **column_kw(kw))  # as it stands in the database
        field = self._field(column)
        if field is None and bound.type.field is not None and not bound.type.field.sealed:
            # An expression over governed columns: those in it were noted as probes, so who gets here sees them in
            # clear.
            field = bound.type.field
            no_row = [("''", key) for key in _carried(field.table)]
            return self._concatenate(field, no_row, self.process(column, **column_kw(kw)), computed=True)
        if field is None:
            name = getattr(bound.type.field, "name", "?")
            refuse(SealedUseRefused(field=name, construct="an expression around the column"))
        table = field.table
        wanted = _carried(table)
        plain = column_kw(kw)
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
        together = hash(column) in self._by_token and len(self.stack) <= 1
        carried = self._carried(field, parts, column, alone=together or bool(kw.get("literal_binds")), **kw)
        cell = self._concatenate(field, parts, self._stored(field, column, kw), carried)
        if not together:
            return cell
        # One of the cells that fall together, whole: its own key goes with its own envelope.
        return f"(array_agg({cell}))[1]" if self.dialect.name == "postgresql" else f"min({cell})"

    def _carried(
        self, field: Field, parts: list[tuple[str, Column[Any]]], column: Any, *, alone: bool, **kw: Any
    ) -> str:
        """SQL for the wrapped secret of the row's subject: with the first cell of each table or alias in a SELECT.

        The other cells of the row are opened by it, too; "" for them, and for a field that needs none. ``alone``: the
        cell is read without the others of its row.
        """
        if (
            not (field.by_subject and field.sealed) or self.isinsert
        ):  # what an INSERT returns was sealed under secrets just met
            return ""
        source = hash(column.table)
        if source in self._carrying[-1] and not alone:
            return ""
        self._carrying[-1].add(source)
        table = field.table
        text, key = next((text, key) for text, key in parts if key.name == table.subject)
        postgresql = self.dialect.name == "postgresql"
        kind = self.render_literal_value(table.subject_kind, String())
        missing = "'1:~,'::bytea" if postgresql else "'1:~,'"
        return (
            f"coalesce((SELECT amanah_secret.wrapped FROM amanah_subject AS amanah_secret "  # noqa: S608 - a name and a literal
            f"WHERE amanah_secret.tenant_id = {self._tenant_id_bind(**kw)} AND amanah_secret.kind = {kind} "
            f"AND amanah_secret.subject = {key_text_sql(text, key, dashes=postgresql)}), {missing})"
        )

    def _concatenate(
        self,
        field: Field,
        parts: list[tuple[str, Column[Any]]],
        value: str,
        carried: str = "",
        *,
        computed: bool = False,
    ) -> str:
        """``carried``: what stands before the value, which then may be NULL."""
        sqlite = self.dialect.name != "postgresql"
        if not field.sealed:
            value = _plain_text(field, value, sqlite=sqlite, computed=computed)
        prefix = f"'{field.prefix.decode()}'"
        sign = VALUE.decode()
        nothing = [f"'{NOTHING.decode()}'"] if field.by_subject and field.sealed and not carried else []
        if not sqlite:
            texts = [_never_null(key_text_sql(text, key, dashes=True), key) for text, key in parts]
            pieces = [f"octet_length({text})::text || ':' || {text} || ','" for text in texts]
            head = " || ".join([prefix, *pieces, *nothing])
            if carried:
                return f"(convert_to({head}, 'UTF8') || {carried} || coalesce('{sign}'::bytea || {value}, ''::bytea))"
            stored = value if field.sealed else f"convert_to({value}::text, 'UTF8')"
            return f"(convert_to({head}, 'UTF8') || {stored})"
        texts = [f"coalesce({key_text_sql(text, key, dashes=False)}, '')" for text, key in parts]
        pieces = [f"length(CAST({text} AS BLOB)) || ':' || {text} || ','" for text in texts]
        if carried:
            nothing, value = [carried], f"coalesce('{sign}' || {value}, '')"
        return f"CAST({' || '.join([prefix, *pieces, *nothing])} || {value} AS BLOB)"

    def visit_amanah_envelope(self, element: StoredEnvelope, **kw: Any) -> str:
        """For Amanah's own statements."""
        return self._neighbour(element.column, element.field.sealed_column, kw)

    def _stored(self, field: Field, column: Any, kw: dict[str, Any]) -> str:
        """What the database holds for ``column``. A subquery has passed it on under the column's own name."""
        if field.sealed and of_table(column):
            return self._neighbour(column, field.sealed_column, kw)
        return str(super().visit_column(column, **column_kw(kw)))

    def _searched(self, column: Any, field: Field, kw: dict[str, Any]) -> str:
        """The search column beside ``column``: of the first slot, marked for when searches go by the second one."""
        self.amanah_shape.searches = True
        return self._neighbour(column, field.index_columns[0], kw) + mark(field)

    def _neighbour(self, column: Any, name: str, kw: dict[str, Any]) -> str:
        """The column ``name`` in the table or alias to which ``column`` belongs."""
        text = super().visit_column(column, **column_kw(kw))
        return text[: len(text) - len(self.preparer.quote(column.name))] + self.preparer.quote(name)


def _carried(table: Protected) -> list[Column[Any]]:
    return [table.table.c[name] for name in table.carried()]


def _plain_text(field: Field, value: str, *, sqlite: bool, computed: bool) -> str:
    """SQL that loses nothing of what a plain column holds when it becomes text, as `Codec.decode_text` reads it.

    NULL stays NULL. What is ``computed`` may hold bind parameters, and stands there once.
    """
    kind = field.codec.name
    if kind == "bytes" and sqlite:
        return rf"replace(replace(nullif(quote({value}), 'NULL'), 'X''', '\x'), '''', '')"
    if kind == "bytes":
        return rf"('\x' || encode({value}, 'hex'))"
    if kind == "float" and sqlite and not computed:  # by itself it writes 15 digits
        return f"CASE WHEN {value} IS NOT NULL THEN printf('%!.20e', {value}) END"
    return value


def _never_null(text: str, key: Column[Any]) -> str:
    """PostgreSQL's primary keys are never NULL where there is a row; a subject may be."""
    return text if key.primary_key else f"coalesce({text}, '')"


def key_text_sql(text: str, key: Column[Any], *, dashes: bool) -> str:
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
    wanted = _beside(plain_of(inner[0]), key)
    if wanted is None:
        return None
    for candidate in source.c:
        origins = [plain_of(p) for p in getattr(candidate, "_proxies", ())]
        if any(o is wanted or (o.table is wanted.table and o.name == wanted.name) for o in origins if is_column(o)):
            # In a UNION ALL each SELECT brings its own key to the same place, or none of them is known.
            return candidate if all(is_column(o) and o.name == wanted.name for o in origins) else None
    return None
