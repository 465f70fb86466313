"""``amanah tenant``: tenants and whether they work."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..access_policies.templates import names as template_names
from ..i18n import N_
from .invitation import invite
from .options import TYPER, AsJson, ConsoleAddress, TenantId
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="Tenants.", **TYPER)


@commands.command("create")
def _create(
    ctx: typer.Context,
    tenant_id: TenantId,
    name: Annotated[str, typer.Option(help="What people call it.")],
    admin: Annotated[str, typer.Option(metavar="MEMBER", help="Account id of its first owner.")],
    template: Annotated[str, typer.Option(help=f"One of: {', '.join(template_names())}.")] = "blank",
    console: ConsoleAddress = "",
) -> None:
    """Make a tenant with its keys, roles, purposes and rules, and its first owner."""
    desk: Desk = ctx.obj
    guard = desk.guard
    _ = desk.engines
    guard.create_tenant(tenant_id, name, template=template, admin=admin, operator=desk.operator)
    desk.say(N_("The tenant {tenant} is ready. Its owner is the account {member}."), tenant=tenant_id, member=admin)
    invite(desk, tenant_id, admin, console)


@commands.command("list")
def _list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All tenants."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.tenants(connection)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    titles = (N_("Tenant"), N_("Name"), N_("Status"), N_("Template"), N_("Since"))
    desk.table(titles, ((t.id, t.name, t.status, t.template, desk.when(t.created_at)) for t in found))


@commands.command("suspend")
def _suspend(ctx: typer.Context, tenant_id: TenantId) -> None:
    """Stop every access of a tenant, from the next request on."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.suspend(connection, desk.known(tenant_id))
        desk.note(connection, tenant_id, act="tenant.suspend")
    desk.say(N_("The tenant {tenant} is suspended."), tenant=tenant_id)


@commands.command("resume")
def _resume(ctx: typer.Context, tenant_id: TenantId) -> None:
    """Let a suspended tenant work again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.resume(connection, desk.known(tenant_id))
        desk.note(connection, tenant_id, act="tenant.resume")
    desk.say(N_("The tenant {tenant} works again."), tenant=tenant_id)
