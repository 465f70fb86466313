"""The HTTP gate: a pure ASGI middleware before the application. `lifespan` passes, HTTP and WebSocket are guarded.

What happens to one connection is in `exchange`, the same for both, and in `exchange_http` and `exchange_websocket`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .exchange import Gate
from .exchange_http import HttpExchange
from .exchange_observed import ObservedHttp, ObservedWebSocket
from .exchange_websocket import WebSocketExchange
from .identify import adapt

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .admission import Admission
    from .callbacks import Callers
    from .https import Transport
    from .identify import Identify
    from .observing import Observing
    from .recording import Recorder
    from .routes import RouteTable
    from .sightings import Notebook


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
        observing: Observing | None = None,
        notebook: Notebook | None = None,
        answers_strangers: bool = False,
        callers: Callers | None = None,
    ) -> None:
        """``development`` adds the missing declaration or grant to refusals; ``callers`` recognises who calls back.

        ``answers_strangers``: the application itself tells who is not signed in. It runs for them under an access that
        opens nothing, and only a redirect or an error of it (status 300 to 499) gets out.

        ``observing``: what is not enforced yet is let pass, and ``notebook`` takes what would be refused. Raises
        `ConfigurationError`.
        """
        if not callable(app):
            raise ConfigurationError(detail="the application is no ASGI callable")
        self.app = app
        self.gate = Gate(
            app, routes, adapt(identify), admission, recorder, transport, development, answers_strangers, callers
        )
        self._observing = observing
        self._notebook = notebook

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one connection. Raises `ConfigurationError` for a kind that has no guard."""
        kind = scope["type"]
        if kind in {"http", "websocket"} and self._notebook is not None and self._lets_pass(scope):
            observed = ObservedHttp if kind == "http" else ObservedWebSocket
            await observed(self.gate, self._notebook, scope, receive, send).run()
        elif kind == "http":
            await HttpExchange(self.gate, scope, receive, send).run()
        elif kind == "websocket":
            await WebSocketExchange(self.gate, scope, receive, send).run()
        elif kind == "lifespan":
            await self.app(scope, receive, send)
        else:
            raise ConfigurationError(
                detail=f"connections of the kind {kind!r:.40} are not guarded, so they are refused"
            )

    def _lets_pass(self, scope: Scope) -> bool:
        """Whether this connection is only observed."""
        observing = self._observing
        return observing is not None and observing.lets_pass(self.gate.routes.match_scope(scope))
