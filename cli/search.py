"""``amanah search``: what search columns give away."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.search_leaks import leaks
from ..database import PLATFORM
from ..i18n import N_
from .options import TYPER, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from ..adoption.search_leaks import Leak
    from .desk import Desk

commands = typer.Typer(help="What search columns give away.", **TYPER)


@commands.callback()
def _search() -> None:
    """Columns that are searched by keyed tokens."""


@commands.command("leaks")
def _leaks(
    ctx: typer.Context,
    columns: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE|TABLE.COLUMN]…", help="Default: all that are searchable.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only the rows of this tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate from live rows what each search column tells somebody who reads the database without any key.

    Tokens are counted and nothing is opened. That somebody looked is an entry of each tenant's trail, and of the
    platform's for columns that sign-in searches.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    owners = desk.tenant_ids() if tenant is None else [desk.known(tenant)]
    with guard.engine.begin() as connection:  # before anything is looked at
        for owner in [*owners, PLATFORM]:
            detail = {"act": "search.leaks", "columns": " ".join(columns or ())}
            guard.note_act(connection, owner, desk.operator, detail)
    found = leaks(guard, columns or (), tenant=tenant)
    if as_json:
        print_json([asdict(one) | {"telling": one.telling} for one in found])
        return
    titles = (
        *(N_("Column"), N_("Tenant"), N_("Rows"), N_("Values"), N_("Commonest"), N_("Unique")),
        *(N_("Bits"), N_("Of several tenants"), N_("Joins with"), N_("Remark")),
    )
    desk.table(titles, [_row(desk, one) for one in found])


def _row(desk: Desk, one: Leak) -> tuple[object, ...]:
    remark = desk.text(N_("frequencies tell")) if one.telling else ""
    across = one.shared if not one.tenant else ""
    owner = one.tenant or desk.text(N_("all"))
    share = f"{one.commonest:.1%}"
    return (
        one.column,
        owner,
        one.rows,
        one.distinct,
        share,
        one.unique,
        f"{one.entropy:.1f}",
        across,
        " ".join(one.joins),
        remark,
    )


__all__ = ["commands"]
