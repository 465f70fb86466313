"""The statements by which a search looks at a tenant's log, on either database.

Each answers with rows of position, time, body and leaf hash, in the order of the log or against it, of those entries
between two positions that have the terms. Two facts may share a term: whoever takes a row compares the entry itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ARRAY, Integer, any_, cast, func, select, true

from .models import entry, head
from .models import term as index

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from .filters import Filter

MANY: Final = 64
"""Alternatives that are too many to be compared with each term of each entry, or sought in the index one by one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an entry must have: each of ``every``, one of ``some`` (if there are any)."""

    every: tuple[int, ...]
    some: tuple[int, ...]

    @classmethod
    def of(cls, wanted: Filter, tenant: str) -> Terms:
        """The terms of a filter."""
        return cls(tuple(wanted.terms(tenant)), tuple(wanted.any_terms(tenant)))

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return bool(self.every or self.some)

    @property
    def indexed(self) -> bool:
        """Whether PostgreSQL's index of terms can find them."""
        return bool(self.every) or len(self.some) <= MANY

    def on_postgresql(self) -> ColumnElement[bool]:
        """The condition; of what is `indexed`, as the index knows it.

        Very many alternatives are a constant list, of which PostgreSQL (from 14 on) makes a hash table.
        """
        condition: ColumnElement[bool] = true()
        if self.every:
            condition = entry.c.terms.op("@>", is_comparison=True)(_array(self.every))
        if len(self.some) > MANY:
            one = func.unnest(entry.c.terms).table_valued("one").render_derived(name="said")
            return condition & select(one.c.one).where(one.c.one == any_(_array(self.some))).exists()
        if self.some:
            condition = condition & entry.c.terms.op("&&", is_comparison=True)(_array(self.some))
        return condition


@dataclass(frozen=True, slots=True)
class Look:
    """Which entries of whom: positions from ``low`` and, excluded, up to ``high``; ``backwards``: the newest first."""

    tenant: str
    terms: Terms
    wanted: Filter
    low: int
    high: int
    backwards: bool


def walk(look: Look, dialect: str) -> Select[Any]:
    """Along the key of the log; the terms are compared in each row."""
    query = _between(look)
    if not look.terms:
        return _ordered(query, entry.c.position, look)
    if dialect != "postgresql":
        return by_position(look)
    return _ordered(query.where(look.terms.on_postgresql().is_(true())), entry.c.position, look)  # no index knows that


def gather(look: Look, dialect: str) -> Select[Any]:
    """By the index of terms; what was found is sorted."""
    if dialect != "postgresql":
        return by_position(look)
    return _ordered(_between(look).where(look.terms.on_postgresql()), entry.c.position + 0, look)  # not by the key


def by_position(look: Look) -> Select[Any]:
    """By the index of terms that is itself sorted by position (SQLite): one leads, the others are looked up."""
    mine = select(head.c.number).where(head.c.tenant_id == look.tenant).scalar_subquery()
    query = _between(look)
    if not look.terms.every:
        some = select(index.c.position).where(index.c.tenant == mine, index.c.term.in_(look.terms.some))
        return _ordered(query.where(entry.c.position.in_(some)), entry.c.position, look)
    leading, *others = look.terms.every
    query = query.join(index, index.c.position == entry.c.position).where(
        index.c.tenant == mine, index.c.term == leading, index.c.position >= look.low, index.c.position < look.high
    )
    for name, numbers in [(f"also{n}", (one,)) for n, one in enumerate(others)] + [("some", look.terms.some)]:
        if numbers:
            also = index.alias(name)
            query = query.where(
                select(also.c.position)
                .where(also.c.tenant == mine, also.c.term.in_(numbers), also.c.position == index.c.position)
                .exists()
            )
    return _ordered(query, index.c.position, look)


def _between(look: Look) -> Select[Any]:
    c = entry.c
    query = select(c.position, c.at, c.body, c.leaf_hash).where(
        c.tenant_id == look.tenant, c.position >= look.low, c.position < look.high
    )
    if look.wanted.since is not None:
        query = query.where(c.at >= look.wanted.since)
    if look.wanted.until is not None:
        query = query.where(c.at < look.wanted.until)
    return query


def _ordered(query: Select[Any], by: Any, look: Look) -> Select[Any]:
    return query.order_by(by.desc() if look.backwards else by)


def _array(numbers: tuple[int, ...]) -> Any:
    return cast(list(numbers), ARRAY(Integer))


def end_of(tenant: str) -> Select[Any]:
    """The position behind the tenant's last entry."""
    return select(func.max(entry.c.position) + 1).where(entry.c.tenant_id == tenant)
