"""One HTTP request on its way through the gate: how answers wait, are replaced, or are cut off."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ..errors import AmanahError, NotIdentified, StatementRefused
from .exchange import Exchange, Gate, find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Receive, Scope, Send

    from .access import Access

_A_NO: Final = range(300, 500)
"""What the application may say to a stranger: go to the login, or no."""
_SERVER_ERROR: Final = 500
_HELD_BYTES: Final = 1 << 16
"""Of an error page that the application sends, so much is held back until it is known why it failed."""


class HttpExchange(Exchange):
    """One HTTP request."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(gate, scope, receive, send)
        self._held: list[Message] = []
        self._held_bytes = 0
        self._strange: NotIdentified | None = None  # nobody is signed in, and the application may tell

    async def insecure(self) -> None:
        """Redirect where nothing can have been betrayed yet."""
        target = self.gate.transport.redirect(self.scope)
        if target is None:
            await super().insecure()
            return
        headers = [(b"location", target), (b"content-length", b"0")]
        await self.wire({"type": "http.response.start", "status": 308, "headers": headers})
        await self.wire({"type": "http.response.body", "body": b""})

    def stranger(self, error: NotIdentified) -> Access | None:
        """An access that opens nothing and is refused already: what the application answers is on record as that.

        It may only be a no (`_A_NO`); instead of anything else, the gate answers.
        """
        if not self.gate.answers_strangers:
            return None
        self._strange = error
        access = self._anonymous("public", self.gate.admission.platform_if_known())
        access.refusal = error
        return access

    async def send(self, message: Message) -> None:
        """Let ``message`` pass once everything that it can hold is on record."""
        access = self.access
        if self.cut is not None:
            raise self.cut  # so that a stream stops producing
        if access is None or self.over:
            return
        if message["type"] == "http.response.start":
            status: int = message["status"]
            message = {**message, "headers": self._dressed(message.get("headers", ()))}
            if self._strange is not None and status not in _A_NO:
                await self.refuse(self._strange, access)
            elif status < _SERVER_ERROR or self.started:
                await self.pass_on(message, access, status)
            elif access.refusal is not None:
                await self.refuse(access.refusal, access)
            else:
                self._held.append(message)  # until it is known why: an exception of ours says more than "500"
        elif self._held:
            self._held.append(message)
            self._held_bytes += len(message.get("body", b""))
            if self._held_bytes > _HELD_BYTES:
                await self._release(access, "answered")
        else:
            await self.pass_on(message, access)

    async def _release(self, access: Access, outcome: str) -> None:
        """Send an error page of the application's own that was held back."""
        held, self._held = self._held, []
        if await self.durable(access, outcome, held[0]["status"]):
            self.started = True
            for message in held:
                await self.wire(message)

    async def answer(self, error: AmanahError, access: Access | None) -> None:
        """Answer with a problem document. Once bytes have left, only closing the connection is honest."""
        self._held.clear()
        if self.started:
            self.cut = error
            return
        problem = self.problem(error, access)
        self.started = True
        headers = self._dressed(problem.headers)
        await self.wire({"type": "http.response.start", "status": problem.status, "headers": headers})
        body = b"" if self.scope["method"] == "HEAD" else problem.body
        await self.wire({"type": "http.response.body", "body": body})

    async def failed(self, error: Exception, access: Access) -> bool:
        """Answer for an error of ours; everything else is the server's to answer, once it is on record."""
        if self._was_cut():
            return False  # the server closes the connection
        ours = self._strange or access.refusal or find(error)
        answered = self.over
        if not answered:
            if ours is None:
                await self._let_fail(access)
                return self.over and not self._was_cut()
            await self.refuse(ours, access)  # in the middle of a stream this cuts it off
        # A statement that the developer must change is also for the server's log.
        return not self._was_cut() and ours is not None and not isinstance(ours, StatementRefused)

    def _was_cut(self) -> bool:
        return self.cut is not None

    async def _let_fail(self, access: Access) -> None:
        """Record the failure and let the application's own error page go; where that fails too, 503 was answered."""
        with suppress(AmanahError):
            if self._held:
                await self._release(access, "failed")
            else:
                await self.durable(access, "failed")

    async def finished(self, access: Access) -> None:
        """Let go of what was held, and put on record what was read after the last message."""
        if self.cut is not None:
            raise self.cut
        if self.over:
            return
        if self._held and access.refusal is not None:
            await self.refuse(access.refusal, access)
        elif self._held:
            await self._release(access, "answered")
        await self.durable(access, "answered" if self.started else "failed")

    def _dressed(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        guarded = self.route is None or self.route.kind != "public"
        return self.gate.transport.dress(headers, secure=self.secure, guarded=guarded)
