"""An access that may meet some rows of a table only: its statements say so, and nothing else does.

What a compiled form lets through depends on nothing but what its statement carries, and that is part of the key under
which SQLAlchemy keeps it, in whichever cache. So no form that was made for one set of row filters is found by an access
with another; and the gate compares both once more before each execution (`check`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Executable
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.schema import SchemaItem
from sqlalchemy.sql.cache_key import HasCacheKey
from sqlalchemy.sql.ddl import ExecutableDDLElement
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.lambdas import StatementLambdaElement
from sqlalchemy.sql.visitors import InternalTraversal

from ..access_policies.decision import ALL_ROWS, NO_LIMITS
from ..errors import RowsLimited
from .shape import refuse

if TYPE_CHECKING:
    from ..access_policies.decision import Limits, Rows
    from .access import Access
    from .fields import Protected
    from .shape import Shape


_NO_STATEMENTS: Final = (Compiled, ExecutableDDLElement, SchemaItem, TextClause)
"""What is executed and carries no options, and meets no protected table or is refused for it."""


class Limited(ORMOption, HasCacheKey):
    """The option by which a statement carries its access's limits."""

    _is_has_cache_key = True
    _traverse_internals = [("limits", InternalTraversal.dp_plain_obj)]  # noqa: RUF012 - SQLAlchemy's

    def __init__(self, limits: Limits) -> None:
        """``limits``: of the access that executes the statement."""
        self.limits = limits


def limited(statement: Any, access: Access) -> Any:
    """``statement`` as it is for this access: itself, where it may meet all rows."""
    limits = access.limits
    if limits == NO_LIMITS or not isinstance(statement, Executable) or isinstance(statement, _NO_STATEMENTS):
        return statement
    if isinstance(statement, StatementLambdaElement):
        statement = statement._resolved  # noqa: SLF001
    return statement.options(Limited(limits))


def carried(statement: Any) -> Limits:
    """What `limited` put into it; what an application put there itself counts for nothing."""
    options = getattr(statement, "_with_options", ())
    return next((one.limits for one in reversed(options) if isinstance(one, Limited)), NO_LIMITS)


def rows_of(limits: Limits, resource: str, action: str) -> Rows:
    """Of which rows of ``resource`` they let ``action`` be done."""
    return next((rows for what, done, rows in limits.rows if (what, done) == (resource, action)), ALL_ROWS)


def meets_all(limits: Limits, table: Protected, *actions: str) -> bool:
    """Whether they let each of ``actions`` meet all rows of ``table``."""
    if limits.consent and table.about_persons:
        return False
    return all(rows_of(limits, table.resource, action) == ALL_ROWS for action in actions)


def check(shape: Shape, access: Access) -> None:
    """Refuse a form that was compiled for other limits than this access has. Raises `RowsLimited`."""
    limits = access.limits
    if shape.limits is not limits and shape.limits != limits:
        resource = next(iter(shape.tables.values())).resource
        refuse(RowsLimited(resource=resource, detail="a statement that was compiled beforehand"))


__all__ = ["Limited", "carried", "check", "limited", "meets_all", "rows_of"]
