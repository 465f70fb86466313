"""Signing in: a session cookie for the pages, a bearer token for the mobile app. Only hashes of tokens are kept."""

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from iconix import pages
from iconix.database import SessionFactory
from iconix.inputs import Fields
from iconix.models import Account, LoginToken, now
from iconix.pages import MEMO, TASKS
from iconix.passwords import matches
from iconix.web import Answer, SignInNeeded, database, json_fields

COOKIE = "iconix_session"
FORM_COOKIE = "iconix_form"  # protects the sign-in form, when there is no session yet
LIFETIME = dt.timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, as far as one query tells."""

    account_id: str
    tenant_id: str
    role: str
    purpose: str | None
    kind: str  # bearer | session
    token_id: str
    csrf: str | None
    locale: str


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _token(connection: HTTPConnection) -> tuple[str, str] | None:
    """Return the kind and text of the token that came along; a header goes before a cookie."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme:
        return ("bearer", token.strip()) if scheme.lower() == "bearer" else None
    cookie = connection.cookies.get(COOKIE)
    return ("session", cookie) if cookie else None


async def current_account(connection: HTTPConnection, sessions: SessionFactory | None = None) -> SignedIn | None:
    """Return who is signed in, or None. Asked again for the same request it answers from memory.

    It uses a database session of its own: who asks is settled before the work begins. `sessions` is for callers that
    stand outside the app, where the connection does not know the app yet.
    """
    if MEMO not in connection.scope:
        token = _token(connection)
        connection.scope[MEMO] = await _find(sessions or connection.app.state.sessions, *token) if token else None
    found: SignedIn | None = connection.scope[MEMO]
    return found


async def _find(sessions: SessionFactory, kind: str, token: str) -> SignedIn | None:
    owner = (Account.tenant_id == LoginToken.tenant_id) & (Account.id == LoginToken.account_id)
    query = (
        select(
            Account.id,
            Account.tenant_id,
            Account.role,
            Account.locale,
            LoginToken.id.label("token_id"),
            LoginToken.purpose,
            LoginToken.csrf,
            LoginToken.expires_at,
        )
        .join(Account, owner)
        .where(LoginToken.token_hash == _hash(token), LoginToken.kind == kind, Account.active.is_(True))
    )
    async with sessions() as session:
        row = (await session.execute(query)).first()
    if row is None or row.expires_at <= now():
        return None
    return SignedIn(row.id, row.tenant_id, row.role, row.purpose, kind, row.token_id, row.csrf, row.locale)


async def signed_in(request: Request) -> SignedIn:
    """Return who is signed in, or raise SignInNeeded.

    A program in a page that changes something must send the session's token as `X-CSRF-Token`; a form sends a field.
    """
    me = await current_account(request)
    if me is None:
        raise SignInNeeded
    if me.kind == "session" and request.method not in ("GET", "HEAD") and request.url.path.startswith("/api/"):
        _compare(request.headers.get("x-csrf-token"), me.csrf)
    return me


async def signed_form(request: Request, me: SignedIn) -> Fields:
    """Read a form that was sent by a page of ours; HTTPException 403 for any other."""
    form = await request.form(max_files=0, max_fields=100)
    data = {name: value for name, value in form.items() if isinstance(value, str)}
    _compare(data.get("csrf"), me.csrf)
    return Fields(data)


def _compare(given: str | None, expected: str | None) -> None:
    if not given or not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise HTTPException(403, "This form has expired. Load the page again.")


async def _check_login(session: AsyncSession, fields: Fields) -> tuple[str, str] | None:
    """Return tenant and account for e-mail address and password; None where they do not match just one account."""
    email = (fields.maybe_text("email", 254) or "").lower()
    password = fields.data.get("password")
    company = fields.maybe_text("company", 64)
    query = select(Account.tenant_id, Account.id, Account.password_hash).where(Account.email == email)
    if company:
        query = query.where(Account.tenant_id == company)
    found = (await session.execute(query.where(Account.active.is_(True)).limit(5))).all()
    if not isinstance(password, str) or not found:
        await matches("", None)
        return None
    right = [(row.tenant_id, row.id) for row in found if await matches(password, row.password_hash)]
    return right[0] if len(right) == 1 else None


