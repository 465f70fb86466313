"""One connection on its way through the gate: the steps that HTTP and WebSocket share.

1. The way: HTTPS, or a redirect, or a refusal.
2. The declaration of the route; without one the answer is no, before anybody is asked who it is.
3. Who: the application's login, under a sign-in access of its own; then tenant, standing, purpose and decision.
4. The application runs under the access, which closes when it returns.
5. Every message that it sends waits until what was read so far is durable in the trail.
6. A WebSocket or a stream that lasts is judged again, every `EVERY` seconds, before the next message either way.

Invariants:

- The notes of a message are in the trail before its bytes are on the wire. Where the trail fails the client gets 503
  and not one byte of data; in the middle of a stream the connection is closed.
- A refusal is in the trail before its answer leaves.
- One recording at a time per request: of two messages sent at once neither overtakes the notes of the other.
- An access that was let in leaves an entry, also when the client goes away.
- While the trail is known to fail, an access is recorded before the application runs: what that did could not be taken
  back when its answer is stopped.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.requests import HTTPConnection

from ..errors import (
    AccessClosed,
    AmanahError,
    AnswerUnrecorded,
    BodyTooLarge,
    NotHttps,
    NotIdentified,
    RouteUndeclared,
)
from ..i18n import negotiate
from . import problems
from .access import Access, Kind, open_access
from .callbacks import Body
from .headers import Headers
from .recording import Recording
from .routes import AUTHENTICATION
from .sign_ins import SignIns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..encryption.keyring import TenantCipher
    from .admission import Admission
    from .callbacks import Callers
    from .https import Transport
    from .identify import Identity
    from .recording import Recorder
    from .routes import Route, RouteTable

_DEEPEST: Final = 32
EVERY: Final = 30.0
"""Seconds after which somebody who may no longer is cut off from what they had open."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What all requests share."""

    app: ASGIApp
    routes: RouteTable
    identify: Callable[[HTTPConnection], Awaitable[Identity | None]]
    admission: Admission
    recorder: Recorder
    transport: Transport
    development: bool
    answers_strangers: bool = False
    """Whether the application itself tells who is not signed in: by its redirect to the login, by its own 401."""
    callers: Callers | None = None
    """Who recognises the callers of callbacks; without it nobody is one."""
    sign_ins: SignIns = field(default_factory=SignIns)


