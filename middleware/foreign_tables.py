"""An INSERT by a Table object that the application's models do not know: pandas, and whoever reflects, bring their own.

Tables are matched by name. Whose columns such an object has could only be guessed, so it is not written by; but where
the statement is nothing but "these rows into the table of that name", it says the same of the declared table.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Insert, Table, insert

if TYPE_CHECKING:
    from .fields import Register

_SAYS_MORE = (
    "_values",
    "_multi_values",
    "_returning",
    "_prefixes",
    "_hints",
    "_independent_ctes",
    "_post_values_clause",
    "_execution_options",
    "_return_defaults",
    "select",
)
"""What may stand in an INSERT besides its table. The rows are beside the statement."""


def by_declared_table(register: Register, statement: Any, many: Any, one: Any) -> Any:
    """A bare INSERT of rows into a protected table, put as one by the Table that is declared; any other as it is.

    ``many`` and ``one`` are the parameters beside the statement. Whatever stays as it is meets `target_of`, which
    refuses it.
    """
    given = getattr(statement, "table", None)
    if not isinstance(statement, Insert) or not isinstance(given, Table) or given.schema:
        return statement
    table = register.by_name(given.name)
    if table is None or given == table.table or any(_said(getattr(statement, name, None)) for name in _SAYS_MORE):
        return statement
    named = {key for row in (many or [one or {}]) for key in row}
    if not named or not named <= set(given.columns.keys()) or not all(map(_plain, given.columns)):
        return statement
    columns = table.table.columns
    if any(name not in columns or columns[name]._omit_from_statements for name in named):  # noqa: SLF001
        return statement  # SQLAlchemy would leave out what it does not know, and tokens are not for others to write
    return insert(table.table)


def _said(part: Any) -> bool:
    return part is not None and part is not False and not (isinstance(part, Sized) and not len(part))


def _plain(column: Column[Any]) -> bool:
    """Whether the column means by its name what the declared one means, and adds no value of its own."""
    return column.key == column.name and column.default is None and column.server_default is None


__all__ = ["by_declared_table"]
