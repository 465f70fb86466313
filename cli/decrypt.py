"""``amanah decrypt``: sealed columns are stored in plain again, when two people agree to it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..adoption.requests import look_up, requests_of, tenant_of
from ..adoption.two_people import TwoPeople
from ..audit.entries import now_us
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.explain import discreet
from .encrypt import tell_result, watching
from .options import TYPER, WRONG, AsJson
from .proving import As, Stdin, prove_member
from .terminal import plain, print_json

if TYPE_CHECKING:
    from ..adoption.requests import Request
    from .desk import Desk

commands = typer.Typer(help="Store sealed columns in plain again: one member asks, another one approves.", **TYPER)

RequestId = Annotated[str, typer.Argument(metavar="ID", help="The request's id.")]
_STATES: Final = {
    "waiting": N_("waits for approval"),
    "approved": N_("approved"),
    "expired": N_("expired"),
    "refused": N_("refused"),
    "withdrawn": N_("withdrawn"),
    "done": N_("done"),
    "forged": N_("not genuine"),
}


@commands.command("request")
def _request(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TABLE[.COLUMN]…", help="What to decrypt.")],
    member: As,
    reason: Annotated[str, typer.Option(help="Why; whoever approves it reads this.")],
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Whose rows: only this tenant's.")] = None,
    password_stdin: Stdin = False,
) -> None:
    """Ask for it, with the password of your console account. Prints the id of the request."""
    desk = _ready(ctx)
    whose = tenant or desk.guard.fixed_tenant
    if whose is None:
        raise InvalidInput(detail=N_("name the tenant: --tenant"))
    person = prove_member(desk, desk.known(whose), member, from_stdin=password_stdin)
    made = TwoPeople(desk.guard, operator=desk.operator).ask(person, names, reason)
    desk.say(
        N_("Asked for: {columns}. Another member approves it before {until} with: amanah decrypt approve ID"),
        **_facts(desk, made),
    )
    typer.echo(made.id)


@commands.command("approve")
def _approve(ctx: typer.Context, request_id: RequestId, member: As, password_stdin: Stdin = False) -> None:
    """Agree to what another member asked for. You are shown what it is first."""
    desk = _ready(ctx)
    person = prove_member(desk, tenant_of(desk.guard, request_id), member, from_stdin=password_stdin)
    asked = look_up(desk.guard, person.tenant, request_id).request
    desk.say(N_("{who} asks to store in plain: {columns}"), **_facts(desk, asked))
    desk.say(N_("Reason: {reason}"), reason=asked.reason)
    if not password_stdin and not typer.confirm(desk.text(N_("Approve this?"))):
        return
    made = TwoPeople(desk.guard, operator=desk.operator).approve(request_id, person)
    desk.say(N_("Approved. Carry it out before {until} with: amanah decrypt run {id}"), **_facts(desk, made))


@commands.command("refuse")
def _refuse(ctx: typer.Context, request_id: RequestId, member: As, password_stdin: Stdin = False) -> None:
    """Refuse a request, or withdraw your own; also one that is approved already."""
    desk = _ready(ctx)
    person = prove_member(desk, tenant_of(desk.guard, request_id), member, from_stdin=password_stdin)
    made = TwoPeople(desk.guard, operator=desk.operator).stop(request_id, person)
    desk.say(N_("The request is over: {state}."), state=desk.text(_STATES[made.ended]))


@commands.command("run")
def _run(ctx: typer.Context, request_id: RequestId) -> None:
    """Do what was asked and approved. After an interruption, run it again: it goes on where it was."""
    desk = _ready(ctx)
    with watching(desk) as bar:
        results = TwoPeople(desk.guard, operator=desk.operator).run(request_id, bar)
    for one in results:
        tell_result(desk, one)
    if not all(one.whole for one in results):
        raise typer.Exit(WRONG)
    desk.say(N_("Done. The sealed values are still there, and the application reads them until its next deployment."))


@commands.command("list")
def _list(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Requests and what became of them. A request that was changed behind Amanah's back is one that is not genuine."""
    desk = _ready(ctx)
    now = now_us()
    tenants = desk.tenant_ids() if tenant is None else [desk.known(tenant)]
    found = [(one, *each) for one in tenants for each in requests_of(desk.guard, one)]
    found.sort(key=lambda each: 0 if each[2] is None else each[2].asked_at)
    states = {(one, name): "forged" if made is None else made.state(now) for one, name, made in found}
    if as_json:
        print_json([_machine_readable(one, name, made, states[one, name]) for one, name, made in found])
    else:
        titles = (
            N_("Request"),
            N_("Tenant"),
            N_("State"),
            N_("Columns"),
            N_("Asked by"),
            N_("Approved by"),
            N_("Until"),
        )
        desk.table(titles, (_row(desk, one, name, made, states[one, name]) for one, name, made in found))
    if "forged" in states.values():
        raise typer.Exit(WRONG)


def _ready(ctx: typer.Context) -> Desk:
    desk: Desk = ctx.obj
    _ = desk.guard, desk.engines  # there and migrated
    return desk


def _facts(desk: Desk, made: Request) -> dict[str, str]:
    columns = ", ".join(made.columns)
    return {"id": made.id, "columns": columns, "who": discreet(made.asked_by), "until": desk.when(made.expires_at)}


def _row(desk: Desk, tenant: str, name: str, made: Request | None, state: str) -> tuple[object, ...]:
    told = plain(desk.text(_STATES[state]), "bold red" if made is None else "")
    if made is None:
        return name, tenant, told, "", "", "", ""
    people = (discreet(made.asked_by), discreet(made.approved_by))
    return name, tenant, told, ", ".join(made.columns), *people, desk.when(made.expires_at)


def _machine_readable(tenant: str, name: str, made: Request | None, state: str) -> dict[str, object]:
    if made is None:
        return {"id": name, "tenant": tenant, "state": state}
    return {**{key: value for key, value in asdict(made).items() if key != "reason"}, "state": state}
