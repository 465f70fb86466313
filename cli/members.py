"""``amanah member``: who belongs to a tenant."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..database import time_of
from ..i18n import N_
from ..tenants.clock import from_us
from ..tenants.roster import ACTIVE
from .invitation import invite as print_link
from .options import TYPER, AsJson, ConsoleAddress, MemberId, TenantId
from .terminal import plain, print_json

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="A tenant's members.", **TYPER)


@commands.command("add")
def _add(
    ctx: typer.Context,
    tenant_id: TenantId,
    member_id: MemberId,
    label: Annotated[str, typer.Option(help="How to show them in lists.")] = "",
) -> None:
    """Make an account a member, without any role; a suspended or removed one becomes active again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.add_member(connection, desk.known(tenant_id), member_id, label)
        desk.note(connection, tenant_id, act="member.add", member=member_id)
    desk.say(N_("{member} is a member of {tenant}."), member=member_id, tenant=tenant_id)
    desk.say_version(tenant_id)


@commands.command("invite")
def _invite(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId, console: ConsoleAddress = "") -> None:
    """Print a link by which a member sets a password for the console; an older link ends."""
    print_link(ctx.obj, tenant_id, member_id, console)


@commands.command("list")
def _list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """A tenant's members, with the roles that they hold now. Active ones who wait for a grant are marked."""
    desk: Desk = ctx.obj
    roster = desk.directory.load(desk.known(tenant_id))
    with desk.engines[0].connect() as connection:
        found = desk.directory.members(connection, tenant_id)
        grants = desk.directory.grants(connection, tenant_id)
        now = time_of(connection)
    granted = {
        one.member_id
        for one in grants
        if not one.operator and one.revoked_at is None and (one.ends_at is None or from_us(now) < one.ends_at)
    }
    waiting = {one.id for one in found if one.status == ACTIVE and one.id not in granted}
    roles = {one.id: sorted(roster.standing(one.id, now).roles) for one in found}
    if as_json:
        print_json([{**asdict(one), "roles": roles[one.id], "waits": one.id in waiting} for one in found])
        return
    titles = (N_("Member"), N_("Label"), N_("Status"), N_("Roles"), N_("Since"))
    mark = plain(desk.text(N_("no grant")), "yellow")
    shown = {one.id: mark if one.id in waiting else ", ".join(roles[one.id]) for one in found}
    desk.table(titles, ((m.id, m.display, m.status, shown[m.id], desk.when(m.added_at)) for m in found))
    if waiting:
        desk.say(
            N_("{count} members hold no grant: amanah grant give {tenant} MEMBER ROLE --reason …"),
            count=len(waiting),
            tenant=tenant_id,
        )


@commands.command("suspend")
def _suspend(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId) -> None:
    """Take all roles away until the member is added again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.suspend_member(connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.suspend", member=member_id)
    desk.say(N_("{member} is suspended in {tenant}."), member=member_id, tenant=tenant_id)
    desk.say_version(tenant_id)


@commands.command("remove")
def _remove(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId) -> None:
    """End a membership and revoke its grants."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.remove_member(connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.remove", member=member_id)
    desk.say(N_("{member} is no member of {tenant} any more."), member=member_id, tenant=tenant_id)
    desk.say_version(tenant_id)
