"""What would have been refused, gathered so that a busy application does not flood the trail.

Invariants:

1. Equal sightings within a while become one entry with a count; at most `DISTINCT` different ones are kept at a time.
   What is beyond that is counted and logged, nothing else.
2. A sighting holds names from declarations, policies and the application's own source: never a value of a row, an
   actor or an address.
3. Nothing here raises: an application that is only observed does not notice that it is. What could not be recorded is
   logged. (This is the one place of Amanah where a loss of its own stops nobody; what is enforced never comes here.)
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
import weakref
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..audit.entries import Entry, new_event_id, now_us
from ..database import PLATFORM
from ..errors import AmanahError

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Mapping

    from .access import Access

log = logging.getLogger("amanah.observing")

DISTINCT: Final = 200
SECONDS: Final = 5.0
"""So long equal sightings are gathered before they are written as one entry."""
_NAMES: Final = ("resource", "action", "field", "table", "name")
_NAME: Final = re.compile(r"[^\W\d][\w$.]{0,127}|U&|\*")


class Sighting(NamedTuple):
    """One decision that was computed and not carried out; ``facts`` are pairs for the entry's detail."""

    tenant: str
    kind: str
    """``request`` or ``statement``."""
    route: str | None
    purpose: str | None
    roles: tuple[str, ...]
    code: str
    facts: tuple[tuple[str, str], ...]

    def entry(self, count: int) -> Entry:
        """The entry that says how often this was seen."""
        return Entry(
            id=new_event_id(),
            at=now_us(),
            tenant=self.tenant,
            access=new_event_id(),
            kind="refusal",
            roles=self.roles,
            purpose=self.purpose,
            route=self.route,
            outcome="would_refuse",
            refusal=self.code,
            detail={**dict(self.facts), "seen": self.kind, "count": count},
        )


class Submitter(Protocol):
    """Takes entries without making anybody wait; the trail's writer does."""

    def submit(self, entry: Entry) -> concurrent.futures.Future[None]:
        """Take the entry; the future tells whether it became durable."""


class Notebook:
    """The sightings of one guard, written every few seconds and when it closes. Safe for threads and after a fork."""

    def __init__(self, recorder: Submitter, *, seconds: float = SECONDS) -> None:
        """``seconds``: how long equal sightings are gathered."""
        self._recorder = recorder
        self._seconds = seconds
        self._fresh()
        _notebooks.add(self)

    def _fresh(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._seen: dict[Sighting, int] = {}
        self._beyond = 0
        self._timer: threading.Timer | None = None

    def note(
        self, error: AmanahError, access: Access | None, kind: str, facts: Mapping[str, str] | None = None
    ) -> None:
        """Count that ``error`` would have been raised. ``facts`` are added to what the error names."""
        if os.getpid() != self._process:
            self._fresh()  # what the parent has seen is the parent's to write
        one = _sighting(error, access, kind, facts or {})
        with self._lock:
            if one in self._seen:
                self._seen[one] += 1
            elif len(self._seen) < DISTINCT:
                self._seen[one] = 1
            else:
                self._beyond += 1
            if self._timer is None:
                self._timer = threading.Timer(self._seconds, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Hand over to the trail's writer what was gathered."""
        if os.getpid() != self._process:
            return
        with self._lock:
            seen, self._seen = self._seen, {}
            beyond, self._beyond = self._beyond, 0
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if beyond:
            log.warning("%d more would be refused and are not in the trail: too many different ones at once", beyond)
        for one, count in seen.items():
            try:
                self._recorder.submit(one.entry(count)).add_done_callback(_settled)
            except AmanahError as error:
                lost("an observation", error)


def _settled(future: concurrent.futures.Future[None]) -> None:
    error = future.exception()
    if error is not None:
        lost("an observation", error)


def lost(what: str, error: BaseException) -> None:
    """Log that ``what`` was not possible because Amanah itself failed; never what the error holds of other people's."""
    why = error.sentence() if isinstance(error, AmanahError) else type(error).__name__
    log.warning("%s is lost while observing: %s", what, why)


def waiting(error: AmanahError) -> None:
    """Log that nothing can be decided before somebody does what ``error`` says."""
    log.warning("Nothing is decided yet while observing. %s %s", error.why, error.remedy)


def _sighting(error: AmanahError, access: Access | None, kind: str, facts: Mapping[str, str]) -> Sighting:
    named = {name: str(error.facts[name]) for name in _NAMES if error.facts.get(name)}
    known = {name: value if _NAME.fullmatch(value) else "…" for name, value in (named | dict(facts)).items()}
    if "place" in facts:
        known["place"] = facts["place"]
    route = error.facts.get("route") or (access.route if access is not None else None)
    return Sighting(
        tenant=PLATFORM if access is None or access.tenant is None else access.tenant,
        kind=kind,
        route=None if route is None else str(route),
        purpose=None if access is None else access.purpose,
        roles=() if access is None else tuple(sorted(access.roles)),
        code=error.code,
        facts=tuple(sorted(known.items())),
    )


_notebooks: weakref.WeakSet[Notebook] = weakref.WeakSet()


def _at_exit() -> None:
    """A script seldom closes its guard. Runs before the trail's writer closes, which was imported earlier."""
    for notebook in list(_notebooks):
        notebook.flush()


atexit.register(_at_exit)

__all__ = ["DISTINCT", "Notebook", "Sighting", "lost", "waiting"]
