"""ICONIX as an ASGI application: `uvicorn --factory iconix.app:create_app`; ICONIX_DATABASE_URL names the database."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from iconix import (
    auth,
    customers,
    invoices,
    orders,
    pages,
    patients,
    products,
    purchases,
    reports,
    settlements,
    visits,
    waiting,
)
from iconix.database import create_engine, create_sessions
from iconix.inputs import Invalid
from iconix.web import Answer, SignInNeeded, on_error, on_invalid, on_sign_in_needed

DEFAULT_DATABASE = "sqlite+aiosqlite:///iconix.db"
PARTS = (auth, customers, products, invoices, purchases, reports, patients, visits, waiting, orders, settlements)


async def health(_request: Request) -> Response:
    """GET /health: alive."""
    return Answer({"status": "ok"})


async def home(request: Request) -> Response:
    """GET /: what one can do here."""
    await auth.signed_in(request)
    return pages.render(request, "home.html", {})


def create_app(database_url: str | None = None, *, engine: AsyncEngine | None = None) -> Starlette:
    """Build the app on a database URL (else ICONIX_DATABASE_URL, else a file here), or on an engine that is given.

    An engine that is given stays open when the app stops. Tables are made by `iconix.migrate`, not here.
    """
    url = database_url or os.environ.get("ICONIX_DATABASE_URL") or DEFAULT_DATABASE
    own = engine if engine is not None else create_engine(url)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        if engine is None:
            await own.dispose()

    app = Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/", home, methods=["GET"]),
            *(route for part in PARTS for route in part.routes),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        exception_handlers={
            HTTPException: on_error,
            Invalid: on_invalid,
            SignInNeeded: on_sign_in_needed,
        },
        lifespan=lifespan,
    )
    app.state.engine = own
    app.state.sessions = create_sessions(own)
    return app
