"""``amanah reencrypt``: what is sealed under older data keys is moved to the newest."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.sealing_work import BATCH
from ..i18n import N_
from ..rekeying.reencrypt import Moved
from ..rekeying.reencrypt import reencrypt as move
from .encrypt import name_rows, tell_without_keys, watching
from .options import WRONG, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk


def reencrypt(
    ctx: typer.Context,
    columns: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE|TABLE.COLUMN]…", help="Default: all that are sealed.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only the rows of this tenant.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=20_000, help="Rows per transaction.")] = BATCH,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every process knows the newest key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Move what is sealed under older data keys to the newest, while the application runs.

    Killed, it is run again and goes on. Each tenant's trail says that it was done.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    desk.tenant_ids() if tenant is None else desk.known(tenant)  # also: the database is there, and migrated

    def pause(seconds: float) -> None:
        desk.say(N_("Waiting {seconds} s, until every process knows the newest key."), seconds=int(seconds + 1))
        time.sleep(seconds)

    with watching(desk) as bar:
        found = move(
            guard,
            columns or (),
            operator=desk.operator,
            tenant=tenant,
            batch=batch,
            progress=bar,
            wait=pause if wait else None,
        )
    if as_json:
        print_json([{**asdict(one), "unopened": [{"tenant": t, "row": r} for t, r in one.unopened]} for one in found])
    else:
        for one in found:
            _tell(desk, one)
        desk.say(N_("{count} left under older keys."), count=sum(one.left for one in found))
    if not all(one.whole for one in found):
        raise typer.Exit(WRONG)


def _tell(desk: Desk, one: Moved) -> None:
    name = f"{one.table}.{one.column}"
    desk.say(N_("{column}: {moved} moved, {left} left under older keys."), column=name, moved=one.moved, left=one.left)
    tell_without_keys(desk, one.without_keys)
    if one.unopened:
        desk.say(N_("  These do not open, and stay as they are:"))
        name_rows(desk, one.unopened)
    if one.left > len(one.unopened) + sum(one.without_keys.values()):
        desk.say(N_("  Some rows were held or written by others meanwhile. Run this again."))
