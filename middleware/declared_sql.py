"""Raw SQL that was declared: reports that an application keeps as text, carried out inside the walls.

``guard.declared_sql("sales", SALES, columns={"nama": "pelanggan.nama"})`` says of a text what nobody can tell by
reading it: which of its result columns is which personal column. From then on that very text, wherever the application
executes it, runs like this:

1. Each protected table that it names is put before it as a common table expression of the same name, which holds the
   access's tenant's rows only, of these the ones that its row filters let through and, for a purpose that rests on
   consent, those whose subject has a live one when the text is executed; and each sealed value together with where it
   belongs. The text meets that one instead. The values in a row filter stand in the text as they are, so only plain
   ones do; and no table that a row filter asks is read by the report, whose own rows it would ask instead.
2. The access must be allowed to read the tables, and to see the columns: a governed column that stands in the text but
   once, as a declared result, may be masked or withheld; one that stands there oftener chooses or shapes rows, so only
   who sees it in clear may run the report.
3. Declared result columns are opened, masked or withheld like any other, and noted.

Every other raw SQL on a protected table stays refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import MetaData, String, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement, TextClause
from sqlalchemy.types import TypeDecorator

from ..access_policies.decision import ALL_ROWS
from ..audit.entries import What
from ..encryption.remembered import Remembered
from ..errors import AmanahError, FieldProbed, ReportRefused, RowsLimited
from .access import Access, Sight, require
from .limited import limited, meets_all, rows_of
from .personal import cell_opener
from .shape import demand_tenant, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Dialect, FromClause, Table
    from sqlalchemy.sql.selectable import TextualSelect

    from .fields import Field, Protected, Register

_REMEMBERED: Final = 200
"""Tenants whose walls around a report are kept as text."""
_PLAIN: Final = re.compile(r"[\w.@+-]+", re.ASCII)
"""Facts of an access that can stand in a text as they are, in any database and driver."""
_PLACEHOLDER: Final = re.compile(r"%s|\?")


def normal(text: str) -> str:
    """A statement by which it is recognised: blanks and the driver's sign for a parameter do not matter."""
    return " ".join(_PLACEHOLDER.sub("?", text).split()).rstrip("; ")


