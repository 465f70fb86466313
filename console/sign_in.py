"""Signing in and out, and accepting an invitation: routes of the kind ``sign_in``, whose access has no tenant yet.

1. The form came from our own page, in this browser (`forms`).
2. This address may try this name now (`throttle`).
3. Name and password are checked in one step that takes as long for nobody as for somebody (`credentials`).
4. A new session begins, in one transaction with its entry in the tenant's own trail. A wrong password of a known member
   leaves an entry there too.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ..audit.staging import stage
from ..errors import AccessRequired, InvalidInput
from ..i18n import N_
from ..middleware.access import AUTHENTICATION, Access, Actor, current
from . import credentials, invitations, sessions
from .forms import check_origin, check_token, read_form
from .pages import Pages
from .throttle import Throttle
from .tokens import new_token, token_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from starlette.requests import Request

    from .credentials import Who
    from .host import Host
    from .rendering import Rendering

SESSION_COOKIE: Final = "amanah_console"
FORM_COOKIE: Final = "amanah_form"
JOIN_COOKIE: Final = "amanah_join"
_AT_ONCE: Final = 2  # each check of a password takes 19 MiB and a core
_FORM_AGE: Final = 3600
_WRONG: Final = N_("Name or password is wrong. If you work for several organisations, fill in the organisation too.")
_SLOW: Final = N_("Too many attempts. Wait {seconds} seconds and try again.")


class SignInPages(Pages):
    """Sign-in, sign-out, join."""

    def __init__(self, guard: Host, rendering: Rendering) -> None:
        super().__init__(guard, rendering)
        self.throttle = Throttle()
        self._limiter = CapacityLimiter(_AT_ONCE)

    # -- sign-in -----------------------------------------------------------------------------------------------------

    async def sign_in_form(self, request: Request) -> Response:
        """The form."""
        return self._form(request, "sign_in.html", here="/sign-in", done=request.query_params.get("joined") == "1")

    async def sign_in(self, request: Request) -> Response:
        """The form comes back (steps 1 to 4)."""
        fields = await self._own_form(request)  # 1
        organisation = fields.get("organisation", "").strip()
        name = fields.get("name", "").strip()
        address = _here().ip or ""
        key = await to_thread.run_sync(credentials.name_token, self.guard.keyring, f"{organisation}\n{name}")
        wait = math.ceil(self.throttle.wait(key, address))  # 2
        if wait:
            return self._again(request, fields, 429, _SLOW, seconds=wait)
        await anyio.sleep(self.throttle.delay(key))
        who, right = await to_thread.run_sync(  # 3
            credentials.authenticate,
            self.guard,
            organisation,
            name,
            fields.get("password", ""),
            limiter=self._limiter,
        )
        here = _here()
        if who is None or not right:
            self.throttle.wrong(key, address)
            if who is not None:
                await to_thread.run_sync(self._note_failure, here, who)
            return self._again(request, fields, 403, _WRONG)
        self.throttle.right(key, address)
        former = request.cookies.get(SESSION_COOKIE)
        token = await to_thread.run_sync(self._begin, here, who, former)  # 4
        response = self._to(request, "/")
        self._keep(request, response, SESSION_COOKIE, token)
        self._drop(request, response, FORM_COOKIE)
        return response

    def _begin(self, here: Access, who: Who, former: str | None) -> str:
        act = self._act(here, who, "console.sign_in")
        with self.guard.engine.begin() as connection:
            token = sessions.begin(connection, who, former)
            act(connection)
        return token

    def _note_failure(self, here: Access, who: Who) -> None:
        act = self._act(here, who, "console.sign_in_failed", refusal="sign-in-failed")
        with self.guard.engine.begin() as connection:
            act(connection)

    def _again(self, request: Request, fields: dict[str, str], status: int, message: str, **facts: object) -> Response:
        """The form with what was typed, except the password."""
        typed = {name: fields.get(name, "")[:200] for name in ("organisation", "name")}
        response = self._form(
            request, "sign_in.html", status=status, here="/sign-in", message=message, facts=facts, typed=typed
        )
        if "seconds" in facts:
            response.headers["retry-after"] = str(facts["seconds"])
        return response

    # -- sign-out ----------------------------------------------------------------------------------------------------

    async def sign_out(self, request: Request) -> Response:
        """End the session, in the database too."""
        fields = await read_form(request)
        check_origin(request)
        token = request.cookies.get(SESSION_COOKIE)
        session = await to_thread.run_sync(sessions.find, self.guard.engine, token)
        if session is not None:
            check_token(session.csrf, fields.get("csrf"))
            await to_thread.run_sync(self._end, _here(), session.who, token)
        response = self._to(request, "/sign-in")
        self._drop(request, response, SESSION_COOKIE)
        return response

    def _end(self, here: Access, who: Who, token: str | None) -> None:
        act = self._act(here, who, "console.sign_out")
        with self.guard.engine.begin() as connection:
            sessions.end(connection, token)
            act(connection)

    # -- join --------------------------------------------------------------------------------------------------------

    async def open_invitation(self, request: Request) -> Response:
        """Take the token out of the address at once: addresses stay in histories and logs."""
        response = self._to(request, "/join")
        token: str = request.path_params["token"]
        if token_hash(token) is not None:
            self._keep(request, response, JOIN_COOKIE, token, below="/join", age=_FORM_AGE)
        return response

    async def join_form(self, request: Request) -> Response:
        """The form in which a password is chosen, or what is wrong with the invitation."""
        return await self._join_form(request)

    async def _join_form(self, request: Request, status: int = 200, message: str = "") -> Response:
        found = await to_thread.run_sync(self._invitation, request.cookies.get(JOIN_COOKIE))
        if found is None:
            response: Response = self.show(request, "no_invitation.html", status=410, here="/join")
            self._drop(request, response, JOIN_COOKIE, below="/join")
            return response
        return self._form(request, "join.html", status=status, here="/join", invitation=found, message=message)

    def _invitation(self, token: str | None) -> invitations.Invitation | None:
        with self.guard.engine.connect() as connection:
            return invitations.look_up(connection, token)

    async def join(self, request: Request) -> Response:
        """Keep the password and use the invitation up."""
        fields = await self._own_form(request)
        password = fields.get("password", "")
        if password != fields.get("again"):
            return await self._join_form(request, 422, N_("The two passwords are not the same."))
        token = request.cookies.get(JOIN_COOKIE)
        try:
            await to_thread.run_sync(self._accept, _here(), token, password, limiter=self._limiter)
        except InvalidInput as error:
            return await self._join_form(request, 422, str(error.facts["detail"]))
        response = self._to(request, "/sign-in?joined=1")
        self._drop(request, response, JOIN_COOKIE, below="/join")
        self._drop(request, response, FORM_COOKIE)
        return response

    def _accept(self, here: Access, token: str | None, password: str) -> None:
        credentials.check_password(password)
        with self.guard.engine.connect() as connection:
            found = invitations.look_up(connection, token)
        # Made before the transaction: loading the tenant's keys must not wait for the lock that it holds.
        act = None if found is None else self._act(here, found.who, "console.join")
        with self.guard.engine.begin() as connection:
            invitations.accept(connection, token, password)
            if act is not None:
                act(connection)

    # -- what they share ---------------------------------------------------------------------------------------------

    def _act(self, here: Access, who: Who, act: str, refusal: str | None = None) -> Callable[[Connection], None]:
        """The entry of this act for the tenant's own trail, with the address sealed under the tenant's keys."""
        own = Access(
            kind="sign_in",
            tenant=who.tenant,
            actor=Actor(who.member, strength="" if refusal else "password"),
            purpose=AUTHENTICATION,
            route=here.route,
            request=here.request,
            ip=here.ip,
            agent=here.agent,
            cipher=self.guard.keyring.cipher(who.tenant),
        )
        kind, outcome = ("refusal", "refused") if refusal else ("access", "committed")
        entry = replace(own.entry(kind, outcome), refusal=refusal, detail={"act": act})
        return lambda connection: stage(connection, [entry])

    async def _own_form(self, request: Request) -> dict[str, str]:
        """Step 1. Raises `FormForged` and `FormTooLarge`."""
        fields = await read_form(request)
        check_origin(request)
        check_token(request.cookies.get(FORM_COOKIE), fields.get("csrf"))
        return fields

    def _form(self, request: Request, template: str, *, status: int = 200, **facts: object) -> HTMLResponse:
        """A page with a form, and the cookie that its token is compared with."""
        held = request.cookies.get(FORM_COOKIE)
        token = held if held is not None and token_hash(held) is not None else new_token()
        facts = {"message": "", "facts": {}, "typed": {}, "done": False, "csrf": token, **facts}
        response = self.show(request, template, status=status, **facts)
        self._keep(request, response, FORM_COOKIE, token, age=_FORM_AGE, site="strict")
        return response

    def _to(self, request: Request, path: str) -> RedirectResponse:
        return RedirectResponse(request.scope["root_path"] + path, 303)

    def _keep(
        self,
        request: Request,
        response: Response,
        name: str,
        value: str,
        *,
        below: str = "",
        age: int | None = None,
        site: str = "lax",
    ) -> None:
        """A cookie for the console's paths only, out of reach of scripts, and secure wherever the way is."""
        response.set_cookie(
            name,
            value,
            max_age=age,
            path=request.scope["root_path"] + below,
            httponly=True,
            secure=request.url.scheme == "https" or not self.guard.is_development,
            samesite="strict" if site == "strict" else "lax",
        )

    def _drop(self, request: Request, response: Response, name: str, *, below: str = "") -> None:
        response.delete_cookie(name, path=request.scope["root_path"] + below, httponly=True)


def _here() -> Access:
    """The sign-in access of this request."""
    access = current()
    if access is None:
        raise AccessRequired(resource="amanah.sign_in")
    return access
