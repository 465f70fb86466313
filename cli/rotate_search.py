"""``amanah keys rotate search``: exchange the keys of blind indexes while the application runs."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..adoption.sealing_work import BATCH
from ..adoption.search_rotation import Exchange, exchange, under_way
from ..audit.entries import now_us
from ..i18n import N_
from ..rekeying.keys import with_keys
from .encrypt import tell_result, watching
from .options import WRONG, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk

_SECOND: Final = 1_000_000

_SAID: Final = {
    "made": N_("{owner}: index key {version} is made, and both are written. Go on after {when}."),
    "incomplete": N_("{owner}: tokens under index key {version} are lacking. Searches go by the old key."),
    "read": N_("{owner}: searches go by index key {version}, and both are written. Go on after {when}."),
    "done": N_("{owner}: done. Index key {version} is the only one in use."),
    "resting": N_(
        "{owner}: the last exchange, to index key {version}, has just ended. The next can begin after {when}."
    ),
}


def search(
    ctx: typer.Context,
    tenant: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT", help="Only this tenant's; may be repeated. platform: that of sign-in."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it is done, instead of being run again.")] = False,
    batch: Annotated[int, typer.Option(min=1, max=20_000, help="Rows per transaction.")] = BATCH,
    as_json: AsJson = False,
) -> None:
    """Exchange the index keys of all tenants and the platform, and compute every search token anew.

    In steps, between which each process must have loaded its keys: this says when to run it again, or waits. Where an
    exchange is under way it is carried on, and none is begun beside it.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    desk.tenant_ids()  # the database is there, and migrated
    owners = [desk.known(one, platform=True) for one in dict.fromkeys(tenant)] if tenant else with_keys(guard)
    begun = under_way(guard, owners)
    found: dict[str, Exchange] = {}
    due = begun or owners
    with watching(desk) as bar:
        while due:
            for owner in due:
                work = {"operator": desk.operator, "batch": batch}
                found[owner] = exchange(guard, owner, progress=bar, **work)  # type: ignore[arg-type]
            waiting = [one for one in found.values() if one.until is not None]
            if not wait or not waiting:
                break
            soonest = min(one.until or 0 for one in waiting)
            time.sleep(max(0.0, (soonest - now_us()) / _SECOND) + 0.001)
            due = [one.owner for one in waiting if (one.until or 0) <= now_us()]
    if as_json:
        print_json([asdict(one) for one in found.values()])
    else:
        for one in found.values():
            _tell(desk, one)
        if begun and len(begun) < len(owners):
            desk.say(N_("No other exchange was begun, because these are under way."))
    if not all(one.whole for one in found.values()):
        raise typer.Exit(WRONG)


def _tell(desk: Desk, one: Exchange) -> None:
    desk.say(_SAID[one.step], owner=one.owner, version=one.version, when=desk.when(one.until))
    for result in one.results:
        if result.done or result.left:
            tell_result(desk, result)


__all__ = ["search"]
