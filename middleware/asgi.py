"""The HTTP gate: a pure ASGI middleware before the application. `lifespan` passes, HTTP and WebSocket are guarded.

What happens to one connection is in `exchange`, the same for both, and in `exchange_http` and `exchange_websocket`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .exchange import Gate
from .exchange_http import HttpExchange
from .exchange_websocket import WebSocketExchange
from .identify import adapt

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .admission import Admission
    from .https import Transport
    from .identify import Identify
    from .recording import Recorder
    from .routes import RouteTable


class AmanahMiddleware:
    """Lets into ``app`` only what was declared, identified and decided; lets out only what is on record."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: RouteTable,
        identify: Identify,
        admission: Admission,
        recorder: Recorder,
        transport: Transport,
        development: bool = False,
    ) -> None:
        """``development`` adds the missing declaration or grant to refusals. Raises `ConfigurationError`."""
        if not callable(app):
            raise ConfigurationError(detail="the application is no ASGI callable")
        self.app = app
        self.gate = Gate(app, routes, adapt(identify), admission, recorder, transport, development)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one connection. Raises `ConfigurationError` for a kind that has no guard."""
        kind = scope["type"]
        if kind == "http":
            await HttpExchange(self.gate, scope, receive, send).run()
        elif kind == "websocket":
            await WebSocketExchange(self.gate, scope, receive, send).run()
        elif kind == "lifespan":
            await self.app(scope, receive, send)
        else:
            raise ConfigurationError(
                detail=f"connections of the kind {kind!r:.40} are not guarded, so they are refused"
            )
