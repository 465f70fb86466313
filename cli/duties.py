"""``amanah duty``: who may hold which roles together, and which roles want a second person or factor."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..i18n import N_
from ..tenants.duties import Duty
from .options import TYPER, AsJson, TenantId
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk

commands = typer.Typer(help="Separation of duties: who may hold which roles together.", **TYPER)

_Role = Annotated[str, typer.Argument(metavar="ROLE")]
_Excludes = Annotated[str, typer.Option(metavar="ROLE", help="Nobody holds both.")]
_Requires = Annotated[str, typer.Option(metavar="ROLE", help="Only who holds that one for as long.")]
_AtMost = Annotated[int, typer.Option(metavar="N", help="At most so many members.", min=0)]
_TwoPeople = Annotated[bool, typer.Option(help="A grant waits until a second person approves it.")]
_SecondFactor = Annotated[bool, typer.Option(help="It counts only for who signed in with a second factor.")]


def _said(role: str, excludes: str, requires: str, at_most: int, *, two_people: bool, second_factor: bool) -> Duty:
    given = [
        *([Duty(role, "excludes", excludes)] if excludes else []),
        *([Duty(role, "requires", requires)] if requires else []),
        *([Duty(role, "at_most", number=at_most)] if at_most else []),
        *([Duty(role, "two_people")] if two_people else []),
        *([Duty(role, "second_factor")] if second_factor else []),
    ]
    if len(given) != 1:
        raise typer.BadParameter("--excludes, --requires, --at-most, --two-people, --second-factor: one of them")
    return given[0]


@commands.command("add")
def _add(
    ctx: typer.Context,
    tenant_id: TenantId,
    role: _Role,
    excludes: _Excludes = "",
    requires: _Requires = "",
    at_most: _AtMost = 0,
    two_people: _TwoPeople = False,
    second_factor: _SecondFactor = False,
) -> None:
    """Let a duty hold from now on; refused where grants stand against it."""
    desk: Desk = ctx.obj
    duty = _said(role, excludes, requires, at_most, two_people=two_people, second_factor=second_factor)
    with desk.transaction() as connection:
        desk.guard.directory.add_duty(connection, desk.known(tenant_id), duty)
        desk.note(connection, tenant_id, act="duty.add", role=role, duty=_words(duty))
    desk.say(N_("From now on in {tenant}: {role} {duty}."), tenant=tenant_id, role=role, duty=_words(duty))
    desk.say_version(tenant_id)


@commands.command("remove")
def _remove(
    ctx: typer.Context,
    tenant_id: TenantId,
    role: _Role,
    excludes: _Excludes = "",
    requires: _Requires = "",
    at_most: _AtMost = 0,
    two_people: _TwoPeople = False,
    second_factor: _SecondFactor = False,
) -> None:
    """End a duty. Grants that wait for a second person go on waiting."""
    desk: Desk = ctx.obj
    duty = _said(role, excludes, requires, at_most, two_people=two_people, second_factor=second_factor)
    with desk.transaction() as connection:
        desk.guard.directory.remove_duty(connection, desk.known(tenant_id), duty)
        desk.note(connection, tenant_id, act="duty.remove", role=role, duty=_words(duty))
    desk.say(N_("No longer in {tenant}: {role} {duty}."), tenant=tenant_id, role=role, duty=_words(duty))
    desk.say_version(tenant_id)


@commands.command("list")
def _list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """A tenant's duties."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.duties(connection, desk.known(tenant_id))
    if as_json:
        print_json([asdict(one) for one in found])
        return
    desk.table((N_("Role"), N_("Duty")), ((one.role, _words(one)) for one in found))


def _words(duty: Duty) -> str:
    return " ".join([duty.kind.replace("_", "-"), *filter(None, [duty.other, str(duty.number or "")])])
