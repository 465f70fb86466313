"""``amanah audit``: the commands about the trail. What each does stands next door, in ``trail_*``."""

from __future__ import annotations

import typer

from . import trail_bundles, trail_recover, trail_verify
from .options import TYPER

commands = typer.Typer(help="The trail.", **TYPER)
commands.command("verify")(trail_verify.verify)
commands.command("bundle")(trail_bundles.bundle)
commands.command("tiles")(trail_bundles.tiles)
commands.command("recover")(trail_recover.recover)


@commands.command("key")
def _key(ctx: typer.Context) -> None:
    """The public key with which anybody can verify the trail. Publish it."""
    typer.echo(str(ctx.obj.signer.verifier))
