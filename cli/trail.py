"""``amanah audit``: read the trail, publish the key that verifies it; verifying and exporting stand beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..audit.log import MAXIMUM, Filter, list_entries
from ..database import PLATFORM
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.explain import discreet, machine_readable, summary
from . import trail_exports, trail_recover, trail_verify
from .options import TYPER, AsJson
from .terminal import complain, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..audit.log import Logged
    from .desk import Desk

commands = typer.Typer(help="The trail.", **TYPER)
commands.command("verify")(trail_verify.verify)
commands.command("bundle")(trail_exports.bundle)
commands.command("tiles")(trail_exports.tiles)
commands.command("recover")(trail_recover.recover)


@commands.command("list")
def _list(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Option("--tenant", help="Default: all tenants and the platform.")] = None,
    actor: Annotated[str | None, typer.Option(help="Account id.")] = None,
    resource: Annotated[str | None, typer.Option(help="Resource that was touched.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAXIMUM)] = 20,
    before: Annotated[int | None, typer.Option(help="Position to go on from; with --tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries, the newest first. That you looked becomes an entry too."""
    desk: Desk = ctx.obj
    if before is not None and tenant_id is None:
        raise InvalidInput(detail=N_("--before is a position in one tenant's trail: name the tenant"))
    _, trail = desk.engines
    tenants = [desk.known(tenant_id, platform=True)] if tenant_id else [*desk.tenant_ids(), PLATFORM]
    trouble = desk.sequence()
    with desk.transaction() as connection:
        for one in tenants:
            desk.note(connection, one, act="audit.list")
    wanted = Filter(actor=actor, resource=resource)
    found = [one for t in tenants for one in list_entries(trail, t, limit=limit, before=before, filters=wanted)]
    found = sorted(found, key=lambda one: one.entry.at, reverse=True)[:limit]
    if as_json:
        print_json([machine_readable(one) for one in found])
    else:
        titles = (
            N_("Tenant"),
            N_("No."),
            N_("Time"),
            N_("Actor"),
            N_("Kind"),
            N_("Purpose"),
            N_("What"),
            N_("Outcome"),
        )
        desk.table(titles, (_row(desk, one) for one in found))
    if trouble is not None:
        complain(trouble, desk.language)


def _row(desk: Desk, one: Logged) -> Iterator[object]:
    entry = one.entry
    outcome = f"{entry.outcome} {entry.refusal or ''}".strip()
    yield from (entry.tenant, one.position, desk.when(entry.at), discreet(entry.actor or "-"), entry.kind)
    yield from (entry.purpose, summary(entry), plain(outcome, "red" if entry.refusal else ""))


@commands.command("key")
def _key(ctx: typer.Context) -> None:
    """The public key with which anybody can verify the trail. Publish it."""
    typer.echo(str(ctx.obj.signer.verifier))
