"""What a statement touches: found once while it is compiled, and kept with SQLAlchemy's cached compiled form."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ..access_policies.decision import NO_LIMITS
from ..errors import TenantForeign
from .access import current

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from ..access_policies.decision import Limits
    from ..errors import AmanahError
    from .access import Access
    from .fields import Field, Protected


class Shape:
    """The analysis of one compiled statement. Compared by identity; never changed after compilation."""

    __slots__ = (
        "actions",
        "columns",
        "limits",
        "named",
        "presence",
        "probes",
        "searches",
        "tables",
        "target",
        "undeclared",
        "unwalled",
    )

    def __init__(self) -> None:
        """Nothing touched yet."""
        self.tables: dict[str, Protected] = {}
        self.actions: dict[tuple[str, str], Protected] = {}
        """(resource, action) → a table of that resource."""
        self.named: set[Field] = set()
        """Personal columns selected by name: withheld ones are refused, not blanked."""
        self.probes: set[Field] = set()
        """Personal columns that rows are chosen or ordered by: only who sees them in clear may."""
        self.presence: set[Field] = set()
        """Personal columns of which only presence is asked."""
        self.searches = False
        """Its text names search columns, see `slots`."""
        self.undeclared: set[str] = set()
        self.columns: tuple[str, ...] = ()
        """Columns written by an INSERT or UPDATE, in the table's order."""
        self.target: Protected | None = None
        """The table that an INSERT, UPDATE or DELETE writes."""
        self.limits: Limits = NO_LIMITS
        """The row filters of these are in it, and the question for a consent: it serves no access with others."""
        self.unwalled = False
        """Compiled for sign-in, which meets rows of every tenant: such a form never serves another access."""

    def touch(self, table: Protected, action: str) -> None:
        """Note that ``action`` is carried out on ``table``."""
        self.tables[table.name] = table
        known = self.actions.get((table.resource, action))
        if known is None or known.sign_in:  # what is exempt for sign-in must not exempt its resource's other tables
            self.actions[table.resource, action] = table


def demand_tenant(access: Access, tables: Iterable[Protected]) -> None:
    """Refuse an access of another tenant where all rows are of one: the wall would show it an empty application.

    An access without a tenant (sign-in, public) is left to what else decides about those.
    """
    for table in tables:
        if table.fixed is not None and access.tenant not in (None, table.fixed):
            refuse(TenantForeign(resource=table.resource))


_rehearsal: ContextVar[bool] = ContextVar("amanah_rehearsal", default=False)


@contextmanager
def rehearsing() -> Iterator[None]:
    """What is refused in this block is only asked for: it is raised, and the access does not learn of it."""
    token = _rehearsal.set(True)
    try:
        yield
    finally:
        _rehearsal.reset(token)


def refuse(error: AmanahError) -> NoReturn:
    """Put the refusal on the current access, so that the HTTP gate can answer with it, and raise it."""
    access = current()
    if access is not None and access.refusal is None and not _rehearsal.get():
        access.refusal = error
    raise error
