"""Row filters: which rows of a table a rule speaks of, written once by the application's developer, in SQL.

``RowFilter("assigned_courier", "orders", lambda orders, access: orders.c.courier_id == access.actor_id)`` gives the
expression a name; rules of the policy name it. The first wall puts it into every SELECT, UPDATE and DELETE.

1. An expression holds no value of anybody: ``access.actor_id`` and its like are parameters that are asked for at each
   execution, under the access of that moment, in the type of what they are compared with.
2. It is called once, when the guard is built, and refused there if it could not be kept: raw SQL, a parameter that a
   statement could fill, a sealed column, a table that nobody declared.
3. Tables inside an expression stand behind the wall of the tenant, and behind no row filter.
4. Where a filter is missing, its permission lets no row through and its denial all of them: no rows, never more.
5. NULL is no yes: a permission whose expression is NULL does not show the row, nor does a denial.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sqlalchemy import CTE, BindParameter, ColumnElement, and_, false, not_, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause, TextClause
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.selectable import AliasedReturnsRows

from ..access_policies.names import check_row_filter
from ..errors import DeclarationError, InvalidInput
from .access import current
from .personal import Personal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Dialect, Table

    from ..access_policies.decision import Rows
    from .access import Access
    from .fields import Protected, Register

_FACTS: Final[Mapping[str, Callable[[Access], str | None]]] = {
    "actor_id": lambda access: access.actor.id,
    "tenant": lambda access: access.tenant,
    "purpose": lambda access: access.purpose,
}
_KINDS: Final = (str, int, uuid.UUID)


class AccessValue(BindParameter[Any]):
    """A parameter that is a fact of whichever access executes the statement."""

    inherit_cache = True

    def __init__(self, fact: str) -> None:
        """``fact``: one of `_FACTS`."""
        self.fact = fact
        super().__init__(f"amanah_{fact}", callable_=lambda: None, unique=True)


class AccessValues:
    """What an expression may know of the access: ``actor_id``, ``tenant``, and the ``purpose``'s key."""

    @property
    def actor_id(self) -> AccessValue:
        """The application's account id of who is asking."""
        return AccessValue("actor_id")

    @property
    def tenant(self) -> AccessValue:
        """The access's tenant."""
        return AccessValue("tenant")

    @property
    def purpose(self) -> AccessValue:
        """The key of the access's purpose."""
        return AccessValue("purpose")


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows of ``table`` the rules speak of that name this filter.

    ``rows(table, access)`` gives the condition, of the Table object and of an `AccessValues`. It may ask other tables
    of the tenant, with ``exists()``. Where a resource has several tables, each needs the filter of that name.
    """

    name: str
    table: str
    rows: Callable[[Table, AccessValues], ColumnElement[bool]]


class RowFilters:
    """The row filters of one guard, by name and table."""

    def __init__(self) -> None:
        """Start with none; `build` fills it."""
        self._conditions: dict[tuple[str, str], ColumnElement[bool]] = {}
        self._met: dict[str, set[str]] = {}
        self.resources: dict[str, frozenset[str]] = {}
        """Name → the resources of which it tells rows apart."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._conditions)

    def add(self, name: str, table: str, condition: ColumnElement[bool], met: set[str]) -> None:
        """Take in one. ``met``: the tables that it asks, in lower case."""
        self._conditions[name, table] = condition
        self._met.setdefault(table, set()).update(met)

    def has(self, name: str, table: str) -> bool:
        """Whether the filter tells rows of that table apart."""
        return (name, table) in self._conditions

    def meets(self, name: str) -> bool:
        """Whether an expression asks the table of that name, in any case."""
        return any(name.lower() in met for met in self._met.values())

    def asked_by(self, table: str) -> set[str]:
        """The tables that expressions about ``table`` ask."""
        return self._met.get(table, set())

    def condition(self, table: Protected, rows: Rows) -> ColumnElement[bool]:
        """The rows of ``table`` that ``rows`` speaks of."""
        parts = [not_(self._conditions.get((name, table.name), true())) for name in rows.denied]
        if rows.allowed is not None:
            parts.append(or_(false(), *(self._conditions.get((name, table.name), false()) for name in rows.allowed)))
        return and_(true(), *parts)


