"""``amanah keys``: the keys above all others, and the signer."""

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

commands = typer.Typer(help="The provider's keys and the signer.", **TYPER)


@commands.command("init")
def _init(ctx: typer.Context) -> None:
    """Make the key provider's first key (AMANAH_KEY_PROVIDER …) and a signer (AMANAH_STATE …). Never overwrites."""
    desk: Desk = ctx.obj
    # Not the guard's: it cannot be built before there are keys.
    settings = Settings.from_environment()
    current = create_keys(settings)
    if settings.key_provider == "file":
        desk.say(
            N_("The keys are in {path}. Keep a copy in a safe place: without it no sealed value can be read."),
            path=settings.key_file,
        )
    else:
        desk.say(
            N_("Tenants' keys are wrapped with the key {key_id} of the provider {provider}. Never delete it there."),
            key_id=current,
            provider=settings.key_provider,
        )
    desk.say(
        N_("The trail is signed with {path}. To verify it others need: {key}"),
        path=settings.signer_file,
        key=SignerKey.load(settings.signer_file).verifier,
    )
