"""``amanah encrypt``: seal what is stored plain already, and prove that nothing is missing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..adoption.sealing import backfill
from ..adoption.sealing_targets import chosen
from ..adoption.sealing_verified import Verified, verify
from ..adoption.sealing_work import BATCH, Result
from ..i18n import N_
from .options import WRONG, AsJson
from .terminal import console, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .desk import Desk

_NAMED = 20
"""So many rows are named on the terminal; --json names all."""


def encrypt(
    ctx: typer.Context,
    columns: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE|TABLE.COLUMN]…", help="Default: all that are declared so."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only the rows of this tenant.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=20_000, help="Rows per transaction.")] = BATCH,
    check: Annotated[
        bool, typer.Option("--verify", help="Seal nothing; open every sealed value and compare it with the plain one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Seal what is stored plain in columns that are declared with sealing="write_both", while the application runs.

    Killed, it is run again and goes on. Each tenant's trail says that it was done.
    """
    desk: Desk = ctx.obj
    guard = desk.guard
    fields = chosen(guard, columns or (), ("write_both", "read_sealed") if check else ("write_both",))
    desk.tenant_ids() if tenant is None else desk.known(tenant)  # also: the database is there, and migrated
    with watching(desk) as bar:
        work: dict[str, Any] = {"operator": desk.operator, "tenant": tenant, "batch": batch, "progress": bar}
        found: Sequence[Result | Verified] = verify(guard, fields, **work) if check else backfill(guard, fields, **work)
    if as_json:
        print_json([_for_machines(one) for one in found])
    else:
        for one in found:
            tell_result(desk, one) if isinstance(one, Result) else _tell_verified(desk, one)
    if not all(one.whole for one in found):
        raise typer.Exit(WRONG)


def _for_machines(one: Result | Verified) -> dict[str, Any]:
    return {
        name: [{"tenant": tenant, "row": row} for tenant, row in value] if isinstance(value, list) else value
        for name, value in asdict(one).items()
    }


class _Bar:
    """A bar on the terminal."""

    def __init__(self, shown: Progress, label: str) -> None:
        self._shown = shown
        self._task = shown.add_task(label, total=None, rate="")

    def expect(self, rows: int) -> None:
        """So many rows are to be done."""
        self._shown.update(self._task, total=rows)

    def advance(self, rows: int) -> None:
        """So many more are done."""
        self._shown.update(self._task, advance=rows)
        speed = self._shown.tasks[0].speed
        if speed:
            self._shown.update(self._task, rate=f"{speed:,.0f}/s")


@contextmanager
def watching(desk: Desk) -> Iterator[_Bar]:
    """A bar with rate and time left, on stderr; nothing where that is no terminal."""
    out = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as shown:
        yield _Bar(shown, desk.text(N_("Rows")))


def tell_result(desk: Desk, one: Result) -> None:
    """What was done in one column, what is left, and why."""
    name = f"{one.table}.{one.column}"
    desk.say(N_("{column}: {done} done, {left} left."), column=name, done=one.done, left=one.left)
    tell_without_keys(desk, one.without_keys)
    if one.refused:
        desk.say(
            N_("  {count} could not be taken over, because the value is not of its column's kind:"),
            count=len(one.refused),
        )
        name_rows(desk, one.refused)
    if one.left > len(one.refused) + sum(one.without_keys.values()):
        desk.say(N_("  Some rows were held or written by others meanwhile. Run this again."))


def _tell_verified(desk: Desk, one: Verified) -> None:
    name = f"{one.table}.{one.column}"
    desk.say(
        N_("{column}: {checked} checked, {missing} missing, {differing} differing."),
        column=name,
        checked=one.checked,
        missing=len(one.missing),
        differing=len(one.differing),
    )
    tell_without_keys(desk, one.without_keys)
    if one.missing:
        desk.say(N_("  These have a value and are not sealed:"))
        name_rows(desk, one.missing)
    if one.differing:
        desk.say(N_("  What is sealed in these does not open, or is not the plain value, or its search token is not:"))
        name_rows(desk, one.differing)


def tell_without_keys(desk: Desk, without: Mapping[str, int]) -> None:
    """Whose values have no keys here."""
    for owner, count in sorted(without.items()):
        if owner:
            desk.say(
                N_("  {count} belong to {tenant}, which is no tenant here or has no keys."), count=count, tenant=owner
            )
        else:
            desk.say(N_("  {count} belong to no tenant at all."), count=count)


def name_rows(desk: Desk, rows: Iterable[tuple[str, str]]) -> None:
    """The first of them, each by its tenant and key."""
    listed = list(rows)
    for tenant, row in listed[:_NAMED]:
        desk.say("    {tenant}  {row}", tenant=tenant, row=row)
    if len(listed) > _NAMED:
        desk.say(N_("    and {count} more; --json names all"), count=len(listed) - _NAMED)


__all__ = ["encrypt", "name_rows", "tell_result", "tell_without_keys", "watching"]
