"""``amanah tenant``: tenants and whether they work."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..access_policies.templates import names as template_names
from ..errors import InvalidInput
from ..i18n import N_
from .company_table import read_companies
from .invitation import invite
from .options import TYPER, AsJson, ConsoleAddress, TenantId
from .terminal import plain, print_json

if TYPE_CHECKING:
    from .company_table import Company
    from .desk import Desk

commands = typer.Typer(help="Tenants.", **TYPER)
_MADE: Final = N_("{new} tenants were made, {old} were there already.")


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


@commands.command("import")
def _import(
    ctx: typer.Context,
    table: Annotated[str, typer.Option(help="The application's table of companies.")],
    id_column: Annotated[str, typer.Option("--id", metavar="COLUMN", help="What its tenant column refers to.")] = "id",
    name: Annotated[str | None, typer.Option(metavar="COLUMN", help="The company's name; default: its id.")] = None,
    admin_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Account id of the first owner; default: none yet.")
    ] = None,
    template: Annotated[str, typer.Option(help=f"One of: {', '.join(template_names())}.")] = "blank",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
) -> None:
    """Make a tenant of each company in the application's own table. Those that are tenants already stay as they are.

    Only the named columns are read. A company that can be no tenant is told, and then nothing is made.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    _ = desk.engines
    if template not in template_names():
        raise InvalidInput(detail=f"there is no template {template!r:.80}")
    found = read_companies(guard, table, {"id": id_column, "name": name, "admin": admin_column})
    known = set(desk.tenant_ids())
    wrong = [one for one in found if one.trouble]
    new = [one for one in found if one.id not in known and not one.trouble]
    if wrong or dry_run:
        _tell_companies(desk, found, known)
    if wrong:
        raise InvalidInput(
            detail=desk.text(N_("{count} of the companies can be no tenants; nothing was made"), count=len(wrong))
        )
    if not dry_run:
        for one in new:
            guard.create_tenant(one.id, one.name, template=template, admin=one.admin, operator=desk.operator)
    told = N_("{new} tenants would be made, {old} are there already.") if dry_run else _MADE
    desk.say(told, new=len(new), old=len(found) - len(new))
    if any(one.admin is None for one in new):
        desk.say(N_("Without an owner nobody can give roles in the console: amanah grant give TENANT MEMBER owner"))


def _tell_companies(desk: Desk, found: list[Company], known: set[str]) -> None:
    def state(one: Company) -> str:
        return one.trouble or (N_("is there") if one.id in known else N_("new"))

    titles = (N_("Tenant"), N_("Name"), N_("First owner"), N_("Status"))
    rows = ((one.id, one.name, one.admin, plain(desk.text(state(one)), "red" if one.trouble else "")) for one in found)
    desk.table(titles, rows)


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
    desk.say_version(tenant_id)


@commands.command("resume")
def _resume(ctx: typer.Context, tenant_id: TenantId) -> None:
    """Let a suspended tenant work again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.resume(connection, desk.known(tenant_id))
        desk.note(connection, tenant_id, act="tenant.resume")
    desk.say(N_("The tenant {tenant} works again."), tenant=tenant_id)
    desk.say_version(tenant_id)
