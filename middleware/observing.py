"""How far enforcement has come: which resources are enforced already, and until when the others are only observed.

Invariants:

1. What is enforced stays enforced for this object's life: resources are never taken away, and once the last day has
   passed everything is enforced, for good, without a restart.
2. A resource with a sealed column is enforced whether or not it was named: what nobody may open cannot be shown. So is
   the parent by which an enforced table belongs to its tenant, and a table that a row filter of an enforced one asks.
3. The last day is not far: a road that never ends is no road.
"""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from ..errors import ConfigurationError
from .fields import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .declared_sql import DeclaredSql
    from .fields import Protected
    from .routes import Route

LONGEST: Final = 92
"""So many days from today at most: a quarter of a year."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Observing:
    """The posture of one observing guard; safe for threads."""

    def __init__(self, until: date | None, enforce: Iterable[str], *, clock: Callable[[], datetime] = _utc_now) -> None:
        """``until``: the last day (UTC) of observing. Raises `ConfigurationError` where it is missing or too far."""
        if isinstance(enforce, str):
            raise ConfigurationError(detail="enforce is a list of resources, not one text")
        self.clock = clock
        self.until = _last_day(until, clock().date())
        self.enforced = frozenset(enforce)
        self._end = datetime.combine(self.until + timedelta(days=1), time.min, UTC)
        self._over = False

    @property
    def over(self) -> bool:
        """Whether everything is enforced: from midnight (UTC) after the last day on."""
        if not self._over and self.clock() >= self._end:
            self._over = True
        return self._over

    def enforces(self, resource: str) -> bool:
        """Whether what this resource's decisions say is carried out."""
        return resource in self.enforced or self.over

    def lets_pass(self, route: Route | None) -> bool:
        """Whether a request for ``route`` is only observed. None: nobody declared it."""
        return not self.over and not (route is not None and route.kind == "guarded" and route.resource in self.enforced)

    def take_in(self, register: Register, routes: Iterable[Route]) -> None:
        """Learn what there is. Raises `ConfigurationError` for a resource to enforce that nobody declared."""
        tables = register.tables.values()
        known = {table.resource for table in tables} | {route.resource for route in routes if route.resource}
        unknown = sorted(self.enforced - known)
        if unknown:
            raise ConfigurationError(detail=f"enforce names {unknown[0]!r}, which no table and no route declares")
        unasked = sorted(_with_them(register, self.enforced) - self.enforced)
        if unasked:
            self.enforced |= set(unasked)
            warnings.warn(
                f"Amanah enforces these resources although enforce= does not name them: {', '.join(unasked)}. "
                "A table with sealed columns is never merely observed, nor is the parent by which an enforced table "
                "belongs to its tenant, nor a table that its row filters ask.",
                RuntimeWarning,
                stacklevel=4,
            )
        register.observing = self


def _with_them(register: Register, enforced: frozenset[str]) -> frozenset[str]:
    """``enforced``, the resources of tables with a sealed column, and of the tables that the walls of all these ask."""
    tables = register.tables.values()
    found = set(enforced) | {t.resource for t in tables if t.writes_sealed}
    while more := {one.resource for t in tables if t.resource in found for one in _asked_by(register, t)} - found:
        found |= more
    return frozenset(found)


def _asked_by(register: Register, table: Protected) -> Iterator[Protected]:
    """The tables that the wall of ``table`` asks: its parent, and those in row filters."""
    if table.via is not None:
        yield table.via.parent
    for name in register.row_filters.asked_by(table.name):
        if (asked := register.by_name(name)) is not None:
            yield asked


def enforced_part(register: Register, enforced: frozenset[str]) -> Register:
    """The register in which only tables of the ``enforced`` resources are protected; all others are let be."""
    part = Register()
    part.lenient = True
    for table in register.tables.values():
        if table.resource in enforced:
            part.add(table)
    part.reports = _Reports(register, enforced)
    part.row_filters = register.row_filters
    part.close()
    return part


class _Reports(dict[str, "DeclaredSql"]):
    """The declared reports that read something enforced: they run inside its walls, the others as they are."""

    def __init__(self, register: Register, enforced: frozenset[str]) -> None:
        super().__init__()
        self._register = register
        self._enforced = enforced

    def __bool__(self) -> bool:
        return bool(self._register.reports)

    def get(self, text: str, default: DeclaredSql | None = None) -> DeclaredSql | None:  # type: ignore[override]
        """The report of this text, looked up where reports are declared: that happens after the guard was built."""
        report = self._register.reports.get(text)
        return report if report and any(t.resource in self._enforced for t in report.tables) else default


def _last_day(until: date | None, today: date) -> date:
    if until is None or isinstance(until, datetime) or not isinstance(until, date):
        raise ConfigurationError(detail="observing ends on a day: until=datetime.date(…), at most 92 days from today")
    if until > today + timedelta(days=LONGEST):
        raise ConfigurationError(detail=f"until={until.isoformat()} is more than {LONGEST} days from today")
    return until


__all__ = ["LONGEST", "Observing", "enforced_part"]
