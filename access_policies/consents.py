"""The consents of subjects to purposes, on the caller's connection and in its transaction.

1. A consent is never changed and never deleted: it is given, and may be withdrawn, each with who recorded it. Giving it
   again makes another one.
2. It is live from when it was given until it is withdrawn or ends, by the database's clock. What counts is asked in SQL
   by each statement (``middleware.compiler_wall``), so a withdrawal is in force with its commit.
3. Somebody who is erased has withdrawn everything; what shows that they had consented is kept.
4. Where two subjects are merged, the surviving one has both their consents, and no consent outlives a later withdrawal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from sqlalchemy import and_, case, exists, insert, or_, select, update

from ..database import database_now
from ..errors import InvalidInput
from .models import consent
from .purposes import CONSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection

    from .purposes import Purpose

Because = Literal["withdrawn", "erased", "merged"]

_WORD: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,199}")
_NO_OPTIONS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent. Times are µs since the epoch. ``live``: when it was asked for, by the database's clock.

    ``given_as``: the subject under which it was given, before that was merged into this one; "" for itself.
    """

    id: str
    kind: str
    subject: str
    purpose: str
    given_at: int
    given_by: str
    given_as: str
    source: str
    evidence: str
    ends_at: int | None
    withdrawn_at: int | None
    withdrawn_by: str
    withdrawn_because: str
    live: bool


def resting_on_consent(purpose: Purpose | None, said: str) -> str:
    """The key of a purpose to which one can consent. Raises ``InvalidInput``: not registered, or on another basis."""
    if purpose is None:
        raise InvalidInput(detail=f"{said!r:.80} is no purpose of this register")
    if purpose.legal_basis != CONSENT:
        raise InvalidInput(detail=f"{purpose.key} rests on {purpose.legal_basis}, and nobody is asked to consent to it")
    return purpose.key


def give(
    connection: Connection,
    tenant_id: str,
    kind: str,
    subject: str,
    purpose: str,
    *,
    by: str,
    source: str,
    evidence: str = "",
    ends_at: int | None = None,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> str:
    """Record that the subject consents from now on, and return the consent's id. ``purpose``: a key.

    ``source``: how, one word (form, paper, phone); ``evidence``: where that can be found, a reference without blanks
    and without anything personal. ``by``: who recorded it. ``ends_at``: µs since the epoch. Raises ``InvalidInput``.
    """
    if not _WORD.fullmatch(source):
        raise InvalidInput(detail="the source of a consent is one word in lower case, as in form, paper or phone")
    if evidence and not _REFERENCE.fullmatch(evidence):
        detail = "the evidence of a consent is a reference without blanks: letters, digits and . _ : / # -"
        raise InvalidInput(detail=detail)
    identifier = uuid4().hex
    values = {
        "tenant_id": tenant_id,
        "id": identifier,
        "kind": kind,
        "subject": subject,
        "purpose": purpose,
        "given_at": database_now(),
        "given_by": by[:255],
        "source": source,
        "evidence": evidence or None,
        "ends_at": ends_at,
    }
    connection.execute(insert(consent).values(values), execution_options=options)
    return identifier


def withdraw(
    connection: Connection,
    tenant_id: str,
    kind: str,
    subject: str,
    purpose: str | None = None,
    *,
    by: str,
    because: Because = "withdrawn",
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> tuple[str, ...]:
    """Withdraw what the subject consented to, to ``purpose`` (a key) or altogether; the ids of what was withdrawn.

    A consent that has ended by itself is withdrawn too, so that nothing can bring it back.
    """
    mine = [*_about(tenant_id, kind, subject), consent.c.withdrawn_at.is_(None)]
    mine += [] if purpose is None else [consent.c.purpose == purpose]
    found = connection.execute(select(consent.c.id).where(*mine).order_by(consent.c.id), execution_options=options)
    identifiers = tuple(found.scalars())
    _end(connection, mine, by, because, options)
    return identifiers


def move(connection: Connection, tenant_id: str, kind: str, source: str, target: str, *, by: str) -> int:
    """The consents of ``source`` are the consents of ``target``, where both are one person; how many were moved.

    The act that came last holds: a live consent that is older than a withdrawal from the same purpose goes with it.
    """
    mine = [*_about(tenant_id, kind, source)]
    given_as = case((consent.c.given_as.is_(None), source), else_=consent.c.given_as)
    moved = connection.execute(update(consent).where(*mine).values(subject=target, given_as=given_as)).rowcount
    later = consent.alias()
    withdrawn = exists().where(
        later.c.tenant_id == tenant_id,
        later.c.kind == kind,
        later.c.subject == target,
        later.c.purpose == consent.c.purpose,
        later.c.withdrawn_at >= consent.c.given_at,
    )
    both = [*_about(tenant_id, kind, target), consent.c.withdrawn_at.is_(None), withdrawn]
    _end(connection, both, by, "merged", _NO_OPTIONS)
    return int(moved)


def consents(
    connection: Connection,
    tenant_id: str,
    *,
    kind: str | None = None,
    subject: str | None = None,
    purpose: str | None = None,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> list[Consent]:
    """The tenant's consents, oldest first; withdrawn and ended ones, too."""
    columns = consent.c
    asked = {columns.kind: kind, columns.subject: subject, columns.purpose: purpose}
    mine = [columns.tenant_id == tenant_id, *(column == value for column, value in asked.items() if value is not None)]
    now = database_now()
    lasts = or_(columns.ends_at.is_(None), columns.ends_at > now)
    live = and_(columns.withdrawn_at.is_(None), columns.given_at <= now, lasts)
    query = select(consent, case((live, 1), else_=0).label("live")).where(*mine)
    rows = connection.execute(query.order_by(columns.given_at, columns.id), execution_options=options)
    return [_of_row(dict(row)) for row in rows.mappings()]


def _of_row(row: dict[str, Any]) -> Consent:
    for name in ("given_as", "evidence", "withdrawn_by", "withdrawn_because"):
        row[name] = row[name] or ""
    del row["tenant_id"]
    return Consent(**row | {"live": bool(row["live"])})


def _about(tenant_id: str, kind: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return consent.c.tenant_id == tenant_id, consent.c.kind == kind, consent.c.subject == subject


def _end(
    connection: Connection, mine: list[ColumnElement[bool]], by: str, because: Because, options: Mapping[str, Any]
) -> None:
    values = {"withdrawn_at": database_now(), "withdrawn_by": by[:255], "withdrawn_because": because}
    connection.execute(update(consent).where(*mine).values(values), execution_options=options)


__all__ = ["Consent", "consents", "give", "move", "resting_on_consent", "withdraw"]
