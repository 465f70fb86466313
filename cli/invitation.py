"""The link by which a member gets into the console for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ..i18n import N_

if TYPE_CHECKING:
    from .desk import Desk


def invite(desk: Desk, tenant_id: str, member_id: str, console: str) -> None:
    """Print the link by which a member sets a password for the console. It is shown once and kept nowhere."""
    from ..console import invite as make_link

    with desk.transaction() as connection:
        path = make_link(desk.guard, connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.invite", member=member_id)
    desk.say(N_("To set a password for the console they open this link, once and within 72 hours:"))
    if not console:
        desk.say(N_("(put the address of the console before it, or give it with --console)"))
    typer.echo(f"{console.rstrip('/')}{path}")
