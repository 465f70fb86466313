"""Looking into the trail from a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..audit.log import MAXIMUM, list_entries

if TYPE_CHECKING:
    from ..audit.entries import Entry
    from ..guard import Guard


def trail_of(guard: Guard, tenant: str, *, limit: int = 100) -> list[Entry]:
    """The tenant's newest entries, at most 1,000, the newest first; whatever is durable by now is in the log first.

    By the time at which they were made: in the log, changes stand behind the readings of the same moment.
    """
    guard.sequencer.run_once()
    entries = [logged.entry for logged in list_entries(guard.trail_engine, tenant, limit=MAXIMUM)]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]
