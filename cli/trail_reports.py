"""``amanah audit subject``, ``actor``, ``refusals`` and ``first-time``: what a compliance officer asks the trail."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..audit.filters import Filter, sensible
from ..audit.reports import actor_saw, first_accesses, redacted, refusals, subject_accesses
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.consents import subject_text
from ..middleware.explain import discreet
from ..subjects.lookup import Person, find_persons, searchable
from .options import AsJson  # noqa: TC001 - Typer reads the annotations
from .proving import Stdin, prove_member
from .terminal import complain, print_json
from .trail_filters import Since, TenantOption, Until, moment, noted, secret, tenant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..audit.reports import SubjectAccess, Touch
    from .desk import Desk

Most = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="So many lines at most.")]


def _subject(
    ctx: typer.Context,
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND", help="What kind of person: patient, customer, …")
    ] = None,
    subject: Annotated[str | None, typer.Argument(metavar="ID]", help="The person's key in the application.")] = None,
    find: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Search for the person by this column: nik, patient.phone. Its value is asked for."
        ),
    ] = None,
    member: Annotated[str | None, typer.Option("--as", metavar="MEMBER", help="Who searches; with --find.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What the search is for; with --find.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the trail, sealed. With --find.")] = "",
    tenant: TenantOption = None,
    since: Since = None,
    until: Until = None,
    redact: Annotated[
        bool, typer.Option("--redacted", help="As the person may have it: nobody's id is in it.")
    ] = False,
    limit: Most = 1000,
    password_stdin: Stdin = False,
    as_json: AsJson = False,
) -> None:
    """Who saw or changed the data of a person, the newest first. That you looked becomes an entry too.

    With --find the person is searched for by a sealed column, under an access of the member MEMBER, who proves who they
    are by the password of their console account; the value is asked for, or read from standard input behind the
    password, and is never an argument.
    """
    desk: Desk = ctx.obj
    whose = tenant_of(desk, tenant)
    times = sensible(Filter(since=moment(since), until=moment(until)))
    if find is not None:
        if kind is not None:
            raise InvalidInput(detail=N_("name the person by kind and key, or search with --find, not both"))
        persons = _found(desk, whose, find, member, purpose, reason, password_stdin=password_stdin)
    elif kind is None or subject is None:
        raise InvalidInput(detail=N_("name the person by kind and key, or search with --find"))
    else:
        persons = [Person(kind, subject_text(desk.guard.register, kind, subject))]
    trouble = desk.sequence()
    noted(desk, whose, "audit.subject", ["subject", *times.names()], redacted=redact)
    answers: list[dict[str, Any]] = []
    for person in persons:
        accesses, more = _accesses(desk, whose, person, times, limit)
        if as_json:
            told = [_told(one) if redact else _in_full(one) for one in accesses]
            answers.append({**asdict(person), "accesses": told, "more": more})
        else:
            _show(desk, person, accesses, redact=redact)
            if more:
                desk.say(N_("There are more: raise --limit."))
    if as_json:
        print_json(answers)
    elif not persons:
        desk.say(N_("Nobody was found."))
    if trouble is not None:
        complain(trouble, desk.language)


def _found(
    desk: Desk, tenant: str, column: str, member: str | None, purpose: str | None, reason: str, *, password_stdin: bool
) -> list[Person]:
    if "=" in column:
        detail = N_(
            "--find takes the name of a column only: a value would stay in the shell's history; it is asked for"
        )
        raise InvalidInput(detail=detail)
    if not member or not purpose or not reason.strip():
        raise InvalidInput(detail=N_("a search for a person needs --as, --purpose and --reason"))
    searchable(desk.guard, column)
    person = prove_member(desk, tenant, member, from_stdin=password_stdin)
    value = secret(desk, N_("Value to search by"))
    with desk.guard.access(tenant=person.tenant, actor=person.member, purpose=purpose, reason=reason):
        return find_persons(desk.guard, column, value)


def _accesses(desk: Desk, tenant: str, person: Person, times: Filter, limit: int) -> tuple[list[SubjectAccess], bool]:
    tables = desk.guard.register.tables.values()
    resources = {one.resource for one in tables if one.subject_kind == person.kind}
    with desk.engines[1].connect() as connection:
        every = subject_accesses(
            connection, tenant, person.subject, resources=resources, since=times.since, until=times.until
        )
        accesses = list(islice(every, limit + 1))
    return accesses[:limit], len(accesses) > limit


def _show(desk: Desk, person: Person, accesses: Iterable[SubjectAccess], *, redact: bool) -> None:
    desk.say("{kind} {subject}", kind=person.kind, subject=discreet(person.subject))
    if redact:
        safe = [redacted(one) for one in accesses]
        titles: tuple[str, ...] = (N_("Time"), N_("Role"), N_("Purpose"), N_("What"), N_("Outcome"), N_("Reference"))
        rows: Iterable[tuple[object, ...]] = (
            (desk.when(one.at), ", ".join(one.by), one.purpose, _what(one.touches), one.outcome, one.reference)
            for one in safe
        )
    else:
        titles = (
            N_("No."),
            N_("Time"),
            N_("Actor"),
            N_("Roles"),
            N_("Purpose"),
            N_("What"),
            N_("Outcome"),
            N_("Entry"),
        )
        rows = (
            (
                one.found.position,
                desk.when(one.found.values["at"]),
                discreet(one.found.values.get("actor") or "-"),
                ", ".join(one.found.values.get("roles") or ()),
                one.found.values.get("purpose"),
                _what(one.touches),
                one.found.values.get("outcome", "answered"),
                one.found.values["id"],
            )
            for one in accesses
        )
    desk.table(titles, rows)


def _what(touches: Iterable[Touch]) -> str:
    told = []
    for one in touches:
        seen = [", ".join(one.columns)] if one.columns else []
        seen += [f"masked {', '.join(one.masked)}"] if one.masked else []
        told.append(f"{one.action} {one.resource}" + (f" ({'; '.join(seen)})" if seen else ""))
    return ", ".join(told)


def _told(one: SubjectAccess) -> dict[str, Any]:
    safe = redacted(one)
    return {**asdict(safe), "at": _iso(safe.at)}


def _in_full(one: SubjectAccess) -> dict[str, Any]:
    values = one.found.values
    names = ("actor", "actor_kind", "roles", "strength", "purpose", "route", "request", "status", "decision", "refusal")
    return {
        "position": one.found.position,
        "leaf_hash": one.found.leaf_hash.hex(),
        "id": values["id"],
        "at": _iso(values["at"]),
        "kind": values["kind"],
        "outcome": values.get("outcome", "answered"),
        **{name: values[name] for name in names if name in values},
        "touches": [asdict(touch) for touch in one.touches],
    }


def _actor(
    ctx: typer.Context,
    actor: Annotated[str, typer.Argument(metavar="ACTOR", help="Account id.")],
    tenant: TenantOption = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Whose data an actor saw or changed, the last first. That you looked becomes an entry too."""
    desk: Desk = ctx.obj
    whose = tenant_of(desk, tenant)
    wanted = sensible(Filter(actor=actor, since=moment(since), until=moment(until)))
    trouble = desk.sequence()
    noted(desk, whose, "audit.actor", wanted.names())
    with desk.engines[1].connect() as connection:
        found = actor_saw(connection, whose, actor, since=wanted.since, until=wanted.until)
    if as_json:
        seen = [
            {
                **asdict(one),
                **{name: sorted(getattr(one, name)) for name in ("actions", "columns", "masked")},
                "first": _iso(one.first),
                "last": _iso(one.last),
            }
            for one in found.seen
        ]
        print_json({"entries": found.entries, "capped": found.capped, "seen": seen})
    else:
        titles = (N_("Resource"), N_("Person"), N_("Times"), N_("First"), N_("Last"), N_("Actions"), N_("Columns"))
        rows = (
            (
                *(one.resource, discreet(one.subject), one.times, desk.when(one.first), desk.when(one.last)),
                ", ".join(sorted(one.actions)),
                ", ".join(sorted(one.columns | one.masked)),
            )
            for one in found.seen
        )
        desk.table(titles, rows)
        desk.say(N_("{count} entries."), count=f"{found.entries:,}")
        if found.capped:
            desk.say(N_("There were more persons than one report tells apart; narrow the time."))
    if trouble is not None:
        complain(trouble, desk.language)


