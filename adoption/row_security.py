"""`amanah revision walls`: the tables whose second wall is missing or not that of the declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidInput, StepNotDue
from ..middleware.live_row_security import unwalled
from ..middleware.row_security import row_security
from .alembic_row_security import RowSecurityStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..guard import Guard


def walls_due(guard: Guard, names: Sequence[str] = ()) -> list[RowSecurityStep]:
    """One operation for each such table, of ``names`` or of all. Raises `InvalidInput` and `StepNotDue`.

    Asked of the live database; one that is no PostgreSQL has no wall to compare, and all tables are due.
    """
    tables = guard.register.tables
    for name in names:
        if guard.register.by_name(name) is None:
            raise InvalidInput(detail=f"there is no protected table {name!r:.80}")
    chosen = [tables[name.lower()] for name in names] or list(tables.values())
    due = set(unwalled(guard.register, guard.engine))
    steps = [RowSecurityStep(row_security(table)) for table in chosen if table.name in due]
    if not steps:
        raise StepNotDue(detail="row-level security is on for these tables, and as declared")
    return steps


__all__ = ["walls_due"]
