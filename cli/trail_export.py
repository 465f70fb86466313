"""``amanah audit export``: entries for other programs."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..audit.export import Format, lines
from ..audit.queries import end_of
from ..audit.search import Search
from ..errors import InvalidInput
from ..i18n import N_
from .terminal import complain, console
from .trail_filters import TenantOption, asked_address, filter_of, filtered, noted, tenant_of, with_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from ..audit.search import Found
    from .desk import Desk


@filtered
def _export(
    ctx: typer.Context,
    given: dict[str, Any],
    tenant: TenantOption = None,
    form: Annotated[str, typer.Option("--format", help="csv, jsonl or ocsf (class 6005).")] = "jsonl",
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="A new file; default: stdout.")
    ] = None,
) -> None:
    """All entries that match the filters, the oldest first. What is sealed stays sealed. It becomes an entry too.

    csv: a line for each thing that was touched. jsonl: the entries as they were recorded. ocsf: events of the Open
    Cybersecurity Schema Framework, one in a line.
    """
    desk: Desk = ctx.obj
    if form not in get_args(Format):
        raise InvalidInput(detail=N_("the formats are csv, jsonl and ocsf"))
    wanted, value = filter_of(given), asked_address(desk, given)
    whose = tenant_of(desk, tenant)
    trouble = desk.sequence()
    with _target(to) as target:
        names = [*wanted.names(), *(["ip"] if value is not None else [])]
        noted(desk, whose, "audit.export", names, format=form)
        wanted = with_address(desk, whose, wanted, value)
        with desk.engines[1].connect() as connection:
            search = Search(connection, whose, wanted)
            high = connection.scalar(end_of(whose)) or 0  # what comes while it runs is not in it
            counted = _Counted(search.stream(high=high))
            with _watched(desk, counted, search.expected(high)) as found:
                for line in lines(form, found):  # type: ignore[arg-type]
                    target.write(line)
    if to is not None:
        desk.say(N_("{count} entries."), count=f"{counted.count:,}")
    if trouble is not None:
        complain(trouble, desk.language)


class _Counted:
    """Entries on their way, and how many there were."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._found = found
        self.count = 0

    def __iter__(self) -> Iterator[Found]:
        for one in self._found:
            self.count += 1
            yield one


@contextmanager
def _watched(desk: Desk, counted: _Counted, expected: int | None) -> Iterator[Iterator[Found]]:
    """The same with a bar on stderr; none where that is no terminal."""
    out = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as shown:
        task = shown.add_task(desk.text(N_("Entries")), total=expected)

        def watched() -> Iterator[Found]:
            for one in counted:
                yield one
                if counted.count % 100 == 0:
                    shown.update(task, completed=counted.count)

        yield watched()


@contextmanager
def _target(to: Path | None) -> Iterator[TextIO]:
    """Where the lines go: a new file that only its owner can read, there as a whole or not at all; or stdout."""
    if to is None:
        yield sys.stdout
        return
    if to.exists():
        raise InvalidInput(detail=N_("this file is there already; an export does not overwrite"))
    part = to.with_name(f"{to.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        raise InvalidInput(detail=N_("the file cannot be written, or an export into it is on its way")) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        part.rename(to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


COMMANDS: Final[dict[str, Callable[..., None]]] = {"export": _export}
