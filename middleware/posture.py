"""What was enforced the last time, so that enforcement is never switched back silently.

A guard that starts writes down what it enforces. Where that is less than what was written before (fewer resources, or a
later last day), the change is an act of administration in the platform's trail, in the same transaction, and is logged.
Several processes that start at once record one change once.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..audit.entries import Entry, new_event_id, now_us
from ..audit.staging import stage
from ..database import PLATFORM
from .models import posture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Engine

log = logging.getLogger("amanah.observing")

EVERYTHING: Final = "*"
_NAME: Final = "enforced"
_ACTOR: Final = "guard"


class Posture(NamedTuple):
    """``enforced``: resources, or `EVERYTHING` alone. ``until``: the last day of observing the others."""

    enforced: frozenset[str]
    until: date | None

    @classmethod
    def of(cls, row: Any, today: date) -> Posture:
        """As it was written; where its last day has passed, everything was enforced."""
        until = None if row.until is None else date.fromisoformat(row.until)
        if until is not None and until < today:
            return cls(frozenset({EVERYTHING}), None)
        return cls(frozenset(row.enforced.split("\n")) - {""}, until)

    def given_up(self, new: Posture, resources: Iterable[str]) -> frozenset[str]:
        """What this one enforces and ``new`` does not. ``resources``: all that there are."""
        if EVERYTHING in new.enforced:
            return frozenset()
        return (frozenset(resources) if EVERYTHING in self.enforced else self.enforced) - new.enforced


def take_up(engine: Engine, new: Posture, resources: Iterable[str]) -> frozenset[str]:
    """Write down that ``new`` holds from now on; return what is enforced no longer. Raises what the database raises."""
    for _ in range(3):
        try:
            with engine.begin() as connection:
                changed = _change(connection, new, resources)
        except IntegrityError:  # another process was first
            continue
        if changed is not None:
            return changed
    return frozenset()


def _change(connection: Connection, new: Posture, resources: Iterable[str]) -> frozenset[str] | None:
    """One attempt; None where another process wrote in the meantime."""
    known = connection.execute(select(posture.c.enforced, posture.c.until).where(posture.c.name == _NAME)).one_or_none()
    values = {
        "enforced": "\n".join(sorted(new.enforced)),
        "until": None if new.until is None else new.until.isoformat(),
    }
    if known is None:
        connection.execute(posture.insert().values(name=_NAME, at=now_us(), **values))
        return frozenset()
    if (known.enforced, known.until) == (values["enforced"], values["until"]):
        return frozenset()
    same = (posture.c.name == _NAME) & (posture.c.enforced == known.enforced)
    same &= posture.c.until.is_(None) if known.until is None else posture.c.until == known.until
    if not connection.execute(posture.update().where(same).values(at=now_us(), **values)).rowcount:
        return None
    old = Posture.of(known, datetime.now(UTC).date())
    given_up = old.given_up(new, resources)
    longer = old.until is not None and new.until is not None and new.until > old.until
    if given_up or longer:
        _record(connection, new, given_up)
    return given_up


def _record(connection: Connection, new: Posture, given_up: frozenset[str]) -> None:
    last = "" if new.until is None else new.until.isoformat()
    what = ", ".join(sorted(given_up))
    log.warning("less is enforced than the last time: given up: %s; observing until %s", what or "-", last or "-")
    entry = Entry(
        id=new_event_id(),
        at=now_us(),
        tenant=PLATFORM,
        access=new_event_id(),
        kind="admin",
        actor=_ACTOR,
        actor_kind="operator",
        outcome="committed",
        detail={
            "act": "enforcement.reduce",
            "given_up": what,
            "enforced": ", ".join(sorted(new.enforced)),
            "until": last,
        },
    )
    stage(connection, [entry])


__all__ = ["EVERYTHING", "Posture", "take_up"]
