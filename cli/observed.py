"""``amanah observed``: what a guard that only observes would have refused, and what to declare."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.observed import gather, line
from ..database import PLATFORM
from ..errors import InvalidInput
from ..i18n import N_
from .options import AsJson  # noqa: TC001 - typer reads annotations when it runs
from .terminal import complain, moment, plain, print_json

if TYPE_CHECKING:
    from ..access_policies.snapshot import Snapshot
    from ..adoption.observed import Observation
    from .desk import Desk


def observed(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; a day or a time with its zone.")] = None,
    as_json: AsJson = False,
) -> None:
    """What would have been refused while observing, by count, each with the line to paste.

    That you looked becomes an entry of each trail.
    """
    desk: Desk = ctx.obj
    start = _instant(since)
    _, trail = desk.engines
    trouble = desk.sequence()
    tenants = [*desk.tenant_ids(), PLATFORM]
    with desk.transaction() as connection:
        for one in tenants:
            desk.note(connection, one, act="observed.list")
    found = gather(trail, tenants, start)
    policies = _policies(desk, {one.tenant for one in found} - {PLATFORM})
    if as_json:
        print_json([_for_machines(one, line(one, policies.get(one.tenant))) for one in found])
    else:
        _tell(desk, [(one, line(one, policies.get(one.tenant))) for one in found])
    if trouble is not None:
        complain(trouble, desk.language)


def _instant(said: str | None) -> int | None:
    """µs since the epoch; a day or a time without zone is taken in UTC."""
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(detail=N_("a point in time is written like 2026-12-31T17:00+07:00")) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _policies(desk: Desk, tenants: set[str]) -> dict[str, Snapshot]:
    """The policies by which missing grants are found; a guard's, because the columns' categories are in it."""
    if not desk.guard_name:
        return {}
    guard = desk.guard
    return {one: guard.policies.snapshot(one, guard.versions.current_now(one).version) for one in sorted(tenants)}


def _for_machines(one: Observation, proposal: str) -> dict[str, object]:
    values = asdict(one) | {"line": proposal}
    for name in ("first", "last"):
        values[name] = moment(values[name]).isoformat()
    return values


def _tell(desk: Desk, found: list[tuple[Observation, str]]) -> None:
    for one, proposal in found:
        head = plain(f"{one.count:>7}  {one.code}", "bold")
        where = "  ".join(part for part in (one.tenant, one.route, one.about, one.facts.get("place")) if part)
        desk.out.print(head.append_text(plain(f"  {where}", "not bold")), soft_wrap=True)
        who = [f"{desk.text(N_('Purpose'))}: {one.purpose}"] if one.purpose else []
        who += [f"{desk.text(N_('Roles'))}: {', '.join(one.roles)}"] if one.roles else []
        if who:
            desk.out.print(plain(f"         {'  '.join(who)}"), soft_wrap=True)
        if proposal:
            desk.out.print(plain(f"         → {proposal}", "green"), soft_wrap=True)
    if found:
        total = sum(one.count for one, _ in found)
        desk.say(N_("{kinds} kinds of refusals, {count} in all."), kinds=len(found), count=total)
    else:
        desk.say(N_("Nothing would have been refused."))