async def _sign_in(session: AsyncSession, tenant_id: str, account_id: str, kind: str) -> str:
    """Keep a new token's hash and return the token."""
    token = secrets.token_urlsafe(32)
    session.add(
        LoginToken(
            tenant_id=tenant_id,
            account_id=account_id,
            kind=kind,
            token_hash=_hash(token),
            csrf=secrets.token_urlsafe(24) if kind == "session" else None,
            expires_at=now() + LIFETIME,
        )
    )
    await session.commit()
    return token


async def api_login(request: Request) -> Response:
    """POST /api/login {email, password, company?}: a bearer token for twelve hours."""
    fields = await json_fields(request)
    async with database(request) as session:
        account = await _check_login(session, fields)
        if account is None:
            return Answer({"error": "E-mail address or password is wrong."}, 401)
        token = await _sign_in(session, *account, "bearer")
    lifetime = int(LIFETIME.total_seconds())
    return Answer({"access_token": token, "token_type": "Bearer", "expires_in": lifetime, "company": account[0]})


async def login_page(request: Request) -> Response:
    """GET /login: the form."""
    return _login_form(request, {}, status=200)


def _login_form(request: Request, values: dict[str, object], status: int) -> Response:
    token = secrets.token_urlsafe(24)
    target = request.query_params.get("next", "")
    response = pages.render(request, "login.html", {"form_token": token, "next": target, **values}, status=status)
    _set_cookie(request, response, FORM_COOKIE, token)
    return response


def _set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


async def login(request: Request) -> Response:
    """POST /login: start a session of the pages."""
    form = await request.form(max_files=0, max_fields=20)
    fields = Fields({name: value for name, value in form.items() if isinstance(value, str)})
    _compare(fields.data.get("csrf"), request.cookies.get(FORM_COOKIE))
    async with database(request) as session:
        account = await _check_login(session, fields)
        if account is None:
            values = {"wrong": True, "email": fields.data.get("email", ""), "next": fields.data.get("next", "")}
            return _login_form(request, values, status=401)
        token = await _sign_in(session, *account, "session")
    response = RedirectResponse(_inside(fields.data.get("next", "")), 303)
    _set_cookie(request, response, COOKIE, token)
    response.delete_cookie(FORM_COOKIE)
    return response


def _inside(target: str) -> str:
    """Return the target if it is a path of this app, so that a link cannot lead elsewhere after signing in."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe else "/"


async def logout(request: Request) -> Response:
    """POST /logout: end the session."""
    me = await signed_in(request)
    if me.kind == "session":
        await signed_form(request, me)
    async with database(request) as session:
        await session.execute(
            delete(LoginToken)
            .where(LoginToken.tenant_id == me.tenant_id, LoginToken.id == me.token_id)
            .execution_options(synchronize_session=False)
        )
        await session.commit()
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


async def choose_task(request: Request) -> Response:
    """POST /purpose: remember what the person is working on, until the session ends."""
    me = await signed_in(request)
    fields = await signed_form(request, me)
    task = fields.choice("task", ("", *TASKS), default="")
    fields.check()
    async with database(request) as session:
        await session.execute(
            update(LoginToken)
            .where(LoginToken.tenant_id == me.tenant_id, LoginToken.id == me.token_id)
            .values(purpose=task or None)
            .execution_options(synchronize_session=False)
        )
        await session.commit()
    return RedirectResponse(_inside(fields.data.get("next", "")), 303)


routes = [
    Route("/login", login_page, methods=["GET"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Route("/purpose", choose_task, methods=["POST"]),
    Route("/api/login", api_login, methods=["POST"]),
]
