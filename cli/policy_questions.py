"""``amanah policy ask`` and ``what-if``: questions to the policy in force, and to one that is not yet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..access_policies import policy_files
from ..access_policies.draft import snapshot_of
from ..access_policies.names import askable
from ..audit.log import backwards
from ..database import time_of
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.explain import explanation_words, grant_words
from ..middleware.what_if import replay
from ..tenants.clock import from_us
from .options import WRONG, AsJson, PolicyFolder, Tenant
from .terminal import complain, plain, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from ..access_policies.draft import Answer
    from ..access_policies.snapshot import Snapshot
    from ..middleware.what_if import Change, Replay
    from .desk import Desk

_VERDICTS: Final = {"allow": N_("allowed"), "masked": N_("masked"), "deny": N_("denied")}
_COLOURS: Final = {"allow": "green", "masked": "yellow", "deny": "red"}


def ask(
    ctx: typer.Context,
    tenant: Tenant,
    obj: Annotated[str, typer.Argument(metavar="OBJECT", help="A resource (invoice) or a column (customer.phone).")],
    purpose: Annotated[str, typer.Option(metavar="PURPOSE", help="Its key or short name.")],
    action: Annotated[str, typer.Option(metavar="ACTION")] = "read",
    member: Annotated[
        str | None, typer.Option(metavar="MEMBER", help="With the roles that this member has now.")
    ] = None,
    roles: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="With these roles.")] = None,
    as_json: AsJson = False,
) -> None:
    """May somebody do this, and why: the deciding rule, or the nearest grant that is missing. Ends with 1 for a no."""
    desk: Desk = ctx.obj
    if (member is None) == (not roles):
        raise typer.BadParameter(desk.text(N_("name a member or roles: --member MEMBER or --role ROLE")))
    if not askable(obj):
        raise InvalidInput(detail=N_("a policy is asked about a resource or a column: invoice, customer.phone"))
    snapshot = _in_force(desk, tenant)
    known = snapshot.purpose(purpose)
    key = purpose if known is None else known.key
    with desk.engines[0].connect() as connection:
        now = time_of(connection)
        grants = desk.guard.directory.grants(connection, tenant)
    grants = [one for one in grants if one.member_id == member and not one.operator]
    held = frozenset(roles or ())
    if member is not None:
        held = desk.guard.directory.load(tenant).standing(member, now).roles
    found = snapshot.explain(held, obj, action, key)
    if as_json:
        told = asdict(found) | {"missing_grant": found.missing_grant, "missing_rule": found.missing_rule}
        print_json(told)
    else:
        verdict = "allow" if found.allow else "masked" if found.masked else "deny"
        desk.out.print(plain(desk.text(_VERDICTS[verdict]), _COLOURS[verdict]))
        for line in (
            *explanation_words(found, desk.language),
            *grant_words(found, grants, from_us(now), desk.language),
        ):
            desk.out.print(plain(line), soft_wrap=True)
    if not found.allow:
        raise typer.Exit(WRONG)


def what_if(
    ctx: typer.Context,
    tenant: Tenant,
    folder: PolicyFolder,
    last: Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="How many accesses, the newest.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """What the folder's policy would change in the trail's last accesses. Ends with 1 if there is anything.

    That you looked becomes an entry too.
    """
    desk: Desk = ctx.obj
    wanted = policy_files.read_folder(folder)
    known = desk.guard.policies.declared
    with desk.engines[0].connect() as connection:
        at = time_of(connection)
    draft = snapshot_of(wanted, known.fields, known.row_filters, fits=known.fits, now=at)
    now = _in_force(desk, tenant, at)
    trouble = desk.sequence()
    with desk.transaction() as connection:
        desk.note(connection, tenant, act="policy.what_if", last=last)
    logged = backwards(desk.engines[1], tenant)
    found = replay((one.entry for one in logged), now, draft, desk.guard.register, last)
    if as_json:
        print_json(_for_machines(now, found))
    else:
        _tell(desk, now, found)
    if trouble is not None:
        complain(trouble, desk.language)
    if found:
        raise typer.Exit(WRONG)


def _in_force(desk: Desk, tenant: str, at: int | None = None) -> Snapshot:
    """The policy of this moment, or of ``at``, in µs since the epoch."""
    guard = desk.guard
    return guard.policies.snapshot(desk.known(tenant), guard.versions.current_now(tenant).version, at)


def _for_machines(now: Snapshot, found: Replay) -> dict[str, object]:
    changes = [
        {
            "roles": sorted(question.roles),
            "action": question.action,
            "object": question.object,
            "purpose": question.purpose,
            "now": asdict(one.difference.now),
            "draft": asdict(one.difference.draft),
            "accesses": one.accesses,
            "actors": one.actors,
            "last": datetime.fromtimestamp(one.last / 1_000_000, UTC).isoformat(),
            "example": one.example,
        }
        for one in found.changes
        for question in [one.difference.question]
    ]
    bases = [asdict(one) for one in found.bases]
    counts = {"accesses": found.accesses, "skipped": found.skipped}
    return {"version": now.version, **counts, "changes": changes, "consent": bases}


def _tell(desk: Desk, now: Snapshot, found: Replay) -> None:
    if found.changes:
        titles = (
            N_("Roles"), N_("Action"), N_("Object"), N_("Purpose"), N_("Now"), N_("Draft"), N_("Accesses"),
            N_("Actors"), N_("Last"), N_("Example"),
        )  # fmt: skip
        desk.table(titles, (_row(desk, one) for one in found.changes))
    desk.say(
        N_("Replayed against version {version}: {accesses} accesses. Answers that would change: {changes}."),
        accesses=found.accesses,
        version=now.version,
        changes=len(found.changes),
    )
    for one in found.bases:
        told = N_(
            "For {purpose} rows would be met of all persons, consent or none. Of these accesses for it: {accesses}."
        )
        if one.draft:
            told = N_(
                "For {purpose} only rows would be met of those who consented. Of these accesses for it: {accesses}."
            )
        desk.say(told, purpose=one.purpose, accesses=one.accesses)
    if found.skipped:
        desk.say(
            N_("Not replayed, because they ended before roles and purpose were known: {skipped} accesses."),
            skipped=found.skipped,
        )


def _row(desk: Desk, one: Change) -> tuple[object, ...]:
    question = one.difference.question
    return (
        ", ".join(sorted(question.roles)), question.action, question.object, question.purpose,
        _verdict(desk, one.difference.now), _verdict(desk, one.difference.draft),
        one.accesses, one.actors, desk.when(one.last), one.example,
    )  # fmt: skip


def _verdict(desk: Desk, found: Answer) -> Text:
    """``allowed``, and of which rows where it is not all of them; ``masked``, and how where a rule says it."""
    told = [desk.text(_VERDICTS[found.verdict]) + (f" ({found.mask})" if found.mask else "")]
    if found.rows.allowed is not None:
        told.append(desk.text(N_("rows: {filters}"), filters=", ".join(found.rows.allowed)))
    if found.rows.denied:
        told.append(desk.text(N_("but not: {filters}"), filters=", ".join(found.rows.denied)))
    return plain("; ".join(told), _COLOURS[found.verdict])
