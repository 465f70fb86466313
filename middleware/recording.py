"""What the trail was told about one access, and what it must still be told before the next message may leave.

Invariants:

- One recording at a time (`Recording.turn`): of two messages sent at once neither overtakes the notes of the other.
- An access that was let in leaves at least one entry; a refusal is told once.
- What cannot be recorded raises; only `hand_over`, for a caller that is gone, does not wait.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from .. import measures
from ..errors import AmanahError, TrailUnavailable
from .pieces import in_pieces

if TYPE_CHECKING:
    from ..audit.entries import Entry
    from .access import Access
    from .sign_ins import SignIn

_log = logging.getLogger("amanah.gate")
_UNAVAILABLE: Final = 503  # DatabaseNotMigrated has this status too


class Recorder(Protocol):
    """Makes entries durable; the trail's writer does."""

    @property
    def available(self) -> bool:
        """False while the last entries could not be written."""

    def submit(self, entry: Entry) -> object:
        """Take the entry; it will be written whatever becomes of the caller."""

    async def arecord(self, entry: Entry) -> None:
        """Return when the entry is durable."""


class Recording:
    """The trail's side of one request."""

    __slots__ = ("_recorder", "_told", "entered", "sign_in", "turn")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told: AmanahError | None = None  # the refusal that is on record
        self.sign_in: SignIn | None = None
        self.entered = False  # an entry about this access was handed to the trail
        self.turn = asyncio.Lock()

    def complete(self, access: Access) -> bool:
        """Whether nothing is left to tell, and nothing is on its way."""
        return not self.turn.locked() and not self._unsaid(access)

    async def complete_now(self, access: Access, outcome: str, status: int | None) -> None:
        """Tell what is left, holding `turn`; return when it is durable. Raises `TrailUnavailable`."""
        if self._unsaid(access):
            await self.record(self._next(access, outcome, status))

    async def refused(self, access: Access, error: AmanahError) -> str:
        """Tell that the access ended in ``error`` and return the entry's id, by which the decision can be explained."""
        self._told = error
        self.entered = True
        measures.refused(error.code)
        entry = access.entry("refusal", "refused", status=error.status, refusal=error)
        await self.record(entry)
        return entry.id

    async def record(self, entry: Entry) -> None:
        """Return when ``entry`` is durable, in pieces if it lists very many rows. Raises `TrailUnavailable`."""
        try:
            pieces = self._with_sign_in(in_pieces(entry))
            if len(pieces) == 1:
                await self._recorder.arecord(entry)
            else:
                await asyncio.gather(*map(self._recorder.arecord, pieces))
                self._sign_in_told()
        except Exception as error:
            if isinstance(error, AmanahError) and error.status == _UNAVAILABLE:
                raise
            raise TrailUnavailable from error

    def hand_over(self, access: Access) -> None:
        """Tell what is left without waiting: nobody is there any more, and the entry is written all the same."""
        if not self._unsaid(access):
            return
        for piece in self._with_sign_in(in_pieces(self._next(access, "failed", None))):
            try:
                self._recorder.submit(piece)
            except AmanahError:
                _log.exception("an access could not be recorded")

    def _with_sign_in(self, pieces: list[Entry]) -> list[Entry]:
        """``pieces``, behind the entry of the sign-in that they name where that is not on record yet."""
        untold = None if self.sign_in is None else self.sign_in.untold
        return pieces if untold is None else [untold, *pieces]

    def _sign_in_told(self) -> None:
        if self.sign_in is not None:
            self.sign_in.untold = None

    def _unsaid(self, access: Access) -> bool:
        return not self.entered or access.notes.pending or bool(access.receipts) or access.refusal is not self._told

    def _next(self, access: Access, outcome: str, status: int | None) -> Entry:
        self.entered = True
        refusal = None if access.refusal is self._told else access.refusal
        self._told = access.refusal
        if refusal is None:
            return access.entry("access", outcome, status=status)
        measures.refused(refusal.code)
        return access.entry("refusal", outcome, status=status, refusal=refusal)
