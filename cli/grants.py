"""``amanah grant``: who holds which role, from when, until when, and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidInput
from ..i18n import N_
from .options import TYPER, AsJson, MemberId, TenantId
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
        desk.note(connection, tenant_id, act="grant.give", member=member_id, role=role, grant=grant_id)
    desk.say(
        N_("{member} has the role {role} in {tenant}: grant {grant}."),
        member=member_id,
        role=role,
        tenant=tenant_id,
        grant=grant_id,
    )


def _instant(said: str | None) -> datetime | None:
    try:
        return None if said is None else datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(detail=N_("a point in time is written like 2026-12-31T17:00+07:00")) from None


@commands.command("list")
def _list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """A tenant's grants, the ended ones too."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.grants(connection, desk.known(tenant_id))
    if as_json:
        print_json([{**asdict(one), "state": _state(one)} for one in found])
        return
    titles = (N_("Grant"), N_("Member"), N_("Role"), N_("State"), N_("Until"), N_("Granted by"), N_("Reason"))
    rows = (
        (g.id, g.member_id, g.role, desk.text(_state(g)), desk.when(g.ends_at), g.granted_by, g.reason) for g in found
    )
    desk.table(titles, rows)


def _state(one: Grant) -> str:
    now = datetime.now(UTC)
    if one.revoked_at is not None:
        return N_("revoked")
    if one.starts_at is not None and now < one.starts_at:
        return N_("not yet")
    return N_("ended") if one.ends_at is not None and one.ends_at <= now else N_("in force")


@commands.command("revoke")
def _revoke(ctx: typer.Context, tenant_id: TenantId, grant_id: Annotated[str, typer.Argument(metavar="GRANT")]) -> None:
    """End a grant now."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.revoke(connection, desk.known(tenant_id), grant_id)
        desk.note(connection, tenant_id, act="grant.revoke", grant=grant_id)
    desk.say(N_("The grant {grant} is revoked."), grant=grant_id)
