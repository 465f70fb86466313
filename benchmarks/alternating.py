"""Medians of alternating rounds: a noisy machine disturbs all contenders alike, and the first gets no warm seat."""

from __future__ import annotations

import gc
import statistics
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def seconds(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: str = "wall",
    around: Mapping[str, Callable[[], AbstractContextManager[object]]] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each call, round by round; each begins with the next contender. One round before warms them up.

    ``clock``: "wall", or "cpu" for the processor time of this process, where the machine is shared with other work.
    ``around``: what a call runs in, which is not measured.
    """
    now = CLOCKS[clock]
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            with (around or {}).get(name, nullcontext)():
                gc.collect()
                begun = now()
                contenders[name]()
                if number:
                    taken[name].append(now() - begun)
    return taken


def demand(*, found: object, expected: object) -> None:
    """A run with a wrong answer fails."""
    if found != expected:
        raise SystemExit(f"wrong: {found!r} instead of {expected!r}")


def ratio(taken: Mapping[str, list[float]], name: str, beside: str) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(taken[name], taken[beside], strict=True))


def table(
    title: str,
    taken: Mapping[str, list[float]],
    beside: str,
    *,
    unit: str,
    per: float,
    note: Mapping[str, str] | None = None,
) -> None:
    """Print medians in ``unit`` (seconds times ``per``) and ratios, as rows of Markdown."""
    print(f"\n| {title} | {unit} | ratio |\n|---|---:|---:|")
    for name, rounds in taken.items():
        said = (note or {}).get(name, "")
        print(
            f"| {name}{said} | {statistics.median(rounds) * per:.2f} | {ratio(taken, name, beside):.2f} |", flush=True
        )
