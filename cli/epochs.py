"""``amanah keys epochs``: once a day, from cron."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..i18n import N_
from ..subjects.epochs import Epochs
from .options import AsJson  # noqa: TC001 - typer reads annotations when it runs
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk


def epochs(
    ctx: typer.Context,
    begin: Annotated[
        bool, typer.Option("--begin", help="Begin a new epoch now, whatever the age of this one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Re-wrap the secrets of persons under a new key when it is time, and destroy the old one when no backup needs it.

    Run it once a day. What is under a destroyed key is lost for ever: so old backups forget those who were erased.
    """
    desk: Desk = ctx.obj
    _ = desk.guard, desk.engines  # there and migrated
    done = Epochs(desk.guard, operator=desk.operator).tend(begin=begin)
    if as_json:
        print_json(asdict(done))
        return
    if done.begun:
        desk.say(N_("A new epoch has begun."))
    desk.say(
        N_("{rewrapped} secrets re-wrapped, {waiting} wait for another day; {retired} keys retired."),
        rewrapped=done.rewrapped,
        waiting=done.waiting,
        retired=done.retired,
    )
    for key_id in done.destroyed:
        desk.say(N_("The provider key {key_id} is destroyed: backups from before are dark."), key_id=key_id)


__all__ = ["epochs"]