@dataclass(frozen=True, slots=True)
class DeclaredSql:
    """One report. ``columns``: result column → field. ``often``: governed fields that the text uses otherwise, too."""

    name: str
    body: str
    tables: tuple[Protected, ...]
    columns: Mapping[str, Field]
    often: frozenset[Field]
    register: Register
    _shadows: dict[int, Table] = field(default_factory=dict)
    _walls: Remembered[tuple[object, ...], str] = field(default_factory=lambda: Remembered(_REMEMBERED))

    @property
    def resource(self) -> str:
        """What the report reads first, for an error where there is no access."""
        return self.tables[0].resource if self.tables else self.name

    def decide(self, access: Access) -> None:
        """Steps 2 and 3's notes. Raises the refusals of a SELECT."""
        try:
            demand_tenant(access, self.tables)
            for table in self.tables:
                access.demand(table.resource, "read")
                if self._filtered(access, table):
                    self._check_filters(access, table)
        except AmanahError as error:
            refuse(error)
        for one in self.often:
            if access.sight(one) is not Sight.CLEAR:
                refuse(FieldProbed(field=one.name, purpose=access.purpose or "-"))
        for table in self.tables:
            access.notes.touched(table.resource, "read")
            # A governed value does not say which row it came from; sealed cells note themselves.
            shown = {f for f in (*self.columns.values(), *self.often) if f.table is table and not f.sealed}
            clear = tuple(sorted(f.column for f in shown if access.sight(f) is Sight.CLEAR))
            masked = tuple(sorted(f.column for f in shown if access.sight(f) is Sight.MASKED))
            if clear or masked:
                access.notes.add(What(table.resource, "read", columns=clear, masked=masked))

    def _filtered(self, access: Access, table: Protected) -> bool:
        return not meets_all(access.limits, table, "read")

    def _check_filters(self, access: Access, table: Protected) -> None:
        """Raise `RowsLimited` where what limits the rows of ``table`` cannot be put into a text."""
        filtered = self._has_filters(access, table)
        asked = self.register.row_filters.asked_by(table.name) if filtered else set()
        facts = (access.tenant, access.purpose, access.actor.id if filtered else "")
        above = {one.name for one in self._parents()}  # the wall of a child would ask the report's own rows
        plain = all(_PLAIN.fullmatch(fact) for fact in facts if fact)
        if not plain or table.name in above or asked & {one.name.lower() for one in self.tables}:
            refuse(RowsLimited(resource=table.resource, detail=f"the declared report {self.name}"))

    @staticmethod
    def _has_filters(access: Access, table: Protected) -> bool:
        return rows_of(access.limits, table.resource, "read") != ALL_ROWS

    def _parents(self) -> Iterator[Protected]:
        for table in self.tables:
            while table.via is not None:
                table = table.via.parent  # noqa: PLW2901 - up the chain
                yield table

    def made_for(self, access: Access) -> tuple[object, ...]:
        """All of an access that stands in the text: one that was made for another is not executed."""
        if not any(self._filtered(access, table) for table in self.tables):
            return (access.tenant,)
        limits = tuple(rows_of(access.limits, table.resource, "read") for table in self.tables)
        actor = access.actor.id if any(self._has_filters(access, table) for table in self.tables) else None
        return (access.tenant, limits, access.limits.consent, access.purpose, actor)

    def walled(self, dialect: Dialect, *, colons: str = ":", said: str | None = None) -> str:
        """Step 1, under the current access: the text behind its tables as this tenant has them.

        ``colons``: how a colon is written in what comes before it. ``said``: the text as it was given to the driver,
        whose signs for parameters are taken.
        """
        body = self.body
        if said is not None:
            signs = iter(_PLACEHOLDER.findall(said))  # as many, or it would be another text
            body = _PLACEHOLDER.sub(lambda _: next(signs), body)
        access = require(self.resource)
        key = (id(dialect), *self.made_for(access))
        shadows = self._walls.get(key)
        if shadows is None:
            shadows = ", ".join(
                f"{dialect.identifier_preparer.quote(table.name)} AS ({self._shadow(table, dialect, access)})"
                for table in self.tables
            )
            self._walls.put(key, shadows)
        shadows = shadows.replace(":", colons)
        if body[:4].lower() == "with":
            return f"WITH {shadows},{body[4:]}"
        return f"WITH {shadows} {body}"

    def _shadow(self, table: Protected, dialect: Dialect, access: Access) -> str:
        """The SELECT behind the name of ``table``. The tenant is written out: ids of tenants need no quoting."""
        source: FromClause = table.table
        if dialect.name == "sqlite":  # where a common table expression may not speak of itself: name the file's table
            twin = self._shadows.setdefault(id(table), table.table.to_metadata(MetaData(), schema="main"))
            source = twin.alias(table.name)
        quote = dialect.identifier_preparer.quote
        shown: list[Any] = []
        for column in source.columns:
            known = table.fields.get(column.name)
            if known is not None and not known.sealed:
                shown.append(_Verbatim(f"{quote(table.name)}.{quote(column.name)}").label(column.name))
            elif known is not None or table.column_named(column.name) is None:
                shown.append(column)
        statement = limited(select(*shown).select_from(source), access)
        text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        odd = ("\\",) if dialect.name == "sqlite" else ("\\", "%")  # which drivers read in their own way
        if self._filtered(access, table) and any(sign in text for sign in odd):
            refuse(RowsLimited(resource=table.resource, detail=f"the declared report {self.name}"))
        return text

    def statement(self, original: TextClause, dialect: Dialect) -> TextualSelect:
        """``original`` walled and with typed results."""
        text = DeclaredText(self.walled(dialect, colons=r"\:"))
        text._bindparams = dict(original._bindparams)  # noqa: SLF001 - with the types that were given to them
        text.report, text.made_for = self, self.made_for(require(self.resource))
        return text.columns(**{name: shown_as(self.register, one) for name, one in self.columns.items()})


class DeclaredText(TextClause):
    """The text of a declared report; the compiler lets it pass, and `report_of` finds what decides about it."""

    inherit_cache = True
    report: DeclaredSql
    made_for: tuple[object, ...]


