"""`amanah search leaks`: what each search column gives away to somebody who reads the database without any key.

From live cardinalities: the tokens are counted and nothing is opened. Which rows have equal values is what a token
says; the rest follows from how often each one stands there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, select

from ..database import PLATFORM
from ..errors import InvalidInput, KeyUnknown
from .sealing_tables import owner_text
from .sealing_targets import engine_for
from .search_rotation import searched_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Engine

    from ..guard import Guard
    from .sealing_tables import Stored

_FEW: Final = 0.05
"""Whose commonest value stands in so many rows is guessed too easily; one in twenty."""


@dataclass(frozen=True, slots=True)
class Leak:
    """What one search column gives away of one tenant's rows; of all rows for a column that sign-in searches.

    ``tenant``: "" for all. Counts are of rows with a token. ``commonest``: the share of the largest group, which is the
    chance of somebody who takes a row at random and says the commonest value. ``unique``: values that stand in one row
    only, and so tell nothing by their frequency. ``entropy``: of the distribution, in bits; ``log2(rows)`` where all
    differ. ``shared``: values that are seen to be the same in several tenants. ``joins``: columns of the same domain,
    whose equal values are seen to be equal.
    """

    column: str
    tenant: str
    rows: int
    distinct: int
    commonest: float
    unique: int
    entropy: float
    shared: int
    joins: tuple[str, ...]

    @property
    def telling(self) -> bool:
        """Frequencies give values away to whoever knows how common they are elsewhere."""
        return self.rows > self.distinct and self.commonest >= _FEW and self.rows * self.commonest > 1 / _FEW


def leaks(guard: Guard, names: Sequence[str] = (), *, tenant: str | None = None) -> list[Leak]:
    """Estimate ``names`` (each ``table`` or ``table.column``; default: all), for each tenant or for ``tenant`` alone.

    Raises `InvalidInput` for a name that is not searchable, and `SearchColumnsMissing`.
    """
    found: list[Leak] = []
    with engine_for(guard) as engine:
        tables = [*searched_tables(guard, engine, platform=False), *searched_tables(guard, engine, platform=True)]
        for name in names:
            if not any(name in {one.protected.name, one.fields[0].name} for one in tables):
                raise InvalidInput(detail=f"{repr(name)[1:-1][:80]} is not a searchable column, nor a table with one")
        for stored in sorted(tables, key=lambda one: one.fields[0].name):
            if not names or {stored.protected.name, stored.fields[0].name} & set(names):
                of_all = stored.fields[0].platform
                found += _of_platform(guard, engine, stored) if of_all else _of_tenants(guard, engine, stored, tenant)
    return found


def _of_tenants(guard: Guard, engine: Engine, stored: Stored, tenant: str | None) -> Iterator[Leak]:
    """Tokens of two tenants have nothing to do with each other, so each is told by itself."""
    sizes: dict[str, dict[int, int]] = {}
    for slot in (0, 1):  # searches of one tenant go by one slot, and of another by the other
        rows = _tokens(stored, slot, tenant)
        groups = select(rows.c.owner, func.count().label("size")).group_by(rows.c.owner, rows.c.token).subquery()
        counted = select(groups.c.owner, groups.c.size, func.count()).group_by(groups.c.owner, groups.c.size)
        with engine.connect() as connection:
            for owner, size, count in connection.execute(counted):
                name = owner_text(owner, stored)
                if _slot(guard, name) == slot:
                    sizes.setdefault(name, {})[int(size)] = int(count)
    for name, mine in sorted(sizes.items()):
        yield _leak(guard, stored, name, mine, 0)


def _of_platform(guard: Guard, engine: Engine, stored: Stored) -> Iterator[Leak]:
    rows = _tokens(stored, _slot(guard, PLATFORM) or 0, None)
    owners = func.count(rows.c.owner.distinct())
    groups = select(func.count().label("size"), owners.label("owners")).group_by(rows.c.token).subquery()
    several = func.sum(case((groups.c.owners > 1, 1), else_=0))
    counted = select(groups.c.size, func.count(), several).group_by(groups.c.size)
    with engine.connect() as connection:
        found = connection.execute(counted).all()
    if found:
        yield _leak(guard, stored, "", {int(row[0]): int(row[1]) for row in found}, sum(int(row[2]) for row in found))


def _tokens(stored: Stored, slot: int, tenant: str | None) -> Any:
    token = stored.tokens(stored.fields[0])[slot]
    rows = select(stored.owner().label("owner"), token.label("token")).where(token.is_not(None))
    return (rows if tenant is None else rows.where(stored.owned(tenant))).subquery()


def _leak(guard: Guard, stored: Stored, tenant: str, sizes: Mapping[int, int], shared: int) -> Leak:
    """``sizes``: how many groups there are of each size."""
    field = stored.fields[0]
    rows = sum(size * count for size, count in sizes.items())
    everything = (other for known in guard.register.tables.values() for other in known.fields.values())
    kin = (
        one.name for one in everything if one.search and (one.domain, one.platform) == (field.domain, field.platform)
    )
    return Leak(
        column=field.name,
        tenant=tenant,
        rows=rows,
        distinct=sum(sizes.values()),
        commonest=round(max(sizes) / rows, 6),
        unique=sizes.get(1, 0),
        entropy=round(0.0 - sum(count * size / rows * log2(size / rows) for size, count in sizes.items()), 3),
        shared=shared,
        joins=tuple(sorted(name for name in kin if name != field.name)),
    )


def _slot(guard: Guard, owner: str) -> int | None:
    """By which of the two columns the owner's searches go; None for whoever has no keys here."""
    try:
        return guard.keyring.cipher(owner).slot if owner else None
    except KeyUnknown:
        return None


__all__ = ["Leak", "leaks"]
