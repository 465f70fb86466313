"""What becomes of each personal column when a subject is erased: from the declarations, and counted in the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, case, false, func, select

from ..adoption.sealing_tables import Stored
from ..encryption.models import subject as subject_table
from ..errors import InvalidInput
from ..middleware.consents import subject_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection

    from ..guard import Guard
    from ..middleware.fields import Field, Protected

Fate = Literal["erased", "emptied", "held"]
"""``erased``: its secret is destroyed, it reads as erased. ``emptied``: stored plain, it is overwritten. ``held``: the
law keeps it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One column: in ``rows`` rows about the subject it has a value."""

    field: str
    category: str
    fate: Fate
    rows: int
    searchable: bool = False
    years: int = 0
    law: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an erasure of that subject does, column by column."""

    tenant: str
    kind: str
    subject: str
    lines: tuple[Line, ...]
    known: bool
    """There is a secret of this subject, or a row about it."""
    erased_at: int | None
    """When it was erased already, in microseconds since 1970."""


def spelled(guard: Guard, kind: str, subject: str) -> str:
    """The subject as secrets, consents and the trail name it: a UUID without dashes, a number without zeros before it.

    As it is said where no table is about such persons (any more), or it is none of their keys.
    """
    try:
        return subject_text(guard.register, kind, subject)
    except InvalidInput:
        return subject


def plan(guard: Guard, connection: Connection, tenant: str, kind: str, subject: str) -> Plan:
    """Look, and change nothing. ``connection``: of Amanah's own engine. ``subject``: in any spelling."""
    subject = spelled(guard, kind, subject)
    lines: list[Line] = []
    found = False
    for table in tables_about(guard, kind):
        fields = sorted(table.fields.values(), key=lambda one: one.name)
        stored = Stored(table, fields, connection.dialect)
        filled = [func.coalesce(func.sum(case((_has_value(stored, f), 1), else_=0)), 0) for f in fields]
        rows, *counts = connection.execute(
            select(func.count(), *filled).where(rows_about(stored, tenant, subject))
        ).one()
        found = found or bool(rows)
        lines += [_line(field, int(count)) for field, count in zip(fields, counts, strict=True)]
    columns = subject_table.c
    mine = and_(columns.tenant_id == tenant, columns.kind == kind, columns.subject == subject)
    secret = connection.execute(select(columns.erased_at).where(mine)).one_or_none()
    return Plan(
        tenant=tenant,
        kind=kind,
        subject=subject,
        lines=tuple(lines),
        known=found or secret is not None,
        erased_at=None if secret is None else secret.erased_at,
    )


def kinds(guard: Guard) -> list[str]:
    """The kinds of subjects that the application's tables are about."""
    return sorted({table.subject_kind for table in guard.register.tables.values() if table.subject_kind})


def tables_about(guard: Guard, kind: str) -> Iterator[Protected]:
    """The tables whose rows are about subjects of that kind, by name."""
    for table in sorted(guard.register.tables.values(), key=lambda one: one.name):
        if table.subject is not None and table.subject_kind == kind:
            yield table


def rows_about(stored: Stored, tenant: str, subject: str) -> ColumnElement[bool]:
    """The condition that a row is the tenant's, and about that subject."""
    name = stored.protected.subject
    if name is None:
        return false()
    python_type: Any = stored.protected.table.c[name].type.python_type
    try:
        value = subject if python_type is str else python_type(subject)
    except ValueError:  # no such key can stand there
        return false()
    return and_(stored.owned(tenant), stored.table.c[name] == value)


def _has_value(stored: Stored, field: Field) -> ColumnElement[bool]:
    return stored.filled(field)


def _line(field: Field, rows: int) -> Line:
    fate: Fate = "held" if field.held is not None else "erased" if field.by_subject else "emptied"
    hold = field.held
    years, law = (0, "") if hold is None else (hold.years, hold.law)
    return Line(field.name, field.category, fate, rows, field.search, years, law)


__all__ = ["Fate", "Line", "Plan", "kinds", "plan", "rows_about", "spelled", "tables_about"]
