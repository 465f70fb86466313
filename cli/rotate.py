"""``amanah keys rotate``: a new key of each kind, while the application runs. One command a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..i18n import N_
from ..rekeying.keys import rotate_data, rotate_provider, rotate_tenant, with_keys
from . import rotate_search
from .encrypt import watching
from .options import TYPER, WRONG

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="New keys, while the application runs. The old ones open what they sealed.", **TYPER)
commands.command("search")(rotate_search.search)

Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", metavar="TENANT", help="Only this tenant; may be repeated. Default: all."),
]


def chosen(desk: Desk, tenants: list[str] | None) -> list[str]:
    """The tenants named, or all that have keys, the platform too. Raises `InvalidInput`, and of a missing database."""
    if tenants:
        return [desk.known(one, platform=True) for one in dict.fromkeys(tenants)]
    desk.tenant_ids()  # the database is there, and migrated
    return with_keys(desk.guard)


@commands.command("data")
def _data(ctx: typer.Context, tenants: Tenants = None) -> None:
    """A new data key. Values are sealed under it once every process knows it; then run: amanah reencrypt."""
    desk: Desk = ctx.obj
    for one in rotate_data(desk.guard, chosen(desk, tenants), operator=desk.operator):
        said = (
            N_("{tenant}: data key {version}; values are sealed under it from {when}.")
            if one.made
            else N_("{tenant}: data key {version} is new already; values are sealed under it from {when}.")
        )
        desk.say(said, tenant=one.tenant, version=one.version, when=desk.when(one.used_from))


@commands.command("tenant")
def _tenant(ctx: typer.Context, tenants: Tenants = None) -> None:
    """A new key-encryption key, under which the tenant's keys are wrapped anew; the old one is destroyed."""
    desk: Desk = ctx.obj
    for one in rotate_tenant(desk.guard, chosen(desk, tenants), operator=desk.operator):
        desk.say(
            N_("{tenant}: key-encryption key {version}; the older one is destroyed."),
            tenant=one.tenant,
            version=one.version,
        )


@commands.command("provider")
def _provider(
    ctx: typer.Context,
    tenants: Tenants = None,
    new: Annotated[bool, typer.Option("--new", help="Let the provider make a new key first.")] = False,
) -> None:
    """Wrap tenants' key-encryption keys under the provider's current key. Killed, it is run again, without --new."""
    desk: Desk = ctx.obj
    named = chosen(desk, tenants)
    with watching(desk) as bar:
        bar.expect(len(named))
        found = rotate_provider(
            desk.guard, named if tenants else None, operator=desk.operator, new=new, advance=bar.advance
        )
    desk.say(N_("{count} wrapped anew under {key}."), count=found.done, key=found.key_id)
    for tenant, code in sorted(found.refused.items()):
        desk.say(N_("  The key of {tenant} cannot be unwrapped ({code})."), tenant=tenant, code=code)
    desk.say(N_("{count} left under other keys of the provider."), count=sum(found.left.values()))
    for key, count in found.left.items():
        desk.say("  {key}: {count}", key=key, count=count)
    for key, count in found.epochs.items():
        desk.say(N_("{key} wraps {count} epoch keys, too, and goes when they go."), key=key, count=count)
    for key in found.free:
        desk.say(N_("Nothing is under {key} any more. It may be destroyed: amanah keys destroy {key}"), key=key)
    if found.left and not tenants:
        raise typer.Exit(WRONG)
