"""What the console needs of the guard: the guard stands above it, so it is known here by its shape only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.types import ASGIApp

    from ..audit.checkpoints import SignerKey
    from ..audit.outside import Outside
    from ..encryption.keyring import Keyring
    from ..middleware.asgi import AmanahMiddleware
    from ..middleware.identify import Identify
    from ..middleware.routes import RouteTable
    from ..settings import Settings
    from ..tenants.directory import Directory


class Host(Protocol):
    """`amanah.guard.Guard`, as far as the console uses it."""

    engine: Engine
    trail_engine: Engine
    keyring: Keyring
    directory: Directory
    signer: SignerKey
    settings: Settings
    is_development: bool

    @property
    def outside(self) -> Outside | None:
        """Where checkpoints are kept outside the database."""

    def guarded(self, app: ASGIApp, routes: RouteTable, identify: Identify) -> AmanahMiddleware:
        """``app`` behind the HTTP gate with its own routes and its own answer to who is asking."""
