"""What the pages and the API share: templates, the database session of a request, and who is logged in."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from anyio import from_thread
from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .config import FOLDER
from .db import SessionLocal
from .models import Base, Pengguna

Handler = Callable[[Request, Session, Pengguna], Any]
Endpoint = Callable[[Request], Response]
Model = TypeVar("Model", bound=Base)
Schema = TypeVar("Schema", bound=BaseModel)

templates = Jinja2Templates(directory=FOLDER / "templates")


def rupiah(jumlah: Any) -> str:
    return f"Rp{int(jumlah or 0):,}".replace(",", ".")


templates.env.filters["rupiah"] = rupiah


def page(request: Request, name: str, status_code: int = 200, **context: Any) -> Response:
    return templates.TemplateResponse(request, name, context, status_code=status_code)


def form_data(request: Request) -> FormData:
    """Read the posted form from a handler that runs in the thread pool."""
    return from_thread.run(request.form)


def json_body(request: Request, schema: type[Schema]) -> Schema:
    """Read the posted JSON from a handler that runs in the thread pool."""
    try:
        return schema.model_validate_json(from_thread.run(request.body))
    except ValidationError as error:
        raise HTTPException(422, error.json(include_url=False, include_input=False)) from error


def logged_in(request: Request, session: Session) -> Pengguna | None:
    pengguna_id = request.session.get("pengguna_id")
    if pengguna_id is None:
        return None
    return session.scalars(select(Pengguna).where(Pengguna.id == pengguna_id, Pengguna.aktif)).one_or_none()


def owned(session: Session, model: type[Model], row_id: int, pengguna: Pengguna) -> Model:
    """Return the row if it belongs to the user's company; to everybody else it does not exist."""
    row = session.query(model).filter_by(id=row_id, perusahaan_id=pengguna.perusahaan_id).one_or_none()
    if row is None:
        raise HTTPException(404)
    return row


def halaman(*peran: str) -> Callable[[Handler], Endpoint]:
    """Make a page for logged-in users with one of these roles (or any); it is committed before the answer leaves."""

    def decorate(handler: Handler) -> Endpoint:
        @wraps(handler)
        def endpoint(request: Request) -> Response:
            with SessionLocal() as session:
                pengguna = logged_in(request, session)
                if pengguna is None:
                    return RedirectResponse("/login", 303)
                if peran and pengguna.peran not in peran:
                    raise HTTPException(403)
                request.state.pengguna = pengguna
                response = handler(request, session, pengguna)
                session.commit()
                return response

        return endpoint

    return decorate


def api(*peran: str) -> Callable[[Handler], Endpoint]:
    """Make an API endpoint; `SessionPerRequest` has opened its session and will commit it."""

    def decorate(handler: Handler) -> Endpoint:
        @wraps(handler)
        def endpoint(request: Request) -> Response:
            session: Session = request.state.db
            pengguna = logged_in(request, session)
            if pengguna is None:
                raise HTTPException(401)
            if peran and pengguna.peran not in peran:
                raise HTTPException(403)
            answer = handler(request, session, pengguna)
            return answer if isinstance(answer, Response) else as_json(answer)

        return endpoint

    return decorate


def as_json(answer: BaseModel | list[Any], status_code: int = 200) -> JSONResponse:
    rows = (
        [row.model_dump(mode="json") for row in answer] if isinstance(answer, list) else answer.model_dump(mode="json")
    )
    return JSONResponse(rows, status_code)


class SessionPerRequest:
    """Middleware of the API: one session per request, committed after the answer was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        session = SessionLocal()
        scope.setdefault("state", {})["db"] = session
        try:
            await self.app(scope, receive, watched)
            await run_in_threadpool(session.commit if status < 400 else session.rollback)  # noqa: PLR2004
        finally:
            await run_in_threadpool(session.close)
