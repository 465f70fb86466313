"""One WebSocket on its way through the gate: each outgoing message waits; a refusal closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import AmanahError, StatementRefused
from .exchange import Exchange, find

if TYPE_CHECKING:
    from starlette.types import Message, Receive

    from .access import Access

_SERVER_ERROR: Final = 500
_POLICY_VIOLATION: Final = 1008
"""RFC 6455 section 7.4.1."""
_INTERNAL_ERROR: Final = 1011
_SWITCHING: Final = 101
_FORBIDDEN: Final = 403


class WebSocketExchange(Exchange):
    """One WebSocket. Its access is that of the moment when it was opened; whether it may last is asked again."""

    @property
    def incoming(self) -> Receive:
        """What the application calls as ``receive``."""
        return self._take

    async def _take(self) -> Message:
        message = await self.receive()
        access = self.access
        if (
            access is None
            or message["type"] == "websocket.disconnect"
            or (not self.over and await self.may_go_on(access))
        ):
            return message
        return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        """Let ``message`` pass once everything that it can hold is on record."""
        access = self.access
        if self.cut is not None:
            raise self.cut
        if access is None or self.over:
            return
        if self.started:
            await self.pass_on(message, access)
            return
        kind = message["type"]
        if kind != "websocket.accept" and access.refusal is not None:
            await self.refuse(access.refusal, access)
        elif kind == "websocket.http.response.start":
            guarded = self.route is None or self.route.kind != "public"
            headers = self.gate.transport.dress(message.get("headers", ()), secure=self.secure, guarded=guarded)
            await self.pass_on({**message, "headers": headers}, access, message["status"])
        else:
            await self.pass_on(message, access, _SWITCHING if kind == "websocket.accept" else _FORBIDDEN)

    async def answer(self, error: AmanahError, access: Access | None) -> None:
        """Close with the reason's code; before the opening handshake with a problem document, where the server can."""
        code = _INTERNAL_ERROR if error.status >= _SERVER_ERROR else _POLICY_VIOLATION
        if self.started:
            self.cut = error
            await self.wire({"type": "websocket.close", "code": code, "reason": error.code})
            return
        self.started = True
        if self.access is None:
            await self.receive()  # websocket.connect, which nobody has taken yet
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.wire({"type": "websocket.close", "code": code, "reason": error.code})
            return
        problem = self.problem(error, access)
        headers = self.gate.transport.dress(problem.headers, secure=self.secure, guarded=True)
        await self.wire({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
        await self.wire({"type": "websocket.http.response.body", "body": problem.body})

    async def failed(self, error: Exception, access: Access) -> bool:
        """Close for an error of ours; everything else is the server's to close, once it is on record."""
        ours = access.refusal or find(error)
        if self.over:
            return ours is not None and not isinstance(ours, StatementRefused)
        if ours is not None:
            await self.refuse(ours, access)
            return not isinstance(ours, StatementRefused)
        try:
            await self.durable(access, "failed")
        except AmanahError:
            return True
        return False

    async def finished(self, access: Access) -> None:
        """Put on record what was read after the last message."""
        if not self.over:
            await self.durable(access, "answered" if self.started else "failed")
