"""``amanah revision``: write the next step of sealing, or the second wall, into the application's own migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..adoption.revision import due
from ..adoption.revision_file import Place, write
from ..adoption.row_security import walls_due
from ..i18n import N_
from .places import reaching

if TYPE_CHECKING:
    from .desk import Desk

Step: TypeAlias = Literal["add", "read", "release", "drop", "walls"]

_NEXT = {
    "add": N_('Next: migrate, deploy sealing="write_both", and run: amanah encrypt'),
    "read": N_('Next: migrate, and deploy sealing="read_sealed"'),
    "release": N_('Next: migrate, and deploy sealing="sealed_only"'),
    "drop": N_("Next: migrate, once no process of an older version is left"),
}


def revision(
    ctx: typer.Context,
    step: Annotated[Step, typer.Argument(help="add, read, release, drop; or walls.")],
    columns: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE|TABLE.COLUMN]…", help="Default: all that are due."),
    ] = None,
    alembic: Annotated[Path, typer.Option(help="The configuration of your own Alembic.")] = Path("alembic.ini"),
    section: Annotated[str, typer.Option(help="Its section in that file.")] = "alembic",
    message: Annotated[str | None, typer.Option("--message", "-m", help="What the migration is called.")] = None,
    head: Annotated[str, typer.Option(help="After which revision; a branch is written as branch@head.")] = "head",
    splice: Annotated[bool, typer.Option("--splice", help="Let it stand after a revision that is no head.")] = False,
    branch_label: Annotated[str | None, typer.Option(help="Begin a branch of that name.")] = None,
    version_path: Annotated[str | None, typer.Option(help="The folder, where there are several.")] = None,
) -> None:
    """Write a migration for the next step of columns that are declared with sealing=, into your own Alembic's folder.

    Or, as walls, for row-level security of PostgreSQL on tables that have none, or another than declared.

    It is written for the database as it is now: let the migrations before it run first.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    place = Place(alembic, section, head, splice, branch_label, version_path)
    if step == "walls":
        with reaching(guard.engine.url):
            walls = walls_due(guard, columns or ())
        desk.say(N_("Written: {path}"), path=write(place, walls, message or "row-level security"))
        for wall in walls:
            desk.say("{step}: {table}", step="enable_row_security", table=wall.table)
        desk.say(N_("Next: migrate, and run: amanah doctor --production"))
        return
    with reaching(guard.engine.url):
        steps = due(guard, step, columns or ())
    name = message or f"seal {', '.join(one.table for one in steps)}: {step}"
    path = write(place, steps, name)
    desk.say(N_("Written: {path}"), path=path)
    for one in steps:
        desk.say("{step}: {columns}", step=one.names[0], columns=", ".join(f"{one.table}.{c}" for c in one.columns))
    desk.say(_NEXT[step])
