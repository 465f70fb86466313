"""``amanah keys``: key files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..audit.checkpoints import SignerKey
from ..guard import create_keys
from ..i18n import N_
from ..settings import Settings
from .options import TYPER

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="Key files.", **TYPER)


@commands.command("init")
def _init(ctx: typer.Context) -> None:
    """Make a key file and a signer where the settings (AMANAH_STATE, AMANAH_KEY_FILE …) say. Never overwrites."""
    desk: Desk = ctx.obj
    # Not the guard's: it cannot be built before there are keys.
    settings = Settings.from_environment()
    create_keys(settings)
    desk.say(
        N_("The keys are in {path}. Keep a copy in a safe place: without it no sealed value can be read."),
        path=settings.key_file,
    )
    desk.say(
        N_("The trail is signed with {path}. To verify it others need: {key}"),
        path=settings.signer_file,
        key=SignerKey.load(settings.signer_file).verifier,
    )
