"""What the parts of the guarded compiler share: what they know while one statement is compiled, and small questions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Alias
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnClause, Grouping, Label
from sqlalchemy.sql.expression import TableClause

from ..errors import AmanahError, RawSqlRefused
from .limited import carried
from .personal import Personal
from .shape import Shape, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import BindParameter

    from .fields import Field, Register
    from .row_filters import AccessValue

SIGN_IN = "amanah:sign_in"
"""The statement hint by which compiled forms made under a sign-in access are kept apart in SQLAlchemy's cache."""


def plain_of(element: Any) -> Any:
    """The column under a label or parentheses, if that is all there is."""
    while isinstance(element, Label | Grouping):
        element = element.element
    return element


def personal_of(element: Any) -> Field | None:
    """The field, if ``element`` is a personal column itself."""
    if isinstance(element, ColumnClause) and isinstance(element.type, Personal):
        return element.type.field
    return None


def column_kw(kw: dict[str, Any]) -> dict[str, Any]:
    """Of a compiler's keywords, those that say how a column is spelled."""
    return {k: v for k, v in kw.items() if k in ("include_table", "ambiguous_table_name_map")}


def of_table(column: Any) -> bool:
    """It stands in a table or an alias of one, and in no subquery."""
    source = column.table
    while isinstance(source, Alias):
        source = source.element
    return isinstance(source, TableClause)


def is_column(element: Any) -> bool:
    """It is a column with a name, not a piece of text."""
    return isinstance(element, ColumnClause) and not element.is_literal


_Base: Any = SQLCompiler  # whose methods have no types, and other signatures in each release


class Compiling(_Base):  # type: ignore[misc]
    """Mixed in before a dialect's compiler class."""

    register: Register
    enforced: Callable[[], Register] | None = None
    rehearsal: type[Compiling]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Compilation happens inside SQLAlchemy's constructor, so our state comes first."""
        if self.enforced is not None:
            self.register = self.enforced()
        self.amanah_shape = Shape()
        self.amanah_shape.limits = carried(args[1] if len(args) > 1 else kwargs.get("statement"))
        self._doubts: list[AmanahError] = []
        self._allowed: list[Any] = []
        self._exists = False
        self._in_exists: list[bool] = []
        self._tenant_binds: dict[str, BindParameter[Any]] = {}
        self._access_binds: set[AccessValue] = set()
        self._purpose_bind: AccessValue | None = None
        self._grouped: list[bool] = [False]
        self._by_token: set[int] = set()
        self._shown: list[bool] = [False]
        self._carrying: list[set[int]] = [set()]
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
        field = personal_of(element)
        return None if field is None or self._observed(field) else field

    def _observed(self, field: Field) -> bool:
        return self.register.lenient and self.register.by_name(field.table.name) is None