class Exchange(ABC):
    """The steps that HTTP and WebSocket share. One object per connection, thrown away with it."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self.gate = gate
        self.scope = scope
        self.receive = receive
        self.wire = send
        self.headers = Headers(scope)
        self.secure = gate.transport.secure(scope)
        self.ip = gate.transport.address(scope)
        self.route: Route | None = None
        self.access: Access | None = None
        self.identity: Identity | None = None  # whose access it is, once they were let in
        self.started = False  # the first message has left
        self.over = False  # the gate has ended this exchange; what the application still sends is dropped
        self.cut: AmanahError | None = None  # why it was ended in the middle
        self.recording = Recording(gate.recorder)
        self._judged_at = time.monotonic()

    # -- steps 1 to 4 ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take the steps; each may end the exchange."""
        gate = self.gate
        if gate.transport.required and not self.secure:
            await self.insecure()
            return
        route = self.route = gate.routes.match_scope(self.scope)
        if route is None:
            await self.refuse_stranger(RouteUndeclared(route=gate.routes.suggest(self.scope)))
            return
        if route.kind == "public":
            await self._serve(self._anonymous("public", gate.admission.platform_if_known()))
            return
        try:
            asking = self._anonymous("sign_in", await gate.admission.platform())
        except AmanahError as error:
            await self.refuse_stranger(error)
            return
        access = asking if route.kind == "sign_in" else await self._admitted(route, asking)
        if access is not None:
            await self._serve(access)

    async def insecure(self) -> None:
        """Step 1, when the connection is not encrypted."""
        await self.refuse_stranger(NotHttps())

    async def _admitted(self, route: Route, asking: Access) -> Access | None:
        """Step 3: the access of whoever asks, or None when that ended in a refusal."""
        try:
            named, at_least = self.headers.purpose(), self.headers.at_least()
            identity = await self._identity(asking)
        except AmanahError as error:
            if isinstance(error, NotIdentified) and (stranger := self.stranger(error)) is not None:
                return stranger
            await self.refuse(error, asking)
            return None
        access, refusal = await self.gate.admission.consider(
            identity,
            route,
            named,
            at_least=at_least,
            request=self.headers.request,
            ip=self.ip,
            agent=self.headers.agent,
        )
        self.identity = identity
        if asking.notes.pending:
            # Personal cells that the login opened belong to this access; that it asked its tables goes without saying.
            for what in asking.notes.drain():
                if what.columns or what.masked:
                    access.notes.add(what)
        if refusal is not None:
            await self.refuse(refusal, access)
            return None
        return access

    async def _identity(self, asking: Access) -> Identity:
        """Ask the application's login. Raises `NotIdentified`, or whatever refusal the login met."""
        try:
            with open_access(asking):
                identity = await self.ask()
        except Exception as error:
            refusal = asking.refusal or find(error)
            if refusal is None:
                await self.recording.record(asking.entry("access", "failed"))
                raise
            if refusal is error:
                raise
            raise refusal from error
        if asking.refusal is not None:  # a statement of the login was stopped, and the login took it for an answer
            raise asking.refusal
        if identity is None:
            raise NotIdentified
        return identity

    async def ask(self) -> Identity | None:
        """Who is it? The application's login says it; of a callback its own declaration, by what was sent."""
        connection = HTTPConnection(self.scope)
        caller = None if self.route is None else self.route.caller
        if caller is None:
            return await self.gate.identify(connection)
        if self.headers.length > caller.limit:
            raise BodyTooLarge(limit=caller.limit)
        kept = Body(self.receive)
        self.receive = kept.receive
        body = await kept.read(caller.limit)
        if body is None or self.gate.callers is None:
            return None
        return await self.gate.callers.who(caller, connection, body)

    def _anonymous(self, kind: Kind, platform: TenantCipher | None) -> Access:
        return Access(
            kind=kind,
            purpose=AUTHENTICATION if kind == "sign_in" else None,
            route=None if self.route is None else self.route.name,
            request=self.headers.request,
            ip=self.ip,
            agent=self.headers.agent,
            platform=platform,
        )

    async def _serve(self, access: Access) -> None:
        """Step 4. Whatever happens, the access closes and what it saw is handed to the trail."""
        self.access = access
        access.recorder = self.gate.recorder
        if access.kind == "request":
            access.sign_in = self.recording.sign_in = self.gate.sign_ins.of(access)
        if access.kind == "public" and access.refusal is None:  # whoever asks whether we are well leaves no entry
            self.recording.entered = True
        try:
            with open_access(access):
                try:
                    if access.kind != "public" and not self.gate.recorder.available:
                        await self.durable(access, "answered")
                    await self.gate.app(self.scope, self.incoming, self.send)
                except Exception as error:
                    if not await self.failed(error, access):
                        raise
                else:
                    await self.finished(access)
        finally:
            self.recording.hand_over(access)  # the client went away, the task was cancelled

    # -- steps 5 and 6, and what HTTP and WebSocket do each in their own way ------------------------------------------

    @property
    def incoming(self) -> Receive:
        """What the application calls as ``receive``."""
        return self.receive

    @abstractmethod
    async def send(self, message: Message) -> None:
        """What the application calls as ``send``."""

    def stranger(self, _error: NotIdentified) -> Access | None:
        """The access under which the application tells somebody that they are not signed in; None: the gate tells."""
        return None

    @abstractmethod
    async def failed(self, error: Exception, access: Access) -> bool:
        """The application raised. True when the client was answered and the exception ends here."""

    @abstractmethod
    async def finished(self, access: Access) -> None:
        """The application returned."""

    @abstractmethod
    async def answer(self, error: AmanahError, access: Access | None) -> None:
        """End the exchange by telling the client about ``error``."""

    async def refuse(self, error: AmanahError, access: Access) -> None:
        """Record the refusal, then answer with it. What cannot be recorded is answered with 503."""
        self.over = True
        access.refusal = error
        try:
            error.decision_id = await self.recording.refused(access, error)
        except AmanahError as failure:
            await self.answer(failure, access)
        else:
            await self.answer(error, access)

    async def refuse_stranger(self, error: AmanahError) -> None:
        """Refuse before it is known who asks. Without the platform's keys the address stays out of the entry."""
        try:
            platform = await self.gate.admission.platform()
        except AmanahError:
            platform = None
        await self.refuse(error, self._anonymous("public", platform))

    async def pass_on(self, message: Message, access: Access, status: int | None = None) -> None:
        """Send ``message`` once all that it can hold is on record. ``status`` goes into the access's first entry."""
        if not await self.may_go_on(access):
            raise self.cut or AccessClosed
        if not await self.durable(access, "answered", status):
            return
        self.started = True
        await self.wire(message)

    async def may_go_on(self, access: Access) -> bool:
        """Step 6. False when the exchange was ended because whoever opened it may no longer.

        What has not begun to be answered is one unit of work and goes on.
        """
        if not self.started or self.identity is None or self.route is None:
            return True
        now = time.monotonic()
        if now - self._judged_at < EVERY:
            return True
        self._judged_at = now
        try:
            await self.gate.admission.again(access, self.identity, self.route)
        except AmanahError as error:
            await self.refuse(error, access)
            return False
        return True

    async def durable(self, access: Access, outcome: str, status: int | None = None) -> bool:
        """Return when all that the access has seen is on record; False when the exchange was ended meanwhile.

        Where the trail fails the exchange is ended here, before any of that leaves, and the failure is raised.
        """
        recording = self.recording
        if recording.complete(access):
            return True
        async with recording.turn:
            if self.over:
                return False
            try:
                await recording.complete_now(access, outcome, status)
            except AmanahError as error:
                self.over = True
                await self.answer(AnswerUnrecorded() if access.changed else error, access)
                raise
        return True

    def problem(self, error: AmanahError, access: Access | None) -> problems.Problem:
        """The answer for ``error`` in the client's language and form."""
        return problems.problem(
            error,
            language=negotiate(self.headers.language),
            html=problems.prefers_html(self.headers.accept),
            paste=problems.paste_for(error, access) if self.gate.development else None,
        )


def find(error: BaseException) -> AmanahError | None:
    """The error of ours in ``error`` or in what caused it (SQLAlchemy and task groups wrap exceptions)."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _DEEPEST:
        found = waiting.pop(0)
        if isinstance(found, AmanahError):
            return found
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, BaseExceptionGroup):
            waiting.extend(found.exceptions)
        causes = (getattr(found, "orig", None), found.__cause__, found.__context__)
        waiting.extend(cause for cause in causes if isinstance(cause, BaseException))
    return None
