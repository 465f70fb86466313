"""At the terminal a member proves who they are, by the password of their console account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ..console.proof import Proven, prove
from ..i18n import N_
from ..middleware.explain import discreet

if TYPE_CHECKING:
    from .desk import Desk

As = Annotated[str, typer.Option("--as", metavar="MEMBER", help="Who you are: a member of the tenant.")]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


def prove_member(desk: Desk, tenant: str, member: str, *, from_stdin: bool) -> Proven:
    """Ask for the password, without echo. Raises `PasswordWrong` and `AttemptsTooMany`."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = typer.prompt(desk.text(N_("Password of {member}"), member=discreet(member)), hide_input=True)
    return prove(desk.guard, tenant, member, password)
