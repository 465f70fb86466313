"""Separation of duties: which roles exclude or require each other, how many may hold one, which want a second person.

The static constraints of ANSI INCITS 359-2012 (role-based access control), per tenant. They hold for what a role
inherits, too, and for grants whose time has not come yet: what may not come together never does by waiting. Members and
operators count alike.

A duty to a second factor is none on who may hold the role: it says when the role counts, and each access is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from sqlalchemy import and_, delete, insert, or_, select

from ..errors import DutyBroken, InvalidInput
from .models import duty as duty_table
from .models import grant
from .names import check_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    Closure = Callable[[str], frozenset[str]]
    """A role with all that it inherits; empty for one that the tenant's policy does not know."""

Kind = Literal["excludes", "requires", "at_most", "two_people", "second_factor"]
KINDS: Final[tuple[Kind, ...]] = ("excludes", "requires", "at_most", "two_people", "second_factor")
SECOND_FACTOR: Final = "second_factor"
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Duty:
    """A constraint on who may hold ``role``.

    ``excludes``: nobody who holds ``other``. ``requires``: only who holds ``other`` for as long. ``at_most``: so many
    members, ``number``. ``two_people``: a grant waits until a second person approves it. ``second_factor``: it counts
    only in an access whose actor signed in with a second factor.
    """

    role: str
    kind: Kind
    other: str = ""
    number: int = 0


class Holder(NamedTuple):
    """Who holds a grant: the operator x is somebody else than the member x."""

    kind: Literal["member", "operator"]
    id: str


@dataclass(frozen=True, slots=True)
class Held:
    """A grant that is neither revoked nor over, with all ``roles`` that it brings; times in µs since the epoch."""

    id: str
    holder: Holder
    roles: frozenset[str]
    starts_at: int | None
    ends_at: int | None

    def covers(self, other: Held) -> bool:
        """It is in force whenever ``other`` is."""
        begins = self.starts_at is None or (other.starts_at is not None and self.starts_at <= other.starts_at)
        return begins and (self.ends_at is None or (other.ends_at is not None and other.ends_at <= self.ends_at))


def check(duty: Duty, closure: Closure) -> Duty:
    """Return ``duty`` if it says something about roles that there are. Raises ``InvalidInput``."""
    if duty.kind not in KINDS:
        raise InvalidInput(detail=f"{duty.kind!r:.40} is no kind of duty; one of: {', '.join(KINDS)}")
    named = [duty.role, *([duty.other] if duty.kind in ("excludes", "requires") else [])]
    for name in named:
        if not closure(check_role(name)):
            raise InvalidInput(detail=f"there is no role {name}")
    if len(set(named)) < len(named):
        raise InvalidInput(detail=f"{duty.role} cannot exclude or require itself")
    if duty.kind == "excludes" and (duty.other in closure(duty.role) or duty.role in closure(duty.other)):
        raise InvalidInput(detail=f"{duty.role} and {duty.other} cannot exclude each other: one inherits the other")
    if duty.kind == "at_most" and not 0 < duty.number <= _MOST:
        raise InvalidInput(detail=f"at most how many members is a number from 1 to {_MOST}")
    if (duty.other and duty.kind not in ("excludes", "requires")) or (duty.number and duty.kind != "at_most"):
        raise InvalidInput(detail=f"a duty of the kind {duty.kind} does not take that")
    return duty


def read(connection: Connection, tenant_id: str) -> list[Duty]:
    """The tenant's duties, by role."""
    columns = duty_table.c
    query = select(columns.role, columns.kind, columns.other, columns.number).where(columns.tenant_id == tenant_id)
    rows = connection.execute(query.order_by(columns.role, columns.kind, columns.other))
    return [Duty(row.role, row.kind, row.other, row.number) for row in rows]


def write(connection: Connection, tenant_id: str, duty: Duty) -> None:
    """Add a duty that holds now. Raises ``InvalidInput`` where there is one of the kind already."""
    if any(
        (one.role, one.kind, one.other) == (duty.role, duty.kind, duty.other) for one in read(connection, tenant_id)
    ):
        raise InvalidInput(detail=f"there is such a duty already: {duty.role} {duty.kind} {duty.other}".strip())
    values = {"tenant_id": tenant_id, "role": duty.role, "kind": duty.kind, "other": duty.other, "number": duty.number}
    connection.execute(insert(duty_table).values(values))


def remove(connection: Connection, tenant_id: str, duty: Duty) -> None:
    """End a duty. Raises ``InvalidInput`` where there is none such."""
    columns = duty_table.c
    mine = and_(columns.tenant_id == tenant_id, columns.role == duty.role, columns.kind == duty.kind)
    if not connection.execute(delete(duty_table).where(mine, columns.other == duty.other)).rowcount:
        raise InvalidInput(detail=f"there is no such duty: {duty.role} {duty.kind} {duty.other}".strip())


def held(connection: Connection, tenant_id: str, closure: Closure, now: int) -> list[Held]:
    """The tenant's grants that are in force or will be; those that wait for a second person are not among them."""
    columns = grant.c
    wanted = (columns.id, columns.member_id, columns.operator_id, columns.role, columns.starts_at, columns.ends_at)
    query = select(*wanted).where(
        columns.tenant_id == tenant_id,
        columns.revoked_at.is_(None),
        columns.waits.is_(False),
        or_(columns.ends_at.is_(None), columns.ends_at > now),
    )
    return [
        Held(
            row.id,
            holder_of(row.member_id, row.operator_id),
            closure(row.role) | {row.role},
            row.starts_at,
            row.ends_at,
        )
        for row in connection.execute(query)
    ]


def holder_of(member_id: str | None, operator_id: str | None) -> Holder:
    """Whose grant it is, by the two columns of which one is empty."""
    return Holder("operator", operator_id) if operator_id is not None else Holder("member", member_id or "")


def check_all(duties: Iterable[Duty], grants: Sequence[Held]) -> None:
    """Every one of ``duties`` holds for all ``grants`` together. Raises ``DutyBroken``; no member is named."""
    for duty in duties:
        having = [one for one in grants if duty.role in one.roles]
        if duty.kind == "at_most" and len({one.holder for one in having}) > duty.number:
            raise DutyBroken(role=duty.role, duty=f"at_most {duty.number}")
        if duty.kind == "excludes":
            others = {one.holder for one in grants if duty.other in one.roles}
            if any(one.holder in others for one in having):
                raise DutyBroken(role=duty.role, duty=f"excludes {duty.other}")
        if duty.kind == "requires" and not all(_backed(one, duty.other, grants) for one in having):
            raise DutyBroken(role=duty.role, duty=f"requires {duty.other}")


def _backed(one: Held, other: str, grants: Iterable[Held]) -> bool:
    mine = (another for another in grants if another.holder == one.holder and other in another.roles)
    return any(another.covers(one) for another in mine)


def wants_second(duties: Iterable[Duty], roles: frozenset[str]) -> bool:
    """Whether a grant that brings ``roles`` waits for a second person."""
    return any(duty.kind == "two_people" and duty.role in roles for duty in duties)
