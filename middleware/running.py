"""An application that is served: its guard's background work begins with it and ends with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Work(Protocol):
    """`amanah.guard.Guard`, as far as its life goes."""

    @property
    def started(self) -> bool:
        """Whether the background work runs."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End, and write out what waits."""


class Running:
    """Starts the guard's background work with the first thing that the server asks for, and ends it with the server."""

    def __init__(self, app: ASGIApp, guard: Work) -> None:
        self.app = app
        self.guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, or the server's lifespan."""
        if not self.guard.started:
            await to_thread.run_sync(self.guard.start)
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        closed = False

        async def send_closed(message: Message) -> None:
            # Before the server hears that the application has ended: afterwards it cancels whatever still runs.
            nonlocal closed
            if message["type"].startswith("lifespan.shutdown") and not closed:
                closed = True
                await to_thread.run_sync(self.guard.close)
            await send(message)

        try:
            await self.app(scope, receive, send_closed)
        finally:
            if not closed:
                await to_thread.run_sync(self.guard.close)


__all__ = ["Running"]
