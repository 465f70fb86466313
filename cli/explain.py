"""``amanah explain``: one decision, and what decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.observed import OUTCOME
from ..audit.log import find
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.explain import discreet, policy_words, refusal_words, summary
from .terminal import plain

if TYPE_CHECKING:
    from .desk import Desk


def explain(ctx: typer.Context, entry_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """What a refusal (or any other entry of the trail) was about, and which rule or grant decides it."""
    desk: Desk = ctx.obj
    guard = desk.guard
    core, trail = desk.engines
    found = find(trail, entry_id.strip().lower(), core_engine=core)
    if found is None:
        raise InvalidInput(detail=N_("there is no entry with this id"))
    entry = found.entry
    with desk.transaction() as connection:
        desk.note(connection, entry.tenant, act="explain", entry=entry.id)
    if entry.outcome == OUTCOME:
        desk.say(N_("Nothing was stopped: Amanah only observes this. Once it enforces, the answer is:"))
    for line in refusal_words(entry, guard.routes.routes, desk.language) or ():
        desk.say(line) if line else None
    facts = (
        (N_("Time"), desk.when(entry.at)),
        (N_("Tenant"), entry.tenant),
        (N_("Actor"), f"{discreet(entry.actor or '-')} ({entry.actor_kind})"),
        (N_("Roles"), ", ".join(entry.roles)),
        (N_("Purpose"), entry.purpose and entry.purpose + (desk.text(N_(" (inferred)")) if entry.inferred else "")),
        (N_("Route"), entry.route),
        (N_("What"), summary(entry) if entry.what or entry.detail else ""),
        (N_("Outcome"), " ".join(filter(None, (entry.outcome, entry.refusal, str(entry.status or ""))))),
    )
    desk.table((N_("Fact"), ""), ((plain(desk.text(name), "bold"), value) for name, value in facts if value))
    if entry.tenant in desk.tenant_ids():
        snapshot = guard.policies.snapshot(entry.tenant, guard.versions.current_now(entry.tenant).version)
        for line in policy_words(entry, snapshot, guard.register, desk.language):
            desk.out.print(plain(line), soft_wrap=True)