def build(register: Register, filters: Iterable[RowFilter], dialect: Dialect) -> None:
    """Ask each filter for its expression and put it into the register. Raises `DeclarationError`."""
    found = register.row_filters
    for one in filters:
        label = f"the row filter {one.name!r:.80} of {one.table!r:.80}"
        protected = register.by_name(one.table)
        try:
            check_row_filter(one.name)
        except InvalidInput as error:
            raise DeclarationError(detail=error.facts["detail"]) from None
        if protected is None:
            _refuse(label, "no protected table has this name")
        if found.has(one.name, protected.name):
            _refuse(label, "it is declared twice")
        try:
            condition = one.rows(protected.table, AccessValues())
        except (AttributeError, LookupError, TypeError, SQLAlchemyError) as error:
            raise DeclarationError(detail=f"{label}: {error}") from error
        if not isinstance(condition, ColumnElement):
            _refuse(label, "it gives no SQL expression")
        met = set(_tables(register, label, protected.name, condition))
        _bind(label, condition)
        try:
            select(true()).select_from(protected.table).where(condition).compile(dialect=dialect)
        except SQLAlchemyError as error:
            raise DeclarationError(detail=f"{label}: it does not compile: {error}") from error
        found.add(one.name, protected.name, condition, met)
    _check_resources(register, {one.name for one in filters})


def _check_resources(register: Register, names: Iterable[str]) -> None:
    """Rules are about resources: a filter of one of its tables has to say which rows of the others it means."""
    for name in sorted(names):
        tables = list(register.tables.values())
        resources = {table.resource for table in tables if register.row_filters.has(name, table.name)}
        for table in tables:
            if table.resource in resources and not register.row_filters.has(name, table.name):
                _refuse(f"the row filter {name!r:.80}", f"{table.name}, a table of {table.resource}, has none")
        register.row_filters.resources[name] = frozenset(resources)


def _tables(register: Register, label: str, own: str, condition: ColumnElement[bool]) -> Iterator[str]:
    """The tables that the expression about the table ``own`` asks, in lower case; what cannot be kept is refused."""
    for part in visitors.iterate(condition):
        if isinstance(part, TextClause) or _is_literal(part):
            _refuse(label, "it holds raw SQL")
        if isinstance(part, CTE):
            _refuse(label, "it holds a common table expression; a subquery does the same")
        given = source = part.table if isinstance(part, ColumnClause) else part
        if isinstance(part, ColumnClause) and isinstance(part.type, Personal) and _is_sealed(part.type):
            _refuse(label, f"{part} is sealed, and no database can compare what is sealed")
        while isinstance(source, AliasedReturnsRows):
            source = source.element
        if isinstance(source, TableClause):
            name = source.name.lower()
            if register.by_name(name) is None and name not in register.shared:
                _refuse(label, f"nobody declared the table {name}")
            if given is not source or name != own.lower():  # its own columns are of the row that is judged
                yield name


def _is_literal(part: Any) -> bool:
    """A piece of SQL, other than the star of `exists()`."""
    return isinstance(part, ColumnClause) and part.is_literal and part.name != "*"


def _is_sealed(kind: Personal) -> bool:
    return kind.field is None or kind.field.writes_sealed


def _bind(label: str, condition: ColumnElement[bool]) -> None:
    """Give each fact of the access the type of what it is compared with; no other parameter can be filled."""
    for part in visitors.iterate(condition):
        if isinstance(part, AccessValue):
            kind = str if part.type._isnull else part.type.python_type  # noqa: SLF001
            if kind not in _KINDS:
                _refuse(label, f"access.{part.fact} is compared with a {part.type!r}: text, integer or UUID can be")
            part.callable = _now(part.fact, kind)
        elif isinstance(part, BindParameter) and (not part.unique or part.required or part.callable is not None):
            _refuse(label, f"the parameter {part.key!r:.80} could be filled by a statement; use access.… or a constant")


def _now(fact: str, kind: Callable[[str], Any]) -> Callable[[], Any]:
    """The fact in the type of the column; NULL, which no row equals, where there is none or it is of no such type."""

    def now() -> Any:
        access = current()
        value = None if access is None or access.closed else _FACTS[fact](access)
        try:
            return None if value is None else kind(value)
        except ValueError:
            return None

    return now


def _refuse(label: str, detail: str) -> NoReturn:
    raise DeclarationError(detail=f"{label}: {detail}")


__all__ = ["AccessValue", "AccessValues", "RowFilter", "RowFilters", "build"]
