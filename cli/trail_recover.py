"""``amanah audit recover``: the database went back behind what was published; what is lost, and going on from there."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated

import typer

from ..audit.entries import Entry, new_event_id, now_us
from ..audit.log import find
from ..audit.outside import chosen
from ..audit.recover import accept, look
from ..audit.staging import stage
from ..database import PLATFORM
from ..encryption.netstrings import netstring
from ..errors import AmanahError, ConfigurationError, InvalidInput
from ..i18n import N_
from .options import WRONG
from .terminal import complain, plain
from .watching import counting

if TYPE_CHECKING:
    from ..audit.recover import Outlook
    from .desk import Desk


def recover(
    ctx: typer.Context,
    accepted: Annotated[
        bool, typer.Option("--accept", help="Record the loss, and let the trails go on from what is there.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why the database went back; sealed, in the entry.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Tell what was lost when the database went back (exit code 1); with --accept, sign that and go on.

    The loss stays visible for ever: in an entry of each trail, in a signed statement, and in each verification.
    """
    desk: Desk = ctx.obj
    core, trail = desk.engines
    outside = chosen(desk.settings.checkpoint_places)
    if outside is None:
        raise ConfigurationError(detail=N_("no checkpoints are kept outside the database (AMANAH_CHECKPOINTS)"))
    outlook = look(trail, desk.signer.verifier, outside)
    if outlook is None:
        desk.say(N_("The database did not go back: it knows every checkpoint that is kept outside."))
        return
    _tell(desk, outlook)
    if not accepted:
        desk.say(N_("Bring back a newer backup, if there is one. Else: amanah audit recover --accept --reason …"))
        raise typer.Exit(WRONG)
    if not reason.strip():
        raise InvalidInput(detail=N_("--accept needs a --reason"))
    _ = desk.guard  # its keys seal the reason
    if not yes and not typer.confirm(desk.text(N_("Are these entries lost for good, and shall the trails go on?"))):
        raise typer.Exit(WRONG)
    _stage(desk, outlook, reason.strip())
    with counting(desk, N_("Entries")) as progress:
        made = accept(core, trail, desk.signer, outside, outlook, progress)
    desk.say(N_("Recorded with checkpoint {number}. The trails go on."), number=made.number)
    trouble = desk.sequence()
    if trouble is not None:
        complain(trouble, desk.language)


def _tell(desk: Desk, outlook: Outlook) -> None:
    if outlook.after:
        said = N_("The last checkpoint that the database and the outside have in common: {number}, of {time}.")
        desk.say(said, number=outlook.after, time=desk.when(outlook.after_at))
    else:
        desk.say(N_("The database and the outside have no checkpoint in common."))
    said = N_("The newest outside: {number}, of {time}.")
    desk.say(said, number=outlook.until, time=desk.when(outlook.until_at))
    titles = (N_("Tenant"), N_("In common"), N_("Here now"), N_("Published"), N_("Lost"), N_("Lost since"))
    rows = (
        (
            one.lost.tenant,
            one.lost.kept,
            one.lost.size,
            one.lost.lost,
            plain(str(one.lost.lost - one.lost.kept), "bold red" if one.since else ""),
            desk.when(one.since or None),
        )
        for one in outlook.tenants
    )
    desk.table(titles, rows)


def _stage(desk: Desk, outlook: Outlook, reason: str) -> None:
    """An entry for each trail that lost something, and the platform's. Done again it is the same entry."""
    core, trail = desk.engines
    lost = {one.lost.tenant: one.lost for one in outlook.tenants}
    for tenant in sorted({*lost, PLATFORM}):
        one = lost.get(tenant)
        event = sha256(f"recovery {outlook.number} {outlook.after} {outlook.until} {tenant}".encode()).hexdigest()[:32]
        if find(trail, event, tenant=tenant, core_engine=core) is not None:
            continue
        detail: dict[str, str | int] = {
            "act": "trail.recovered",
            "checkpoint": outlook.number,
            "after": outlook.after,
            "until": outlook.until,
        }
        if one is not None:
            detail |= {"kept": one.kept, "size": one.size, "lost": one.lost}
        entry = Entry(
            id=event,
            at=now_us(),
            tenant=tenant,
            access=new_event_id(),
            kind="admin",
            actor=desk.operator,
            actor_kind="operator",
            outcome="committed",
            detail=detail,
            sealed=_sealed(desk, tenant, event, reason),
        )
        with desk.transaction() as connection:
            stage(connection, [entry])


def _sealed(desk: Desk, tenant: str, event: str, reason: str) -> dict[str, str]:
    """The reason under the tenant's key; nothing where the restore took that too: the platform's entry has it."""
    place = netstring(b"trail.reason") + netstring(event.encode())
    try:
        envelope = desk.guard.keyring.cipher(tenant).seal("trail.reason", place, reason.encode())
    except AmanahError:
        if tenant == PLATFORM:
            raise
        return {}
    return {"reason": base64.b64encode(envelope).decode("ascii")}
