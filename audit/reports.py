"""What a compliance officer asks the trail.

Who saw a person's data, what an actor saw, who saw whom for the first time, and how much was refused.

Each report is made of entries as they come; what is kept of them is said with each. Nothing is opened that is sealed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from . import counts
from .filters import Filter
from .search import Search

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from sqlalchemy import Connection

    from .search import Found

MOST: Final = 10_000
"""Persons that one report of what an actor saw tells apart."""


@dataclass(frozen=True, slots=True)
class Touch:
    """What one entry says was done to one kind of rows about a person. ``at`` is in µs since the epoch, UTC."""

    resource: str
    action: str
    columns: tuple[str, ...]
    masked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubjectAccess:
    """One entry about a person, in full: for the officer. ``found`` is the entry itself, with its place in the log."""

    found: Found
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class Redacted:
    """The same as the person may have it: when, by whom in words of roles, for what, and which of their data.

    Nobody's id is in it, no row, no reason, no route and no other person. ``reference`` is the entry's id, at random:
    by it the organisation finds the entry again.
    """

    reference: str
    at: int
    by: tuple[str, ...]
    purpose: str | None
    outcome: str
    touches: tuple[Touch, ...]


def subject_accesses(
    connection: Connection,
    tenant: str,
    subject: str,
    *,
    resources: Collection[str] | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[SubjectAccess]:
    """Every entry about ``subject``, the newest first.

    ``resources``: those whose rows are about persons of that kind, for two kinds may number theirs alike.
    """
    for one in Search(connection, tenant, Filter(subject=subject, since=since, until=until)).stream(backwards=True):
        touches = tuple(_touches(one.values, subject, resources))
        if touches:
            yield SubjectAccess(one, touches)


def redacted(one: SubjectAccess) -> Redacted:
    """What of it the person may have."""
    values = one.found.values
    by = tuple(values.get("roles") or ()) or (str(values.get("actor_kind", "member")),)
    outcome = str(values.get("outcome", "answered"))
    return Redacted(str(values["id"]), int(values["at"]), by, values.get("purpose"), outcome, one.touches)


def _touches(values: Mapping[str, Any], subject: str, resources: Collection[str] | None) -> Iterator[Touch]:
    for what in values.get("what", ()):
        if subject in what.get("subjects", ()) and (resources is None or what["resource"] in resources):
            columns, masked = tuple(what.get("columns", ())), tuple(what.get("masked", ()))
            yield Touch(what["resource"], what["action"], columns, masked)


@dataclass(slots=True)
class Seen:
    """What an actor did with one person's rows of one resource: times in µs, how often, by which actions."""

    resource: str
    subject: str
    first: int
    last: int
    times: int = 0
    actions: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    masked: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class ActorReport:
    """``entries`` of the actor were read. ``capped``: there were more than `MOST` persons; the newest ones are told."""

    entries: int
    seen: tuple[Seen, ...]
    capped: bool


def actor_saw(
    connection: Connection, tenant: str, actor: str, *, since: int | None = None, until: int | None = None
) -> ActorReport:
    """What ``actor`` saw or changed, by person and resource, the last seen first."""
    found: dict[tuple[str, str], Seen] = {}
    entries, capped = 0, False
    for one in Search(connection, tenant, Filter(actor=actor, since=since, until=until)).stream(backwards=True):
        entries += 1
        at = int(one.values["at"])
        for what in one.values.get("what", ()):
            for subject in what.get("subjects", ()):
                key = (str(what["resource"]), str(subject))
                known = found.get(key)
                if known is None:
                    if len(found) >= MOST:
                        capped = True
                        continue
                    known = found[key] = Seen(*key, at, at)
                _add(known, at, what)
    return ActorReport(entries, tuple(found.values()), capped)


def _add(known: Seen, at: int, what: Mapping[str, Any]) -> None:
    known.first, known.last = min(known.first, at), max(known.last, at)
    known.times += 1
    known.actions.add(what["action"])
    known.columns.update(what.get("columns", ()))
    known.masked.update(what.get("masked", ()))


@dataclass(frozen=True, slots=True)
class FirstAccess:
    """``found`` is the first entry in the log in which ``actor`` touched ``subject``, by way of ``resource``."""

    actor: str
    subject: str
    resource: str
    found: Found


def first_accesses(
    connection: Connection,
    tenant: str,
    *,
    since: int | None = None,
    until: int | None = None,
    actor: str | None = None,
    after: int | None = None,
) -> Iterator[FirstAccess]:
    """The pairs of an actor and a person of which the first entry lies in the period, in the order of the log.

    ``after``: only entries behind that position. First in the log: what was archived and pruned is not known any more.
    The pairs that were met are kept in memory.
    """
    met: dict[str, set[str]] = defaultdict(set)
    wanted = Filter(actor=actor, since=since, until=until)
    for one in Search(connection, tenant, wanted).stream():
        who = one.values.get("actor")
        if who is None or (after is not None and one.position <= after):
            continue
        for what in one.values.get("what", ()):
            for subject in what.get("subjects", ()):
                if subject not in met[who]:
                    met[who].add(subject)
                    if not _before(connection, tenant, who, subject, one.position):
                        yield FirstAccess(who, subject, what["resource"], one)


def _before(connection: Connection, tenant: str, actor: str, subject: str, position: int) -> bool:
    """Whether an earlier entry has both."""
    return bool(Search(connection, tenant, Filter(actor=actor, subject=subject)).page(1, before=position))


@dataclass(frozen=True, slots=True)
class Refused:
    """How often on one day (days since the epoch, UTC) each code was the reason. ``observed``: would have been."""

    day: int
    refused: int
    observed: int
    codes: Mapping[str, int]


def refusals(
    connection: Connection, tenant: str, *, since: int | None = None, until: int | None = None
) -> list[Refused]:
    """Refusals by day, of all days that the period touches, from the tally. Days without any are left out.

    The codes count what was refused and what would have been.
    """
    days: defaultdict[int, Refused] = defaultdict(lambda: Refused(0, 0, 0, {}))
    for day, outcome, entries in counts.by_day(connection, tenant, "outcome", since, until):
        if outcome == "refused":
            days[day] = replace(days[day], day=day, refused=entries)
        elif outcome == "would_refuse":
            days[day] = replace(days[day], day=day, observed=entries)
    for day, code, entries in counts.by_day(connection, tenant, "refusal", since, until):
        days[day] = replace(days[day], day=day, codes={**days[day].codes, code: entries})
    return [days[day] for day in sorted(days)]


__all__ = [
    "ActorReport",
    "FirstAccess",
    "Redacted",
    "Refused",
    "Seen",
    "SubjectAccess",
    "Touch",
    "actor_saw",
    "first_accesses",
    "redacted",
    "refusals",
    "subject_accesses",
]