def _refusals(
    ctx: typer.Context, tenant: TenantOption = None, since: Since = None, until: Until = None, as_json: AsJson = False
) -> None:
    """How much was refused on each day (UTC), and why. That you looked becomes an entry too."""
    desk: Desk = ctx.obj
    whose = tenant_of(desk, tenant)
    times = sensible(Filter(since=moment(since), until=moment(until)))
    trouble = desk.sequence()
    noted(desk, whose, "audit.refusals", times.names())
    with desk.engines[1].connect() as connection:
        found = refusals(connection, whose, since=times.since, until=times.until)
    if as_json:
        print_json([{**asdict(one), "day": _day(one.day)} for one in found])
    else:
        rows = (
            (_day(one.day), one.refused, one.observed, ", ".join(f"{code} {n}" for code, n in one.codes.items()))
            for one in found
        )
        desk.table((N_("Day"), N_("Refused"), N_("Only observed"), N_("Why")), rows)
    if trouble is not None:
        complain(trouble, desk.language)


def _first_time(
    ctx: typer.Context,
    tenant: TenantOption = None,
    since: Since = None,
    until: Until = None,
    actor: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    after: Annotated[int | None, typer.Option(metavar="POSITION", min=0, help="Go on behind this position.")] = None,
    limit: Most = 100,
    as_json: AsJson = False,
) -> None:
    """Who touched whose data for the first time in a period, in the order of the trail. That you looked is recorded."""
    desk: Desk = ctx.obj
    whose = tenant_of(desk, tenant)
    wanted = sensible(Filter(actor=actor, since=moment(since), until=moment(until)))
    trouble = desk.sequence()
    noted(desk, whose, "audit.first-time", wanted.names())
    with desk.engines[1].connect() as connection:
        every = first_accesses(
            connection, whose, since=wanted.since, until=wanted.until, actor=wanted.actor, after=after
        )
        found = list(islice(every, limit))
    if as_json:
        print_json(
            [
                {
                    "position": one.found.position,
                    "at": _iso(one.found.values["at"]),
                    "actor": discreet(one.actor),
                    "subject": discreet(one.subject),
                    "resource": one.resource,
                    "purpose": one.found.values.get("purpose"),
                    "entry": one.found.values["id"],
                }
                for one in found
            ]
        )
    else:
        rows = (
            (
                *(one.found.position, desk.when(one.found.values["at"]), discreet(one.actor), discreet(one.subject)),
                *(one.resource, one.found.values.get("purpose")),
            )
            for one in found
        )
        desk.table((N_("No."), N_("Time"), N_("Actor"), N_("Person"), N_("Resource"), N_("Purpose")), rows)
        if len(found) == limit:
            desk.say(N_("There may be more: raise --limit."))
    if trouble is not None:
        complain(trouble, desk.language)


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="microseconds")


def _day(day: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "subject": _subject,
    "actor": _actor,
    "refusals": _refusals,
    "first-time": _first_time,
}
