"""``amanah audit``: verify the trail, publish the key that verifies it. Reading it is next door, in ``trail_*``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..audit.checkpoints import VerifierKey
from ..audit.outside import chosen
from ..audit.verify import verify as verify_trail
from ..database import PLATFORM
from ..i18n import N_
from .options import TYPER, WRONG, AsJson
from .terminal import plain, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from ..audit.report import Report
    from .desk import Desk

commands = typer.Typer(help="The trail.", **TYPER)


@commands.command("verify")
def _verify(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Option("--tenant", help="Default: all.")] = None,
    key: Annotated[str | None, typer.Option(help="The verifier key (amanah audit key); default: the signer's.")] = None,
    checkpoints: Annotated[
        str | None, typer.Option(help="Folder (or s3://…) of checkpoints; default: the settings'.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the trail is what was recorded and signed, or name the first entry that is not (exit code 1).

    That you verified becomes an entry too, unless it is with --key.
    """
    desk: Desk = ctx.obj
    core, trail = desk.engines
    if key is None:
        verifier = desk.signer.verifier
        places: tuple[Path | str, ...] = (checkpoints,) if checkpoints else desk.settings.checkpoint_places
        desk.sequence()  # what stops it is what verification finds
    else:  # an auditor's: with somebody else's key and copies of the checkpoints nothing is written
        verifier, places = VerifierKey.parse(key), (checkpoints,) if checkpoints else ()
    report = verify_trail(core, trail, verifier, tenant_id, outside=chosen(places))
    if tenant_id and not any(one.entries or one.checkpoints or one.finding for one in report.tenants):
        desk.known(tenant_id, platform=True)
    if key is None:
        _note_verification(desk, tenant_id)
    if as_json:
        print_json({"whole": report.whole, "entries": report.entries, **asdict(report)})
    else:
        _tell(desk, report)
    if not report.whole:
        raise typer.Exit(WRONG)


def _note_verification(desk: Desk, tenant_id: str | None) -> None:
    """An entry of each tenant that was verified; of the platform's where the tenant is gone and its trail is left."""
    known = [*desk.tenant_ids(), PLATFORM]
    verified = known if tenant_id is None else [tenant_id if tenant_id in known else PLATFORM]
    with desk.transaction() as connection:
        for one in verified:
            desk.note(connection, one, act="trail.verify")


def _tell(desk: Desk, report: Report) -> None:
    titles = (N_("Tenant"), N_("Entries"), N_("Checkpoints"), N_("Signed up to"), N_("Result"))
    bad, good = plain(desk.text(N_("not whole")), "bold red"), plain(desk.text(N_("whole")), "green")
    rows = ((t.tenant, t.entries, t.checkpoints, t.signed, bad if t.finding else good) for t in report.tenants)
    desk.table(titles, rows)
    for finding in report.findings:
        desk.out.print(plain(str(finding), "bold red"), soft_wrap=True)
        if finding.event_id:
            desk.say(N_("The entry that stands there now: {id}"), id=finding.event_id)
    if report.pending:
        desk.say(N_("{count} entries wait for their place in the log."), count=report.pending)
    if report.heartbeat_at:
        desk.say(N_("Last signed: {time}"), time=desk.when(report.heartbeat_at))
    done = N_("The trail is whole: {entries} entries verified.") if report.whole else N_("The trail does not verify.")
    desk.out.print(plain(desk.text(done, entries=report.entries), "green" if report.whole else "bold red"))


@commands.command("key")
def _key(ctx: typer.Context) -> None:
    """The public key with which anybody can verify the trail. Publish it."""
    typer.echo(str(ctx.obj.signer.verifier))
