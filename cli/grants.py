"""``amanah grant``: who holds which role, from when, until when, and why. See also `grants_unused`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..database import time_of
from ..errors import InvalidInput
from ..i18n import N_
from ..tenants.clock import from_us
from .options import TYPER, AsJson, MemberId, TenantId
from .proving import As, Stdin, prove_member
from .terminal import print_json

if TYPE_CHECKING:
    from ..tenants.records import Grant
    from .desk import Desk

commands = typer.Typer(help="Roles granted to members.", **TYPER)


@commands.command("give")
def _give(
    ctx: typer.Context,
    tenant_id: TenantId,
    member_id: MemberId,
    role: Annotated[str, typer.Argument(metavar="ROLE")],
    reason: Annotated[str, typer.Option(help="Why; reviewers read it.")],
    starts: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
    ends: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
) -> None:
    """Grant a role to a member."""
    desk: Desk = ctx.obj
    directory = desk.guard.directory  # a guard's refuses roles that the tenant's policy does not know
    with desk.transaction() as connection:
        grant_id = directory.grant(
            connection,
            desk.known(tenant_id),
            member_id,
            role,
            reason=reason,
            granted_by=desk.operator,
            starts_at=_instant(starts),
            ends_at=_instant(ends),
        )
        waits = next(one.waits for one in directory.grants(connection, tenant_id) if one.id == grant_id)
        act = "grant.propose" if waits else "grant.give"
        desk.note(connection, tenant_id, act=act, member=member_id, role=role, grant=grant_id)
    if waits:
        desk.say(
            N_("The role {role} wants a second person: amanah grant approve {tenant} {grant}"),
            role=role,
            tenant=tenant_id,
            grant=grant_id,
        )
        desk.say_version(tenant_id)
        return
    desk.say(
        N_("{member} has the role {role} in {tenant}: grant {grant}."),
        member=member_id,
        role=role,
        tenant=tenant_id,
        grant=grant_id,
    )
    desk.say_version(tenant_id)


def _instant(said: str | None) -> datetime | None:
    try:
        return None if said is None else datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(detail=N_("a point in time is written like 2026-12-31T17:00+07:00")) from None


@commands.command("operator")
def _operator(
    ctx: typer.Context,
    tenant_id: TenantId,
    operator_id: Annotated[str, typer.Argument(metavar="OPERATOR", help="The operator's account id.")],
    role: Annotated[str, typer.Argument(metavar="ROLE")],
    member: As,
    reason: Annotated[str, typer.Option(help="Why; reviewers read it.")],
    ends: Annotated[str, typer.Option(metavar="TIME", help="ISO 8601 with its zone; at most 30 days from now.")],
    starts: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
    password_stdin: Stdin = False,
) -> None:
    """Let an operator of the platform in, for a time: as a member who owns the tenant, with your console password."""
    desk: Desk = ctx.obj
    ends_at, starts_at = _instant(ends), _instant(starts)
    assert ends_at is not None  # noqa: S101 - for the type checker; the option is required
    person = prove_member(desk, desk.known(tenant_id), member, from_stdin=password_stdin)
    with desk.transaction() as connection:
        grant_id = desk.guard.directory.operators.grant(
            connection,
            tenant_id,
            operator_id,
            role,
            reason=reason,
            granted_by=person.member,
            ends_at=ends_at,
            starts_at=starts_at,
        )
        detail = {"operator": operator_id, "role": role, "grant": grant_id, "by": person.member}
        desk.note(connection, tenant_id, act="grant.operator", **detail)
    desk.say(
        N_("The operator {operator} has the role {role} in {tenant} until {until}: grant {grant}."),
        operator=operator_id,
        role=role,
        tenant=tenant_id,
        until=desk.when(ends_at),
        grant=grant_id,
    )
    desk.say_version(tenant_id)


@commands.command("list")
def _list(
    ctx: typer.Context,
    tenant_id: TenantId,
    to_review: Annotated[bool, typer.Option(help="Only what was taken in an emergency and nobody reviewed.")] = False,
    as_json: AsJson = False,
) -> None:
    """A tenant's grants, the ended ones too."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        grants = desk.directory.grants(connection, desk.known(tenant_id))
        now = from_us(time_of(connection))
    found = [one for one in grants if one.to_review or not to_review]
    if as_json:
        print_json([{**asdict(one), "state": _state(one, now), "to_review": one.to_review} for one in found])
        return
    titles = (N_("Grant"), N_("Holder"), N_("Role"), N_("State"), N_("Until"), N_("Granted by"), N_("Reason"))
    desk.table(titles, (_row(desk, one, now) for one in found))


def _row(desk: Desk, one: Grant, now: datetime) -> tuple[str, ...]:
    holder = desk.text(N_("operator {id}"), id=one.member_id) if one.operator else one.member_id
    state = desk.text(_state(one, now))
    if one.emergency:
        mark = N_("emergency, to be reviewed") if one.to_review else N_("emergency, reviewed")
        state = f"{state} ({desk.text(mark)})"
    return one.id, holder, one.role, state, desk.when(one.ends_at), one.granted_by, one.reason


def _state(one: Grant, now: datetime) -> str:
    if one.revoked_at is not None:
        return N_("revoked")
    if one.waits:
        return N_("waits for a second person")
    if one.starts_at is not None and now < one.starts_at:
        return N_("not yet")
    return N_("ended") if one.ends_at is not None and one.ends_at <= now else N_("in force")


@commands.command("approve")
def _approve(
    ctx: typer.Context, tenant_id: TenantId, grant_id: Annotated[str, typer.Argument(metavar="GRANT")]
) -> None:
    """Let a grant that waits come into force: as another person than who gave it and who gets it."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.guard.directory.approve(connection, desk.known(tenant_id), grant_id, approved_by=desk.operator)
        desk.note(connection, tenant_id, act="grant.approve", grant=grant_id)
    desk.say(N_("The grant {grant} is approved."), grant=grant_id)
    desk.say_version(tenant_id)


@commands.command("revoke")
def _revoke(ctx: typer.Context, tenant_id: TenantId, grant_id: Annotated[str, typer.Argument(metavar="GRANT")]) -> None:
    """End a grant now."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.guard.directory.revoke(connection, desk.known(tenant_id), grant_id)  # a guard's knows what roles inherit
        desk.note(connection, tenant_id, act="grant.revoke", grant=grant_id)
    desk.say(N_("The grant {grant} is revoked."), grant=grant_id)
    desk.say_version(tenant_id)
