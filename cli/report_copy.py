"""``amanah report-copy``: a masked copy of one tenant's data, for tools that read a database by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..adoption.report_copy import ACTOR, PURPOSE, REASON, SCHEMA, Order, report_copy
from ..adoption.report_copy_plan import REASONS
from ..i18n import N_
from .options import AsJson  # noqa: TC001 - typer reads annotations when it runs
from .places import usable
from .terminal import complain, console, print_json

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..adoption.report_copy import Copied
    from ..adoption.report_copy_plan import TablePlan
    from .desk import Desk


def copy_for_reports(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option(help="The tenant's id.")],
    to: Annotated[
        str, typer.Option(envvar="AMANAH_COPY_TO", metavar="URL", help="A SQLite file or a PostgreSQL database.")
    ],
    schema: Annotated[str, typer.Option(help="The copy's schema in a PostgreSQL database.")] = SCHEMA,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.COLUMN", help="Not masked, where the policy allows it; may be repeated."),
    ] = None,
    actor: Annotated[str, typer.Option(help="The service account whose grants decide.")] = ACTOR,
    purpose: Annotated[str, typer.Option(help="Key or alias of the purpose.")] = PURPOSE,
    reason: Annotated[str, typer.Option(help="Why, for the trail.")] = REASON,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be copied; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy one tenant's tables, masked, to another database. An older copy is replaced whole, or not at all.

    The policy decides what the service account sees; what it sees in clear is masked, too, unless named with --clear.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    order = Order(
        tenant=desk.known(tenant),
        to=usable(to),
        tables=frozenset(table or ()),
        clear=frozenset(clear or ()),
        actor=actor,
        purpose=purpose,
        reason=reason,
        schema=schema,
    )
    with desk.transaction() as connection:
        desk.note(connection, order.tenant, act="report-copy", account=actor, purpose=purpose, dry_run=dry_run)
    with _progress(shown=not as_json) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        done = report_copy(guard, order, dry_run=dry_run, progress=advance)
    trouble = desk.sequence()
    if as_json:
        print_json(_for_machines(done))
    else:
        _tell(desk, done)
    if trouble is not None:
        complain(trouble, desk.language)


def _progress(*, shown: bool) -> Progress:
    """A bar for each table, on the terminal of whoever waits; nothing for cron."""
    out = console(stderr=True)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    return Progress(*columns, console=out, disable=not (shown and out.is_terminal), transient=True)


def _tell(desk: Desk, done: Copied) -> None:
    titles = [N_("Table"), N_("Rows"), N_("In clear"), N_("Masked"), N_("Withheld")]
    desk.table(titles, [_row(one, done) for one in done.plan.tables])
    for name, why in done.plan.left_out.items():
        desk.say(N_("{table} is left out: {reason}."), table=name, reason=desk.text(REASONS[why]))
    for one in done.plan.tables:
        for column in one.doubtful:
            desk.say(
                N_("{column} is withheld: it looks personal or secret, and is not declared."),
                column=f"{one.table.name}.{column}",
            )
    said = N_("This would be copied to {place}.") if done.rows is None else N_("Copied to {place}, as of {when}.")
    desk.say(said, place=done.place, when=desk.when(done.as_of))


def _row(one: TablePlan, done: Copied) -> list[object]:
    rows = None if done.rows is None else done.rows[one.table.name]
    return [one.table.name, rows, *(", ".join(one.named(seen)) for seen in ("clear", "masked", "withheld"))]


def _for_machines(done: Copied) -> dict[str, object]:
    return {
        "place": done.place,
        "as_of": done.as_of.isoformat(),
        "written": done.rows is not None,
        "tables": [
            {
                "table": one.table.name,
                "rows": None if done.rows is None else done.rows[one.table.name],
                "columns": {column.column.name: column.seen for column in one.columns},
                "doubtful": list(one.doubtful),
            }
            for one in done.plan.tables
        ],
        "left_out": dict(done.plan.left_out),
    }
