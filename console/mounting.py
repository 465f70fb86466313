"""Beside the application: requests under one path go to the console, everything else to the application."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ..errors import ConfigurationError
from ..middleware.routes import RouteTable, public, route_path

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ..middleware.identify import Identity
    from .host import Host

_PATH: Final = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+")
_STATIC: Final = Path(__file__).parent / "static"


def mount(guard: Host, app: ASGIApp, path: str) -> ASGIApp:
    """``app`` with the console beside it, under ``path`` ("/amanah"). Raises `ConfigurationError` for another path."""
    if not _PATH.fullmatch(path):
        raise ConfigurationError(detail="the console's path is written like /amanah")
    pages = Starlette(routes=[Mount("/static", StaticFiles(directory=_STATIC))])
    table = RouteTable([public(f"GET {path}/static/{{file}}")])
    return _Beside(app, guard.guarded(_Rooted(pages, path), table, _nobody), path)


def _nobody(_connection: HTTPConnection) -> Identity | None:
    return None


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
        ours = scope["type"] == "http" and f"{route_path(scope)}/".startswith(f"{self.path}/")
        await (self.console if ours else self.app)(scope, receive, send)
