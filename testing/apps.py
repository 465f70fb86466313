"""The guarded application as a test's client wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..guard import Guard


class kept_open:  # noqa: N801 - reads as a function: ``TestClient(kept_open(guard, app))``
    """``app`` behind ``guard``'s gates, as `Guard.wrap` gives it, but the guard outlives the client.

    A client in a ``with`` block tells the application when it starts and ends. A guard ends with its server; the guard
    of a test session goes on to the next test.
    """

    def __init__(self, guard: Guard, app: ASGIApp, *, console: str | None = None) -> None:
        """``console``: as for `Guard.wrap`."""
        self._guard = guard
        self._app = app
        self._guarded = guard.wrap(app, console=console)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the application's own start and end go past the guard."""
        if scope["type"] == "lifespan":
            self._guard.start()
            await self._app(scope, receive, send)
        else:
            await self._guarded(scope, receive, send)
