"""``amanah subjects``: erase a person, see before what that does, repeat erasures after a restore."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..i18n import N_
from ..subjects.erase import erase as carry_out
from ..subjects.erase import plan_of
from ..subjects.merge import merge
from ..subjects.replay import replay
from .options import TYPER, WRONG, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from ..subjects.certificate import Certificate
    from ..subjects.plan import Line, Plan
    from .desk import Desk

commands = typer.Typer(help="Persons: erase them, and repeat erasures after a restore.", **TYPER)

_FATES: Final = {"erased": N_("erased"), "emptied": N_("emptied"), "held": N_("kept")}

Kind = Annotated[str, typer.Argument(metavar="KIND", help="What kind of person: patient, customer, …")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The person's key in the application.")]
Tenant = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose data it is.")]


@commands.command("erase")
def _erase(
    ctx: typer.Context,
    kind: Kind,
    subject: Id,
    tenant: Tenant = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the trail, sealed.")] = "",
    only_plan: Annotated[bool, typer.Option("--plan", help="Only show what it would do.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    certificate: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the signed certificate into this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Destroy the person's secret, so that what is sealed about them can never be read again, backups included.

    Shows what becomes of each column, and asks. What the law keeps is kept.
    """
    desk: Desk = ctx.obj
    _ = desk.guard, desk.engines  # there and migrated
    whose = desk.known(_whose(desk, tenant))
    made = plan_of(desk.guard, whose, kind, subject)
    if not as_json:
        _tell(desk, made)
    elif only_plan:
        print_json(asdict(made))
    if only_plan:
        return
    if not reason.strip():
        raise typer.BadParameter(desk.text(N_("say why: --reason")), param_hint="--reason")
    if not yes and not typer.confirm(desk.text(N_("Erase this person? It cannot be undone."))):
        raise typer.Abort
    done = carry_out(desk.guard, made, operator=desk.operator, reason=reason)
    if certificate is not None:
        certificate.write_text(done.signed(desk.guard.signer), encoding="utf-8")
    if as_json:
        print_json(_for_machines(done))
        return
    desk.say(N_("Erased. From {date} on no backup can bring it back."), date=done.dark_on.isoformat())
    if certificate is not None:
        desk.say(N_("The certificate is in {path}."), path=certificate)


@commands.command("replay-erasures")
def _replay(ctx: typer.Context, as_json: AsJson = False) -> None:
    """After a restore: repeat every erasure that the ledger names and this database does not know."""
    desk: Desk = ctx.obj
    _ = desk.guard, desk.engines
    found = list(replay(desk.guard, operator=desk.operator))
    if as_json:
        print_json([asdict(erasure) | {"done": done is not None} for erasure, done in found])
    for erasure, done in [] if as_json else found:
        facts = {"subject": f"{erasure.kind} {erasure.subject}", "tenant": erasure.tenant}
        if done is None:
            desk.say(N_("{subject} of {tenant}: that organisation is not in this database."), **facts)
        else:
            desk.say(N_("{subject} of {tenant}: erased again."), **facts)
    if not as_json:
        desk.say(N_("{count} erasures repeated."), count=sum(done is not None for _, done in found))
    if any(done is None for _, done in found):
        raise typer.Exit(WRONG)


@commands.command("merge")
def _merge(
    ctx: typer.Context,
    kind: Kind,
    subject: Id,
    into: Annotated[str, typer.Argument(metavar="INTO", help="The key that stays.")],
    tenant: Tenant = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the trail, sealed.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Two numbers are one person: what is about the first is sealed anew as being about the second."""
    desk: Desk = ctx.obj
    _ = desk.guard, desk.engines
    whose = desk.known(_whose(desk, tenant))
    if not reason.strip():
        raise typer.BadParameter(desk.text(N_("say why: --reason")), param_hint="--reason")
    question = desk.text(N_("Make {source} and {target} one person?"), source=subject, target=into)
    if not yes and not typer.confirm(question):
        raise typer.Abort
    moved = merge(desk.guard, whose, kind, subject, into, operator=desk.operator, reason=reason)
    for table, count in sorted(moved.items()):
        desk.say(N_("{table}: {count} rows moved."), table=table, count=count)
    desk.say(
        N_("The row of {source} itself is still there: delete it in the application, or erase it."), source=subject
    )


def _whose(desk: Desk, tenant: str | None) -> str:
    whose = tenant or desk.guard.fixed_tenant
    if whose is None:
        raise typer.BadParameter(desk.text(N_("name the tenant: --tenant")), param_hint="--tenant")
    return whose


def _tell(desk: Desk, made: Plan) -> None:
    """The plan, column by column."""
    if made.erased_at is not None:
        done = N_("This person was erased already, on {when}. What is left over would be done again.")
        desk.say(done, when=desk.when(made.erased_at))
    titles = (N_("Column"), N_("Category"), N_("Rows"), N_("What happens"))
    desk.table(titles, (_row(desk, line) for line in made.lines))


def _row(desk: Desk, line: Line) -> tuple[str, str, int, str]:
    what = desk.text(_FATES[line.fate])
    if line.fate == "held":
        what = desk.text(N_("kept {years} years: {law}"), years=line.years, law=line.law)
    elif line.searchable:
        what = desk.text(N_("{what}, not found by searches any more"), what=what)
    return line.field, line.category, line.rows, what


def _for_machines(done: Certificate) -> dict[str, Any]:
    return asdict(done) | {"at": done.at.isoformat(), "dark_on": done.dark_on.isoformat()}
