"""``amanah emergency``: which role may be taken in an emergency, taking one for a member, and the review of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..i18n import N_
from ..tenants.clock import from_us
from ..tenants.emergencies import ANYBODY, Emergency
from .options import TYPER, AsJson, MemberId, TenantId
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="Roles that members may take in an emergency (break-glass).", **TYPER)

_Role = Annotated[str, typer.Argument(metavar="ROLE")]
_By = Annotated[str, typer.Option("--by", metavar="ROLE", help="Members who hold this role; * for every member.")]


@commands.command("allow")
def _allow(
    ctx: typer.Context,
    tenant_id: TenantId,
    role: _Role,
    by: _By,
    minutes: Annotated[int, typer.Option(help="For how long; at most a day.", min=1)],
) -> None:
    """Let members take a role in an emergency. For the same role and members this replaces what was allowed."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.guard.directory.emergencies.allow(connection, desk.known(tenant_id), Emergency(role, by, minutes))
        desk.note(connection, tenant_id, act="emergency.allow", role=role, holder=by, minutes=minutes)
    desk.say(
        N_("In an emergency {role} may be taken in {tenant} for {minutes} minutes, by: {by}."),
        role=role,
        tenant=tenant_id,
        minutes=minutes,
        by=by,
    )
    desk.say_version(tenant_id)


@commands.command("forbid")
def _forbid(ctx: typer.Context, tenant_id: TenantId, role: _Role, by: _By) -> None:
    """Let them take it no longer. What was taken goes on until its end."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.emergencies.forbid(connection, desk.known(tenant_id), role, by)
        desk.note(connection, tenant_id, act="emergency.forbid", role=role, holder=by)
    desk.say(N_("{role} is no longer taken in {tenant} by: {by}."), role=role, tenant=tenant_id, by=by)
    desk.say_version(tenant_id)


@commands.command("list")
def _list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """What may be taken. What was taken and waits for a review: amanah grant list --to-review."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.emergencies.allowed(connection, desk.known(tenant_id))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    titles = (N_("Role"), N_("By members who hold"), N_("Minutes"))
    everybody = desk.text(N_("(every member)"))
    desk.table(titles, ((e.role, everybody if e.holder == ANYBODY else e.holder, e.minutes) for e in found))


@commands.command("take")
def _take(
    ctx: typer.Context,
    tenant_id: TenantId,
    member_id: MemberId,
    role: _Role,
    reason: Annotated[str, typer.Option(help="What the emergency is; the reviewer reads it.")],
) -> None:
    """Take a role for a member at once, where the application does not let them do it."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        taken = desk.guard.directory.emergencies.take(
            connection, desk.known(tenant_id), member_id, role, reason=reason, by=desk.operator
        )
        desk.note(connection, tenant_id, act="emergency.take", member=member_id, role=role, grant=taken.grant)
    desk.say(
        N_("{member} has the role {role} in {tenant} until {until}: grant {grant}, to be reviewed."),
        member=member_id,
        role=role,
        tenant=tenant_id,
        until=desk.when(from_us(taken.ends_at)),
        grant=taken.grant,
    )
    desk.say_version(tenant_id)


@commands.command("review")
def _review(ctx: typer.Context, tenant_id: TenantId, grant_id: Annotated[str, typer.Argument(metavar="GRANT")]) -> None:
    """Note that you looked at what was done under it: as another person than who took it, when it is over."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        review = desk.directory.emergencies.review
        review(connection, desk.known(tenant_id), grant_id, reviewed_by=desk.operator)
        desk.note(connection, tenant_id, act="emergency.review", grant=grant_id)
    desk.say(N_("The grant {grant} is reviewed."), grant=grant_id)
    desk.say_version(tenant_id)
