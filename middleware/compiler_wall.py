"""The first wall: which rows of a protected table a statement meets, and which it may write."""

from __future__ import annotations

import re
from copy import copy
from typing import TYPE_CHECKING, Any

from sqlalchemy import Alias, MetaData, String, Table, and_, bindparam, select
from sqlalchemy.sql.elements import ColumnElement, Grouping, _truncated_label
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import TableValuedAlias

from ..access_policies.decision import ALL_ROWS
from ..database import database_now
from ..errors import RawSqlRefused, SealedWriteRefused, SubjectUndeclared, TableShadowed
from .access import current
from .column_types import IndexToken, Sibling
from .compiler_cell import key_text_sql
from .compiler_state import SIGN_IN, Compiling
from .fields import CONSENTS
from .limited import meets_all, rows_of
from .row_filters import AccessValue
from .row_seals import SealColumn
from .shape import Shape, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Column

    from .fields import Protected

_CATALOGUES = ("pg_class", "pg_namespace", "pg_attribute", "pg_type", "pg_index", "sqlite_", "alembic_version")


def _tenant_now(table: Protected) -> Callable[[], Any]:
    """The current access's tenant in the type of the table's column; NULL, which no row equals, where there is none."""

    def now() -> Any:
        access = current()
        return None if access is None or access.closed or access.tenant is None else table.tenant_value(access.tenant)

    return now


def _tenant_id_now() -> str | None:
    access = current()
    return None if access is None or access.closed else access.tenant


def _purpose_now() -> str | None:
    access = current()
    return None if access is None or access.closed else access.purpose


class _Wall(ColumnElement[Any]):
    """``t.tenant_id = :tenant``, or what stands for it, for the target of an UPDATE or DELETE."""

    __visit_name__ = "amanah_wall"
    inherit_cache = False

    def __init__(self, target: Any, table: Protected, action: str) -> None:
        self.target = target
        self.action = action
        self.protected = table


class _Seen(ColumnElement[Any]):
    """The row filters of ``protected``, and whether its subject consented, for the row that an upsert has met."""

    __visit_name__ = "amanah_seen"
    inherit_cache = False

    def __init__(self, protected: Protected) -> None:
        self.protected = protected


