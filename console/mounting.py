"""Beside the application: requests under one path go to the console, everything else to the application.

The console has no authority of its own. Each page is a declared route with resource, action and purpose behind a gate
of the same make as the application's, decided by the same policy, recorded in the same trail.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..errors import ConfigurationError, Unavailable
from ..middleware.access import Actor
from ..middleware.identify import Identity
from ..middleware.routes import RouteTable, public, route, route_path, sign_in
from . import sessions
from .browser import Browser
from .pages import ACTION, PURPOSE, RESOURCE, SESSION, TrailPages
from .rendering import STATIC, Rendering
from .sign_in import SESSION_COOKIE, SignInPages

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..middleware.identify import Identify
    from .host import Host

_PATH: Final = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+")


def mount(guard: Host, app: ASGIApp, path: str) -> ASGIApp:
    """``app`` with the console beside it, under ``path`` ("/amanah"). Raises `ConfigurationError` for another path."""
    if not _PATH.fullmatch(path):
        raise ConfigurationError(detail="the console's path is written like /amanah")
    rendering = Rendering()
    console = guard.guarded(_Rooted(_pages(guard, rendering), path), declarations(path), _identify_by(guard))
    return _Beside(app, Browser(console, path, rendering), path)


def declarations(path: str) -> RouteTable:
    """What each page of the console under ``path`` is for."""
    return RouteTable(
        [
            public(f"GET {path}/static/{{file}}"),
            sign_in(f"GET,POST {path}/sign-in"),
            sign_in(f"POST {path}/sign-out"),
            sign_in(f"GET,POST {path}/join"),
            sign_in(f"GET {path}/join/{{token}}"),
            route(f"GET {path}/", RESOURCE, ACTION, [PURPOSE]),
            route(f"GET {path}/entries/{{id}}", RESOURCE, ACTION, [PURPOSE]),
        ]
    )


def _pages(guard: Host, rendering: Rendering) -> Starlette:
    trail, signing = TrailPages(guard, rendering), SignInPages(guard, rendering)
    return Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/sign-in", signing.sign_in_form, methods=["GET"]),
            Route("/sign-in", signing.sign_in, methods=["POST"]),
            Route("/sign-out", signing.sign_out, methods=["POST"]),
            Route("/join", signing.join_form, methods=["GET"]),
            Route("/join", signing.join, methods=["POST"]),
            Route("/join/{token}", signing.open_invitation, methods=["GET"]),
            Route("/", trail.trail, methods=["GET"]),
            Route("/entries/{id}", trail.entry, methods=["GET"]),
        ]
    )


def _identify_by(guard: Host) -> Identify:
    def identify(connection: HTTPConnection) -> Identity | None:
        """Who is signed in to the console. A plain function: it reads the database, so the gate runs it in a thread."""
        try:
            session = sessions.find(guard.engine, connection.cookies.get(SESSION_COOKIE))
        except SQLAlchemyError as error:
            raise Unavailable from error
        if session is None:
            return None
        connection.scope[SESSION] = session
        return Identity(session.who.tenant, Actor(session.who.member, strength="password"), PURPOSE)

    return identify


class _Rooted:
    """The pages see only what follows the mount (ASGI's ``root_path``); the gate and the trail see the whole path."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "root_path": scope.get("root_path", "") + self.path}, receive, send)


class _Beside:
    """The fork in the road. WebSocket and lifespan are the application's."""

    def __init__(self, app: ASGIApp, console: ASGIApp, path: str) -> None:
        self.app = app
        self.console = console
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{(asked := route_path(scope))}/".startswith(f"{self.path}/"):
            await self.app(scope, receive, send)
            return
        if asked == self.path:  # the console's front page, written without its slash
            scope = {**scope, "path": f"{scope['path']}/", "raw_path": (scope.get("raw_path") or b"") + b"/"}
        await self.console(scope, receive, send)
