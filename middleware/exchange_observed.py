"""One connection whose route is only observed: it is judged as ever, and answered by the application all the same.

1. What would be refused on the way (plain HTTP, no declaration, nobody signed in, no purpose, the policy) is noted.
2. The application runs under the access that was found out, however little that is.
3. Its messages pass as they are, at once, and with its own headers.

Where a statement of it touches something that is enforced, that is decided as ever, and from then on its messages wait
for the trail as ever: there is nothing to tell before, so nothing waits before.

A failure of Amanah's own on the way (trail, keys or policy away, a mistake in ``identify``) is logged and stops nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import AmanahError, ConfigurationError, NoTenantYet, NotHttps, NotIdentified, RouteUndeclared, Unavailable
from .access import Access, open_access
from .exchange import Exchange, find
from .exchange_http import HttpExchange
from .exchange_websocket import WebSocketExchange
from .sightings import Notebook, lost, waiting

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from ..encryption.keyring import TenantCipher
    from .exchange import Gate
    from .identify import Identity
    from .routes import Route

_NOT_THERE: Final = frozenset({404, 405})
"""What the application says where it has no such route either: a scanner's paths are nothing to declare."""


class _Observed(Exchange):
    """The steps that HTTP and WebSocket share."""

    def __init__(self, gate: Gate, notebook: Notebook, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(gate, scope, receive, send)
        self.notebook = notebook
        self._undeclared: RouteUndeclared | None = None
        self._status = 0

    async def run(self) -> None:
        """Take the steps; none ends the exchange."""
        route = self.route = self.gate.routes.match_scope(self.scope)
        access = await self._found_out(route)
        if self.gate.transport.required and not self.secure:
            self._note(NotHttps(), None)  # the same whoever asks for whatever
        self.recording.entered = True  # only what is enforced leaves an entry of its own
        try:
            await self._serve(access)
        finally:
            if self._undeclared is not None and self._status not in _NOT_THERE:
                self._note(self._undeclared, access)

    async def _found_out(self, route: Route | None) -> Access:
        """The access, and why it would not be let in."""
        if route is None:
            access = self._anonymous("request", None)
            self._undeclared = RouteUndeclared(route=self.gate.routes.suggest(self.scope))
            access.would_be_refused = self._undeclared
            access.route = str(self._undeclared.facts["route"])
            return access
        if route.kind == "public":
            return self._anonymous("public", self.gate.admission.platform_if_known())
        asking = self._anonymous("sign_in", await self._platform())
        return asking if route.kind == "sign_in" else await self._judged(route, asking)

    async def _platform(self) -> TenantCipher | None:
        try:
            return await self.gate.admission.platform()
        except NoTenantYet as error:
            waiting(error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the keys
            lost("the platform's key", error)
            return None

    async def _judged(self, route: Route, asking: Access) -> Access:
        access, refusal = self._anonymous("request", None), None
        try:
            named = self.headers.purpose()
            identity = await self._who(asking)
            access, refusal = await self.gate.admission.consider(
                identity, route, named, request=self.headers.request, ip=self.ip, agent=self.headers.agent
            )
        except AmanahError as error:
            refusal = error
        except Exception as error:  # noqa: BLE001 - an application that is only observed does not notice
            lost("an admission", error)
            refusal = NotIdentified()
        if refusal is not None:
            access.would_be_refused = refusal
            self._note(refusal, access, route)
        return access

    async def _who(self, asking: Access) -> Identity:
        """Ask the application's login. Raises what it would be refused for."""
        try:
            with open_access(asking):
                identity = await self.ask()
        except Exception as error:
            raise asking.refusal or find(error) or error from error
        if asking.refusal is not None:
            raise asking.refusal
        if identity is None:
            raise NotIdentified
        return identity

    def _note(self, error: AmanahError, access: Access | None, route: Route | None = None) -> None:
        """Note that ``error`` would be the answer; what is Amanah's own failure is logged instead."""
        if isinstance(error, Unavailable | ConfigurationError):
            lost("a decision", error)
            return
        facts = {} if route is None or not route.resource else {"resource": route.resource, "action": route.action}
        self.notebook.note(error, access, "request", facts)

    def _left_alone(self, message: Message) -> bool:
        """Whether ``message`` can hold nothing that is enforced."""
        if not self._status:
            self._status = message.get("status", 101)
        access = self.access
        return access is not None and not self.over and access.refusal is None and self.recording.complete(access)


class ObservedHttp(_Observed, HttpExchange):
    """One HTTP request."""

    async def send(self, message: Message) -> None:
        """Let ``message`` pass, at once unless something enforced was touched."""
        if self._left_alone(message) and not self._held:
            self.started = True
            await self.wire(message)
        else:
            await super().send(message)


class ObservedWebSocket(_Observed, WebSocketExchange):
    """One WebSocket."""

    async def send(self, message: Message) -> None:
        """Let ``message`` pass, at once unless something enforced was touched."""
        if self._left_alone(message):
            self.started = True
            await self.wire(message)
        else:
            await super().send(message)


__all__ = ["ObservedHttp", "ObservedWebSocket"]
