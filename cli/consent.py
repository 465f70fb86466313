"""``amanah consent``: what persons consented to: record it, take it back, list it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..access_policies import consents, register
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.consents import subject_text
from ..tenants.clock import to_us
from .options import TYPER, AsJson, TenantId
from .terminal import moment, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..access_policies.consents import Consent
    from .desk import Desk

commands = typer.Typer(help="Consents of persons to purposes.", **TYPER)

Kind = Annotated[str, typer.Argument(metavar="KIND", help="What kind of person: patient, customer, …")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The person's key in the application.")]
PurposeName = Annotated[str, typer.Argument(metavar="PURPOSE", help="A key or alias of the tenant's register.")]


@commands.command("give")
def _give(
    ctx: typer.Context,
    tenant_id: TenantId,
    kind: Kind,
    subject: Id,
    purpose: PurposeName,
    source: Annotated[str, typer.Option(help="How it was given, one word: form, paper, phone, …")],
    evidence: Annotated[str, typer.Option(help="Where that can be found: a reference, nothing personal.")] = "",
    ends: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person consents to a purpose, from now on."""
    desk: Desk = ctx.obj
    named = subject_text(desk.guard.register, kind, subject)
    with desk.transaction() as connection:
        known = register.read_purposes(connection, desk.known(tenant_id))
        key = consents.resting_on_consent(known.get(_key(connection, tenant_id, purpose)), purpose)
        made = consents.give(
            connection, tenant_id, kind, named, key,
            by=desk.operator, source=source, evidence=evidence, ends_at=_instant(ends),
        )  # fmt: skip
        desk.note(connection, tenant_id, act="consent.give", kind=kind, subject=named, purpose=key, consent=made)
    if as_json:
        print_json({"consent": made, "kind": kind, "subject": named, "purpose": key})
        return
    desk.say(
        N_("{subject} consents to {purpose}: consent {consent}."), subject=_who(kind, named), purpose=key, consent=made
    )


@commands.command("withdraw")
def _withdraw(
    ctx: typer.Context, tenant_id: TenantId, kind: Kind, subject: Id, purpose: PurposeName, as_json: AsJson = False
) -> None:
    """Take back what a person consented to. It is in force at once; what shows the consent is kept."""
    desk: Desk = ctx.obj
    named = subject_text(desk.guard.register, kind, subject)
    with desk.transaction() as connection:
        key = _key(connection, desk.known(tenant_id), purpose)
        gone = consents.withdraw(connection, tenant_id, kind, named, key, by=desk.operator)
        if gone:
            facts = {"kind": kind, "subject": named, "purpose": key}
            desk.note(connection, tenant_id, act="consent.withdraw", consents=len(gone), **facts)
    if as_json:
        print_json({"withdrawn": list(gone), "kind": kind, "subject": named, "purpose": key})
        return
    told = N_("{subject} consents to {purpose} no longer: {count} withdrawn.")
    if not gone:
        told = N_("{subject} had not consented to {purpose}: nothing to withdraw.")
    desk.say(told, subject=_who(kind, named), purpose=key, count=len(gone))


@commands.command("list")
def _list(
    ctx: typer.Context,
    tenant_id: TenantId,
    kind: Annotated[str | None, typer.Option(help="Only of persons of this kind.")] = None,
    subject: Annotated[str | None, typer.Option("--id", metavar="ID", help="Only of this person; with --kind.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Only to this purpose.")] = None,
    as_json: AsJson = False,
) -> None:
    """A tenant's consents, oldest first, the withdrawn ones too. That they were listed is an entry of the trail."""
    desk: Desk = ctx.obj
    if subject is not None and kind is None:
        raise typer.BadParameter(desk.text(N_("name the kind of person: --kind")), param_hint="--kind")
    named = subject_text(desk.guard.register, kind, subject) if subject is not None and kind is not None else None
    with desk.transaction() as connection:
        key = None if purpose is None else _key(connection, desk.known(tenant_id), purpose)
        found = consents.consents(connection, desk.known(tenant_id), kind=kind, subject=named, purpose=key)
        asked = {"kind": kind, "subject": named, "purpose": key}
        facts = {name: value for name, value in asked.items() if value is not None}
        desk.note(connection, tenant_id, act="consent.list", count=len(found), **facts)
    if as_json:
        print_json([_for_machines(one) for one in found])
        return
    titles = (
        N_("Consent"),
        N_("Person"),
        N_("Purpose"),
        N_("State"),
        N_("Given"),
        N_("Until"),
        N_("How"),
        N_("Evidence"),
    )
    rows = (
        (
            one.id,
            _who(one.kind, one.subject),
            one.purpose,
            desk.text(_state(one)),
            desk.when(one.given_at),
            desk.when(one.withdrawn_at or one.ends_at),
            one.source,
            one.evidence,
        )
        for one in found
    )
    desk.table(titles, rows)


def _state(one: Consent) -> str:
    if one.withdrawn_at is not None:
        states = {"withdrawn": N_("withdrawn"), "erased": N_("erased"), "merged": N_("withdrawn")}
        return states[one.withdrawn_because]
    return N_("in force") if one.live else N_("ended")


def _for_machines(one: Consent) -> dict[str, object]:
    times = {name: getattr(one, name) for name in ("given_at", "ends_at", "withdrawn_at")}
    return asdict(one) | {name: None if at is None else moment(at).isoformat() for name, at in times.items()}


def _who(kind: str, subject: str) -> str:
    return f"{kind} {subject}"


def _key(connection: Connection, tenant_id: str, purpose: str) -> str:
    """The key of the purpose with this key or alias; what was said where there is none (any more)."""
    known = register.read_purposes(connection, tenant_id)
    return next((one.key for one in known.values() if purpose and one.alias == purpose), purpose)


def _instant(said: str | None) -> int | None:
    try:
        return None if said is None else to_us(datetime.fromisoformat(said))
    except ValueError:
        raise InvalidInput(detail=N_("a point in time is written like 2026-12-31T17:00+07:00")) from None
