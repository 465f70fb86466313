"""What the commands that seal and unseal live data share: what there is to do, how it is told, and page after page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import or_

from ..errors import KeyUnknown
from .sealing_tables import owner_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine

    from ..guard import Guard
    from ..middleware.fields import Field
    from .sealing_tables import Stored

BATCH: Final = 2000
"""Rows per transaction: on SQLite others wait for the writer so long, on PostgreSQL for these rows."""

PASSES: Final = 5
"""Rows that were written meanwhile, or that somebody held, are gone back to so many times."""


class Watcher(Protocol):
    """Who is told how far it has come."""

    def expect(self, rows: int) -> None:
        """So many rows are to be done, as far as is known."""

    def advance(self, rows: int) -> None:
        """So many more are done."""


class Quiet:
    """Nobody."""

    def expect(self, rows: int) -> None:
        """Say nothing."""

    def advance(self, rows: int) -> None:
        """Say nothing."""


QUIET: Final = Quiet()


@dataclass(slots=True)
class Result:
    """What was done in one column, and what is left of it; counts are of cells.

    ``refused``: (tenant, row key) of cells that could not be taken over. ``without_keys``: cells of rows whose tenant
    has no keys here, by what their tenant column says ("" for none); they are ``left``, too.
    """

    table: str
    column: str
    done: int = 0
    left: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    without_keys: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Nothing is left to be done."""
        return not (self.left or self.refused)


class Work:
    """What there is to do: rows per tenant and table, and cells whose tenant has no keys here."""

    def __init__(
        self,
        guard: Guard,
        engine: Engine,
        tables: Sequence[Stored],
        wanted: Callable[[Stored, Field], ColumnElement[bool]],
        tenant: str | None,
    ) -> None:
        self.rows = 0
        self.by_tenant: dict[str, list[Stored]] = {}
        self.cells: Counter[str] = Counter()
        self.without_keys: dict[str, Counter[str]] = {}
        known = Known(guard)
        for stored in tables:
            flags = [wanted(stored, one) for one in stored.fields]
            with engine.connect() as connection:
                found = connection.execute(stored.counts(flags, tenant)).all()
            for owner, rows, *cells in sorted((owner_text(row[0], stored), *row[1:]) for row in found):
                if tenant is not None and owner != tenant:
                    continue
                counted = Counter({f.name: int(n) for f, n in zip(stored.fields, cells, strict=True)})
                self.cells += counted
                if known.has_keys(owner):
                    self.rows += rows
                    self.by_tenant.setdefault(owner, []).append(stored)
                else:
                    self.without_keys[owner] = self.without_keys.get(owner, Counter()) + counted
        self.by_tenant = dict(sorted(self.by_tenant.items()))


class Known:
    """Which tenants there are, with keys."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        with guard.engine.connect() as connection:
            self.tenants = {one.id: None for one in guard.directory.tenants(connection)}

    def has_keys(self, owner: str) -> bool:
        """Raises what the keyring raises where that cannot be told."""
        if owner not in self.tenants:
            return False
        try:
            self._guard.keyring.cipher(owner)
        except KeyUnknown:
            return False
        return True


def finish(results: Mapping[str, Result], work: Work) -> None:
    """Put into ``results`` what is left."""
    for name, count in work.cells.items():
        results[name].left = count
    for owner, counted in work.without_keys.items():
        for name, count in counted.items():
            results[name].without_keys[owner] = count


def pages(
    engine: Engine,
    stored: Stored,
    tenant: str,
    wanted: Callable[[Field], ColumnElement[bool]],
    what: Sequence[ColumnElement[Any]],
    size: int,
) -> Iterator[Sequence[Any]]:
    """The tenant's rows of which ``wanted`` is true of any field, ``size`` at a time, each in its own transaction."""
    chosen = or_(*(wanted(one) for one in stored.fields))
    last: Any = None
    while True:
        with engine.connect() as connection:
            rows = connection.execute(stored.page(tenant, chosen, what, last, size)).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        last = tuple(rows[-1][: len(stored.keys)])


def note(guard: Guard, tenant: str, operator: str, detail: Mapping[str, str | int | bool]) -> None:
    """An entry in the tenant's trail, before anything else is done."""
    with guard.engine.begin() as connection:
        guard.note_act(connection, tenant, operator, detail)


__all__ = ["BATCH", "PASSES", "QUIET", "Known", "Result", "Watcher", "Work", "finish", "note", "pages"]