def report_of(compiled: Any) -> DeclaredSql | None:
    """The report that a compiled statement is, if it is one."""
    statement = getattr(compiled, "statement", None)
    text = getattr(statement, "element", statement)
    return text.report if isinstance(text, DeclaredText) else None


def check_made_for(compiled: Any, report: DeclaredSql, access: Access) -> None:
    """Refuse a text that was made for another access than this one: whose rows it shows stands in it. `RowsLimited`."""
    statement = compiled.statement
    text: DeclaredText = getattr(statement, "element", statement)
    if text.made_for != report.made_for(access):
        refuse(RowsLimited(resource=report.resource, detail="a statement that was compiled beforehand"))


class _Verbatim(ColumnElement[Any]):
    """A column's name as it is, past the compiler: the governed columns inside a shadow, which are decided for all."""

    inherit_cache = False

    def __init__(self, text: str) -> None:
        self.text = text
        self.type = String()


@compiles(_Verbatim)
def _verbatim(element: _Verbatim, _compiler: Any, **_: Any) -> str:
    return element.text


class _Shown(TypeDecorator[Any]):
    """A governed value of a report, as this access sees it."""

    impl = String
    cache_ok = True

    def __init__(self, one: Field) -> None:
        self.one = one
        super().__init__()

    @property
    def _static_cache_key(self) -> Any:
        return (_Shown, id(self.one))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Read it as the column's own type does, then decide."""
        column_type = self.one.table.table.c[self.one.column].type
        inner = getattr(column_type, "inner", None) or column_type
        read = inner.dialect_impl(dialect).result_processor(dialect, coltype)
        return lambda value: _as_seen(self.one, read(value) if read and value is not None else value)


def _as_seen(one: Field, value: Any) -> Any:
    access = require(one.table.resource)
    sight = access.sight(one)
    if value is None or sight is Sight.CLEAR:
        return value
    return access.mask(one)(value) if sight is Sight.MASKED else one.standin


def shown_as(register: Register, one: Field) -> _Cell | _Shown:
    """The type of a declared result column."""
    return _Cell(register) if one.sealed else _Shown(one)


class _Cell(TypeDecorator[Any]):
    """A sealed value of a report, with its place before it."""

    impl = String
    cache_ok = True

    def __init__(self, register: Register) -> None:
        self.register = register
        super().__init__()

    @property
    def _static_cache_key(self) -> Any:
        return (_Cell, id(self.register))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:  # noqa: ARG002 - SQLAlchemy's
        """Open the cell."""
        return cell_opener(self.register)


class OpeningCursor:
    """A driver's cursor whose rows are opened on their way out: for reports that are executed as driver's SQL."""

    def __init__(self, cursor: Any, declared: DeclaredSql, dialect: Dialect) -> None:
        """Raises `ReportRefused` where a declared column is not in the result."""
        self._cursor = cursor
        names = [str(described[0]) for described in cursor.description or ()]
        check_names(declared, names)
        self._openers = [
            (names.index(name), shown_as(declared.register, one).result_processor(dialect, None))
            for name, one in declared.columns.items()
        ]

    def __getattr__(self, name: str) -> Any:
        """Everything but rows is the driver's."""
        return getattr(self._cursor, name)

    def _open(self, row: Sequence[Any]) -> tuple[Any, ...]:
        opened = list(row)
        for position, process in self._openers:
            opened[position] = process(opened[position])
        return tuple(opened)

    def fetchone(self) -> tuple[Any, ...] | None:
        """One row."""
        row = self._cursor.fetchone()
        return None if row is None else self._open(row)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Some rows."""
        return [self._open(row) for row in (self._cursor.fetchmany() if size is None else self._cursor.fetchmany(size))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that are left."""
        return [self._open(row) for row in self._cursor.fetchall()]


def check_names(declared: DeclaredSql, names: Sequence[str]) -> None:
    """Raise `ReportRefused` where a declared column is not in the result, or stands there twice."""
    for name in declared.columns:
        if list(names).count(name) != 1:
            refuse(ReportRefused(report=declared.name, column=name))
