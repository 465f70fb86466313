"""The guard's metrics over HTTP, for the application to mount where it wants to. It is not mounted by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..audit.metrics import Metrics


class MetricsApp:
    """An ASGI application: GET is answered with everything, in Prometheus's text format, whatever the path."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            response: Response = PlainTextResponse("", status_code=405, headers={"Allow": "GET, HEAD"})
        else:
            # In a thread: the database is asked.
            text = await to_thread.run_sync(self.metrics.text)
            response = Response(text, headers={"Cache-Control": "no-store"}, media_type=None)
            response.headers["Content-Type"] = self.metrics.content_type
        await response(scope, receive, send)


__all__ = ["MetricsApp"]