class Wall(Compiling):
    """Tables in a FROM, and the targets of INSERT, UPDATE and DELETE."""

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

    def _tenant_id_bind(self, **kw: Any) -> str:
        """The access's tenant as Amanah's own tables name it."""
        bind = self._tenant_binds.get("")
        if bind is None:
            bind = self._tenant_binds[""] = bindparam("amanah_tenant_id", callable_=_tenant_id_now, type_=String())
        return self.process(bind, **{k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")})

    def _tenant_bind(self, table: Protected, **kw: Any) -> str:
        bind = self._tenant_binds.get(table.name)
        if bind is None:
            type_ = String() if table.tenant is None else table.table.c[table.tenant].type
            bind = bindparam(f"amanah_tenant_{table.name}", callable_=_tenant_now(table), type_=type_)
            self._tenant_binds[table.name] = bind
        kw = {k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")}
        return self.process(bind, **kw)

    def construct_params(self, params: Any = None, *args: Any, **kw: Any) -> Any:
        """What the wall binds is asked of the access, also where a statement's parameters have the same names."""
        found = super().construct_params(params, *args, **kw)
        if params:
            for bind in (*self._tenant_binds.values(), *self._access_binds):
                if (name := self.bind_names.get(bind)) is not None:
                    found[name] = bind.effective_value
        return found

    def _check_bind(self, bind: Any) -> None:
        """The wall's parameters have names that no other parameter may have: the last value would be that of both."""
        if isinstance(bind, AccessValue):
            self._access_binds.add(bind)
        elif bind.key.startswith("amanah_tenant_") and all(bind is not own for own in self._tenant_binds.values()):
            refuse(RawSqlRefused(name=bind.key))

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
        self._demand_subject(protected)
        self.amanah_shape.touch(protected, "read")
        walled = self._walled(protected)
        columns = self._columns(protected)
        if not walled and columns == "*" and meets_all(self.amanah_shape.limits, protected, "read"):
            return super().visit_table(table, asfrom=asfrom, iscrud=iscrud, **kw)
        names = kw.pop("ambiguous_table_name_map", None)
        enclosing = kw.get("enclosing_alias")
        inner = super().visit_table(table, asfrom=True, iscrud=False, **kw)
        conditions = [self._owned(protected, table, table.name, **kw)] if walled else []
        conditions += self._filtered(protected, "read", **kw)
        conditions += self._consented(protected, table.name, **kw)
        condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
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

    def _filtered(self, table: Protected, *actions: str, **kw: Any) -> list[str]:
        """SQL: the row of ``table`` is one of which the policy's yes to each of ``actions`` speaks.

        What an expression asks was decided by whoever wrote it: it is no part of the statement's shape, and a shape of
        its own has no limits, so that no row filter stands before another's tables.
        """
        asked = dict.fromkeys(rows_of(self.amanah_shape.limits, table.resource, action) for action in actions)
        asked.pop(ALL_ROWS, None)
        if not asked:
            return []
        kw = {k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")}
        known = self.amanah_shape, self._from_names, self._loose, self._exists
        self.amanah_shape, self._from_names, self._loose, self._exists = Shape(), set(), set(), False
        self._allowed.append(None)
        around = {table.table}
        self.stack.append({"correlate_froms": around, "asfrom_froms": around, "selectable": select(table.table)})
        try:
            conditions = [self.register.row_filters.condition(table, rows) for rows in asked]
            return [f"({self.process(one, **kw)})" for one in conditions]
        finally:
            self.stack.pop()
            self._allowed.pop()
            self.amanah_shape, self._from_names, self._loose, self._exists = known

    def _demand_subject(self, table: Protected) -> None:
        """Where rows take a consent it has to be known whose. Raises `SubjectUndeclared`."""
        if self.amanah_shape.limits.consent and table.fields and table.subject is None:
            refuse(SubjectUndeclared(table=table.name, purpose=_purpose_now() or "-"))

    def _consented(self, table: Protected, row: str, **kw: Any) -> list[str]:
        """SQL: whom the row is about that stands here under the name ``row`` has a live consent to the purpose.

        A row about nobody is about nobody who consented. The purpose is a parameter, the instant the statement's.
        """
        if not self.amanah_shape.limits.consent or table.subject is None:
            return []
        kw = {k: v for k, v in kw.items() if k in ("literal_binds", "render_postcompile")}
        if self._purpose_bind is None:
            self._purpose_bind = AccessValue("purpose")
            self._purpose_bind.type, self._purpose_bind.callable = String(), _purpose_now
        quote, name = self.preparer.quote, "amanah_agreed"
        column = table.table.c[table.subject]
        about = key_text_sql(f"{quote(row)}.{quote(column.name)}", column, dashes=self.dialect.name == "postgresql")
        kind, now = self.render_literal_value(table.subject_kind, String()), self.process(database_now())
        agreed = (
            f"EXISTS (SELECT 1 FROM {CONSENTS} AS {name} "  # noqa: S608 - names and a literal
            f"WHERE {name}.tenant_id = {self._tenant_id_bind(**kw)} AND {name}.kind = {kind} "
            f"AND {name}.subject = {about} AND {name}.purpose = {self.process(self._purpose_bind, **kw)} "
            f"AND {name}.withdrawn_at IS NULL AND {name}.given_at <= {now} "
            f"AND ({name}.ends_at IS NULL OR {name}.ends_at > {now}))"
        )
        return [agreed]

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
        owned = self._owned(wall.protected, source, wall.target.name, **kw)
        # Who may change a row and not see it would learn of it by what a WHERE reaches: both, as in PostgreSQL.
        filtered = self._filtered(wall.protected, wall.action, "read", **kw)
        return " AND ".join([owned, *filtered, *self._consented(wall.protected, wall.target.name, **kw)])

    def visit_amanah_seen(self, seen: _Seen, **kw: Any) -> str:
        """The condition of ON CONFLICT DO UPDATE; that the row is the tenant's is in its conflict target."""
        table = seen.protected
        return " AND ".join([*self._filtered(table, "update", "read", **kw), *self._consented(table, table.name, **kw)])

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
        self._demand_subject(protected)
        self.amanah_shape.touch(protected, action)
        self.amanah_shape.target = protected
        if statement._returning:  # noqa: SLF001
            self.amanah_shape.touch(protected, "read")
            self._note_named(statement._returning)  # noqa: SLF001
        if action != "create" and self._walled(protected):
            statement = _behind(statement, _Wall(target, protected, action))
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
                if not meets_all(self.amanah_shape.limits, protected, "read", "update"):
                    insert_stmt = _updating_seen(insert_stmt, protected)
            names = set(self.column_keys or ()) | {getattr(c, "key", str(c)) for c in (insert_stmt._values or ())}  # noqa: SLF001
            self.amanah_shape.columns = _said(c for c in protected.table.columns if c.key in names)
        return super().visit_insert(insert_stmt, visited_bindparam=visited_bindparam, visiting_cte=visiting_cte, **kw)


def _behind(statement: Any, wall: _Wall) -> Any:
    """``statement`` with the wall before its own criteria, which stand in parentheses: raw SQL may hold an OR."""
    walled = statement._generate()  # noqa: SLF001
    criteria = statement._where_criteria  # noqa: SLF001
    walled._where_criteria = (wall, *((Grouping(and_(*criteria)),) if criteria else ()))  # noqa: SLF001
    return walled


def _updating_seen(statement: Any, protected: Protected) -> Any:
    """The upsert ``statement``, which leaves a row as it is that may not be seen and changed, as an UPDATE does."""
    limited_to = statement._generate()  # noqa: SLF001
    clause = limited_to._post_values_clause = copy(statement._post_values_clause)  # noqa: SLF001
    said = clause.update_whereclause
    clause.update_whereclause = _Seen(protected) if said is None else and_(_Seen(protected), Grouping(said))
    return limited_to


def _said(columns: Iterable[Column[Any]]) -> tuple[str, ...]:
    """The columns as models and declarations name them: envelopes are their column's, tokens nobody's."""
    names = (
        c.type.field.column if isinstance(c.type, Sibling) and c.type.field is not None else c.name
        for c in columns
        if not isinstance(c.type, IndexToken | SealColumn)
    )
    return tuple(dict.fromkeys(names))
