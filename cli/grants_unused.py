"""``amanah grant unused``, ``lapse`` and ``lapse-after``: grants that nobody uses, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.unused_grants import end_unused, unused_grants
from ..errors import InvalidInput
from ..i18n import N_
from .options import WRONG, AsJson, TenantId
from .terminal import print_json

if TYPE_CHECKING:
    from ..adoption.unused_grants import Unused
    from .desk import Desk


def unused(
    ctx: typer.Context,
    tenant_id: TenantId,
    days: Annotated[int, typer.Option(help="Not used for so many days.", min=1)] = 90,
    as_json: AsJson = False,
) -> None:
    """Grants that are in force and were not used, by what the trail says. That you looked becomes an entry of it."""
    desk: Desk = ctx.obj
    _sequenced(desk)
    found = unused_grants(desk.guard, desk.known(tenant_id), days)
    with desk.transaction() as connection:
        desk.note(connection, tenant_id, act="grant.unused", days=days, count=len(found))
    if as_json:
        print_json([_machine_readable(one) for one in found])
        return
    titles = (N_("Grant"), N_("Holder"), N_("Role"), N_("Since"), N_("Reason"))
    desk.table(titles, (_row(desk, one) for one in found))


def lapse(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Argument(metavar="[TENANT]", help="The tenant's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every tenant whose grants lapse.")] = False,
) -> None:
    """End the grants that were not used for as long as their tenant says. For cron; harmless to repeat."""
    desk: Desk = ctx.obj
    if (tenant_id is None) is not every:
        raise typer.BadParameter("TENANT, --all: one of them")
    _sequenced(desk)
    wanted = None if tenant_id is None else desk.known(tenant_id)
    with desk.engines[0].connect() as connection:
        tenants = [one for one in desk.directory.tenants(connection) if wanted in (None, one.id)]
    failed = False
    for one in tenants:
        if one.lapse_days is None or one.status == "closed":
            continue
        try:
            ended, kept = end_unused(desk.guard, one.id, one.lapse_days, desk.operator)
        except InvalidInput as error:
            if not every:
                raise
            desk.say("{tenant}: {why}", tenant=one.id, why=error.sentence())
            failed = True
            continue
        desk.say(N_("{tenant}: {ended} grants have lapsed."), tenant=one.id, ended=len(ended))
        for each, why in kept:
            desk.say(N_("  {grant} stays: {why}"), grant=each.grant.id, why=why.sentence())
        if ended:
            desk.say_version(one.id)
    if failed:
        raise typer.Exit(WRONG)


def lapse_after(
    ctx: typer.Context,
    tenant_id: TenantId,
    days: Annotated[str, typer.Argument(metavar="DAYS|never", help="So many days without use.")],
) -> None:
    """Say after how many days without use a tenant's grants lapse, by `amanah grant lapse`. At first they never do."""
    desk: Desk = ctx.obj
    if days != "never" and not (days.isascii() and days.isdigit()):
        raise typer.BadParameter("a number of days, or never")
    after = None if days == "never" else int(days)
    with desk.transaction() as connection:
        desk.directory.lapse_after(connection, desk.known(tenant_id), after)
        desk.note(connection, tenant_id, act="grant.lapse_after", days=after or 0)
    if after is None:
        desk.say(N_("Unused grants of {tenant} do not lapse."), tenant=tenant_id)
    else:
        desk.say(N_("Grants of {tenant} lapse after {days} days without use."), tenant=tenant_id, days=after)
    desk.say_version(tenant_id)


def _sequenced(desk: Desk) -> None:
    """Give what waits its place in the log. Raises what stops it: by half a trail nothing is judged."""
    _ = desk.guard, desk.engines
    trouble = desk.sequence()
    if trouble is not None:
        raise trouble


def _machine_readable(one: Unused) -> dict[str, object]:
    grant = one.grant
    holder = {"operator_id" if grant.operator else "member_id": grant.member_id}
    return {"id": grant.id, **holder, "role": grant.role, "since": one.since, "reason": grant.reason}


def _row(desk: Desk, one: Unused) -> tuple[str, ...]:
    grant = one.grant
    holder = desk.text(N_("operator {id}"), id=grant.member_id) if grant.operator else grant.member_id
    return grant.id, holder, grant.role, desk.when(one.since), grant.reason
