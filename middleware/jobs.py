"""Work outside a request: the context manager that `Guard.access` and `Guard.resume` give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from .access import Access, open_access
from .pieces import in_pieces

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..audit.entries import Entry
    from ..audit.writer import TrailWriter


class JobAccess:
    """An access for a block of code: ``with`` or ``async with``."""

    def __init__(self, admit: Callable[[], Access], writer: TrailWriter) -> None:
        """``admit`` is called when the block is entered, in a thread where it must not block the event loop.

        The access that it returns is on record. Nothing happens before.
        """
        self._admit = admit
        self._writer = writer
        self._open: open_access | None = None
        self._access: Access | None = None

    def __enter__(self) -> Access:
        """Open the access. Not on an event loop's thread: it waits for the database."""
        return self._enter(self._admit())

    async def __aenter__(self) -> Access:
        """Open the access without blocking the event loop."""
        return self._enter(await to_thread.run_sync(self._admit))

    def _enter(self, access: Access) -> Access:
        self._access = access
        access.recorder = self._writer
        self._open = open_access(access)
        return self._open.__enter__()

    def _left(self) -> list[Entry]:
        """The entries of what was read or refused and is still unrecorded, whatever the block made of the refusal."""
        access = self._access
        if access is None:
            return []
        if access.refusal is not None:
            return in_pieces(access.entry("refusal", "refused", refusal=access.refusal))
        return in_pieces(access.entry("job", "answered")) if access.notes.pending or access.receipts else []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record what was read and close the access. Raises `TrailUnavailable` when it cannot be recorded."""
        try:
            for entry in self._left():
                self._writer.record(entry)
        finally:
            if self._open is not None:
                self._open.__exit__(kind, error, trace)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `__exit__`, without blocking the event loop."""
        try:
            for entry in self._left():
                await self._writer.arecord(entry)
        finally:
            if self._open is not None:
                self._open.__exit__(kind, error, trace)
