"""A bar for work of which it is known how much it is."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .desk import Desk


@contextmanager
def counting(desk: Desk, label: str) -> Iterator[Callable[[int, int], None]]:
    """A function that is told how many of how many are done; a bar on stderr, nothing where that is no terminal."""
    out = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as shown:
        task = shown.add_task(desk.text(label), total=None, rate="")

        def told(done: int, of: int) -> None:
            speed = shown.tasks[0].speed
            shown.update(task, completed=done, total=of, rate=f"{speed:,.0f}/s" if speed else "")

        yield told
