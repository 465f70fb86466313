"""``amanah audit verify``: the live trail, or a bundle of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from ..audit import offline
from ..audit.checkpoints import VerifierKey
from ..audit.outside import chosen
from ..audit.verified import Verified
from ..audit.verify import verify as verify_trail
from ..database import PLATFORM
from ..errors import BundleUnusable, InvalidInput
from ..i18n import N_
from .options import WRONG, AsJson
from .terminal import plain, print_json
from .watching import counting

if TYPE_CHECKING:
    from ..audit.report import Report, TenantReport
    from .desk import Desk


def verify(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Option("--tenant", help="Default: all.")] = None,
    key: Annotated[str | None, typer.Option(help="The verifier key (amanah audit key); default: the signer's.")] = None,
    checkpoints: Annotated[
        str | None, typer.Option(help="Folder (or s3://…) of checkpoints; default: the settings'.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many work side by side; default: one a processor.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Go on from where it was before, and note there how far it is.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="FILE", help="Verify this bundle, without a database.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --bundle: a record of a checkpoint that you kept.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the trail is what was recorded and signed, or name the first entry that is not (exit code 1).

    That you verified becomes an entry too, unless it is with --key or of a bundle.
    """
    desk: Desk = ctx.obj
    if bundle is not None:
        if resume or checkpoints or processes:
            raise InvalidInput(detail=N_("a bundle is verified with --key, --tenant and --checkpoint only"))
        _verify_bundle(desk, bundle, key or str(desk.signer.verifier), tenant_id, checkpoint, as_json=as_json)
        return
    if checkpoint is not None:
        raise InvalidInput(detail=N_("--checkpoint belongs to --bundle; --checkpoints names the place of all of them"))
    core, trail = desk.engines
    if key is None:
        verifier = desk.signer.verifier
        places: tuple[Path | str, ...] = (checkpoints,) if checkpoints else desk.settings.checkpoint_places
        desk.sequence()  # what stops it is what verification finds
    else:  # an auditor's: with somebody else's key and copies of the checkpoints nothing is written
        verifier, places = VerifierKey.parse(key), (checkpoints,) if checkpoints else ()
    state = Verified(resume, verifier, tenant_id) if resume is not None else None
    with counting(desk, N_("Entries")) as progress:
        report = verify_trail(
            core,
            trail,
            verifier,
            tenant_id,
            outside=chosen(places),
            resume=state.reached if state else None,
            after=state.after if state else 0,
            processes=processes,
            progress=progress,
            keep=state.keep if state else None,
        )
    if state is not None:
        state.done(report)
    if tenant_id and not any(one.entries or one.checkpoints or one.finding for one in report.tenants):
        desk.known(tenant_id, platform=True)
    if key is None:
        _note_verification(desk, tenant_id)
    if as_json:
        tenants = [_machine_readable(one) for one in report.tenants]
        print_json({"whole": report.whole, "entries": report.entries, **asdict(report), "tenants": tenants})
    else:
        _tell(desk, report)
    if not report.whole:
        raise typer.Exit(WRONG)


def _machine_readable(one: TenantReport) -> dict[str, object]:
    return {name: value for name, value in asdict(one).items() if name != "reached"}


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
    for one in report.tenants:
        for gap in one.gaps:
            tell_gap(desk, one.tenant, gap.kept, gap.lost, gap.at)
        if one.told:
            desk.out.print(
                plain(desk.text(_TOLD, tenant=one.tenant, count=one.told), "bold yellow"),
                soft_wrap=True,
            )
    if report.pending:
        desk.say(N_("{count} entries wait for their place in the log."), count=report.pending)
    if report.heartbeat_at:
        desk.say(N_("Last signed: {time}"), time=desk.when(report.heartbeat_at))
    done = N_("The trail is whole: {entries} entries verified.") if report.whole else N_("The trail does not verify.")
    desk.out.print(plain(desk.text(done, entries=report.entries), "green" if report.whole else "bold red"))


_TOLD = N_("{tenant}: {count} entries say that something was deleted or changed before it had its place in the log.")


def tell_gap(desk: Desk, tenant: str, kept: int, lost: int, at: int) -> None:
    """What was lost and recorded."""
    said = N_("{tenant}: entries {first} to {last} were lost when the database went back; recorded on {time}.")
    desk.say(said, tenant=tenant, first=kept, last=lost - 1, time=desk.when(at))


def _verify_bundle(
    desk: Desk, bundle: Path, key: str, tenant: str | None, checkpoint: Path | None, *, as_json: bool
) -> None:
    wrong = None
    done = None
    try:
        record = checkpoint.read_text("utf-8") if checkpoint else None
        with bundle.open("rb") as file, counting(desk, N_("Entries")) as progress:
            done = offline.verify(file, key, tenant=tenant, checkpoint=record, progress=progress)
    except offline.Wrong as found:
        wrong = found
    except (offline.Unusable, UnicodeDecodeError) as unusable:
        raise BundleUnusable(detail=str(unusable)) from None
    except OSError as error:
        raise BundleUnusable(detail=f"{error.filename}: {error.strerror}") from None
    if as_json:
        finding = wrong and {"kind": wrong.kind, "position": wrong.position, "last": wrong.last, "detail": wrong.detail}
        print_json({"whole": wrong is None, "finding": finding, **(asdict(done) if done else {})})
    elif done is not None:
        for gap in done.gaps:
            tell_gap(desk, done.tenant, gap.kept, gap.lost, gap.at)
        said = N_(
            "The bundle is whole: {entries} of {size} entries of {tenant}, signed on {time} (checkpoint {number})."
        )
        facts = {"entries": done.entries, "size": done.size, "tenant": done.tenant, "number": done.number}
        desk.out.print(plain(desk.text(said, time=desk.when(done.at), **facts), "green"), soft_wrap=True)
    else:
        desk.out.print(plain(desk.text(N_("The bundle does not verify.")), "bold red"))
        desk.out.print(plain(str(wrong), "bold red"), soft_wrap=True)
    if wrong is not None:
        raise typer.Exit(WRONG)
