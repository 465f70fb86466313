"""The stages of the walk, the same for both apps: what is looked at before, during and after each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from tests.integration.adoption.walk.canaries import engine_of, values_of, where_found
from tests.integration.adoption.walk.harness import headings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from tests.integration.adoption.walk.harness import Walk

START, OBSERVE, TESTS, WRITE, READ, RELEASE, DROP, ENFORCE, CLEAN = (
    "Start", "Observe", "Let the tests look as members", "Write both", "Read the sealed column",
    "Let the plain column go", "Drop it", "Enforce", "Clean up",
)  # fmt: skip
ORDER = [START, OBSERVE, TESTS, WRITE, READ, RELEASE, DROP, ENFORCE, CLEAN]

SUITES = ("observing", "enforced")
"""Where the app's own tests are run beside it: not sealed yet, and sealed. Bare they run in
``tests/integration/test_examples.py``; under `TESTS` the tutorial runs them itself, enforced from then on."""


class People(Protocol):
    """Who uses the app."""

    def day(self) -> None:
        """Everything that the application can do."""

    def look(self) -> None:
        """One short visit."""


def journey(
    walk: Walk,
    people: People,
    sealed: Mapping[str, Sequence[str]],
    readable: Mapping[str, Sequence[str]],
    *,
    chance: AbstractSet[str] = frozenset(),
    suites: bool = True,
) -> None:
    """From bare to enforced. ``chance``: values of sealed columns that also stand where nothing is personal.

    The app's own tests run beside it, in copies of the folder as it was at each stage.
    """
    assert headings(walk.app) == ORDER
    try:
        told = _walked(walk, people, sealed, readable, chance, suites=suites)
        walk.stop()
        lines = [f"  {stage}: {line}" for stage, line in walk.finish_suites().items()]
    finally:
        walk.close()
    summary = f"{walk.app}: {len(walk.statuses)} requests, {len(walk.failures)} answered 5xx; {told}"
    sys.stdout.write("\n".join(["", summary, *lines, ""]))


def _walked(
    walk: Walk,
    people: People,
    sealed: Mapping[str, Sequence[str]],
    readable: Mapping[str, Sequence[str]],
    chance: AbstractSet[str],
    *,
    suites: bool,
) -> str:
    def stage(name: str) -> None:
        if suites and name in SUITES:
            walk.start_suite(name)

    walk.do(START)
    people.day()
    walk.do(OBSERVE)
    people.day()
    stage("observing")
    walk.do(TESTS)
    engine = engine_of(walk.environment[f"{walk.app.upper()}_DATABASE_URL"], walk.work)
    known = values_of(engine, sealed)
    for step in (WRITE, READ, RELEASE, DROP):
        with walk.traffic(people.look):
            walk.do(step)
        people.day()
        known |= values_of(engine, sealed)
        stage(step)
    walk.do(ENFORCE)
    people.day()
    stage("enforced")
    walk.stop()
    walk.do(CLEAN)
    assert walk.failures == []
    wanted = known - values_of(engine, readable) - chance
    places = where_found(engine, walk.data, wanted)
    assert places == {}, dict(list(places.items())[:5])
    governed = walk.run(f"python -c {GOVERNED.format(app=walk.app)!r}").split()
    assert governed == sorted(f"{table}.{name}" for table, names in readable.items() for name in names)
    engine.dispose()
    return f"{len(wanted)} values looked for, in the clear: {len(places)}; readable on purpose: {governed}"


GOVERNED = (
    "from {app}.protection import guard; "
    "print(*sorted(f.name for t in guard.register.tables.values() for f in t.fields.values() if not f.writes_sealed))"
)

__all__ = ["People", "journey"]
