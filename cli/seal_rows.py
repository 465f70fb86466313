"""``amanah seal-rows``: seal the rows of tables that were declared with row seals when they had rows already."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.row_sealing import accept_row, sealed_tables
from ..adoption.row_sealing import seal_rows as seal
from ..adoption.sealing_work import BATCH
from ..i18n import N_
from .encrypt import watching
from .options import WRONG, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from ..adoption.row_sealing import RowsResult
    from .desk import Desk


def seal_rows(
    ctx: typer.Context,
    tables: Annotated[list[str] | None, typer.Argument(metavar="[TABLE]…", help="Default: all declared so.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only the rows of this tenant.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Seal rows without a seal although others of the table have one.")
    ] = False,
    accept: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="Seal this one row as it now is, though its seal does not hold."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=20_000, help="Rows per transaction.")] = BATCH,
    as_json: AsJson = False,
) -> None:
    """Seal the rows that have no seal yet, as they are. Nobody must write to the tables without seals meanwhile.

    Killed, it is run again and goes on, with --again. Each tenant's trail says that it was done.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    found = sealed_tables(guard, tables or ())
    desk.tenant_ids() if tenant is None else desk.known(tenant)  # also: the database is there, and migrated
    if accept is not None:
        if tenant is None or len(found) != 1:
            raise typer.BadParameter("name the tenant and one table", param_hint="--accept")
        if not accept_row(guard, found[0], accept, operator=desk.operator, tenant=tenant):
            desk.say(N_("There is no such row."))
            raise typer.Exit(WRONG)
        desk.say(N_("{table}: the row {row} is sealed as it now is."), table=found[0].table.name, row=accept)
        return
    with watching(desk) as bar:
        done = seal(guard, found, operator=desk.operator, tenant=tenant, again=again, batch=batch, progress=bar)
    if as_json:
        print_json([asdict(one) for one in done])
    else:
        for one in done:
            _tell(desk, one)
    if not all(one.whole for one in done):
        raise typer.Exit(WRONG)


def _tell(desk: Desk, one: RowsResult) -> None:
    desk.say(N_("{table}: {done} rows sealed."), table=one.table, done=one.done)
    for owner, count in sorted(one.without_keys.items()):
        desk.say(N_("  {count} belong to {tenant}, which is no tenant here or has no keys."), count=count, tenant=owner)
    for tenant, row in one.broken:
        desk.say(
            N_("  Not sealed, because a value is not of its column's kind: {tenant}  {row}"), tenant=tenant, row=row
        )


__all__ = ["seal_rows"]
