"""What `amanah init` sees of an application's routes, and what it guesses about them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import Column, Integer, MetaData, String, Table
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor, register_url_convertor
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from amanah.adoption.init_app import surface
from amanah.adoption.init_routes import guess_routes
from amanah.adoption.init_tables import guess_tables
from amanah.errors import ReferenceWrong
from amanah.middleware.asgi import AmanahMiddleware
from amanah.middleware.routes import RouteTable, public, route


async def answer(request):
    """Never called."""
    raise AssertionError


class Both(HTTPEndpoint):
    async def get(self, request):
        raise AssertionError

    async def post(self, request):
        raise AssertionError


def tables():
    """Tables with a login, invoices and payments."""
    metadata = MetaData()
    for name in ("pengguna", "invoice", "payment", "category", "cod_order"):
        Table(name, metadata, Column("id", Integer, primary_key=True), Column("tenant_id", Integer))
    for column in ("email", "sandi_hash"):
        metadata.tables["pengguna"].append_column(Column(column, String))
    return guess_tables(metadata, "m")


def guess(app):
    """Pattern → (kind, resource, action)."""
    found = guess_routes(surface(app, "m:app"), tables())
    return {one.pattern: (one.kind, one.resource, one.action) for one in found.routes}


def guess_one(path, *methods):
    """The guess about a single route."""
    [(pattern, found)] = guess(Starlette(routes=[Route(path, answer, methods=methods or ["GET"])])).items()
    assert pattern == f"{','.join(methods or ['GET'])} {path}"
    return found


def test_routes_are_found_however_deep_they_are_nested(tmp_path):
    """Mounts, routers, hosts, WebSockets, static files and classes; what another application answers is one route."""

    async def opaque(scope, receive, send):
        raise AssertionError

    app = Starlette(
        routes=[
            Mount("/api", routes=[Mount("/v1", app=Router([Route("/invoices/{id:int}", answer)]))]),
            Mount("/files", app=StaticFiles(directory=tmp_path)),
            Mount("/old", app=opaque),
            Host("api.shop.example", app=Router([Route("/payments", Both)])),
            WebSocketRoute("/live", answer),
        ]
    )
    assert guess(app) == {
        "GET /api/v1/invoices/{id:int}": ("guarded", "invoice", "read"),
        "GET /files/{path:path}": ("public", "", ""),
        "GET /old/{path:path}": ("guarded", "old", "read"),
        "POST,PUT,PATCH /old/{path:path}": ("guarded", "old", "update"),
        "DELETE /old/{path:path}": ("guarded", "old", "delete"),
        "GET /payments": ("guarded", "payment", "read"),
        "POST /payments": ("guarded", "payment", "create"),
        "WEBSOCKET /live": ("guarded", "live", "read"),
    }


def test_included_routers_of_fastapi_are_found_with_their_documentation():
    """Also routers within routers."""
    inner, outer = APIRouter(prefix="/{id}"), APIRouter(prefix="/invoices")
    inner.add_api_route("/payments", answer, methods=["POST"])
    outer.include_router(inner)
    app = FastAPI()
    app.include_router(outer, prefix="/api")
    found = guess(app)
    assert found["POST /api/invoices/{id}/payments"] == ("guarded", "payment", "create")
    assert found["GET /openapi.json"][0] == found["GET /docs/oauth2-redirect"][0] == "public"


@pytest.mark.parametrize("how", ["settings", "around", "mounted"])
def test_preflights_are_public_where_cors_is_answered(how):
    """Wherever the middleware stands: a browser's OPTIONS carries no login."""
    cors = Middleware(CORSMiddleware, allow_origins=["https://app.example"])
    routes = [Route("/invoices", answer)]
    if how == "settings":
        app, path = Starlette(routes=routes, middleware=[cors]), "/{path:path}"
    elif how == "around":
        app, path = CORSMiddleware(Starlette(routes=routes), allow_origins=["*"]), "/{path:path}"
    else:
        app, path = Starlette(routes=[Mount("/api", routes=routes, middleware=[cors])]), "/api/{path:path}"
    assert guess(app)[f"OPTIONS {path}"] == ("public", "", "")


def test_no_preflight_is_public_without_cors():
    """Nothing is declared that the application does not have."""
    assert list(guess(Starlette(routes=[Route("/invoices", answer)]))) == ["GET /invoices"]


def test_the_session_cookie_is_found():
    """By the name that the application gave it, in its settings or around it."""
    app = Starlette(routes=[Route("/", answer)])
    assert surface(app, "m").session_cookie is None
    assert surface(SessionMiddleware(app, "key", session_cookie="sinar"), "m").session_cookie == "sinar"


@pytest.mark.parametrize(
    "path", ["/health", "/api/healthz", "/api/v1/ping", "/metrics", "/docs", "/favicon.ico", "/robots.txt"]
)
def test_infrastructure_is_public(path):
    """By its whole path."""
    assert guess_one(path) == ("public", "", "")


@pytest.mark.parametrize(
    "path", ["/invoices/{id}/status", "/patients/health", "/{health}", "/docs/{id}", "/payments/metrics", "/files"]
)
def test_nothing_else_is_guessed_to_be_public(path):
    """A word of infrastructure inside a path proves nothing."""
    assert guess_one(path)[0] == "guarded"


def test_a_post_is_never_guessed_to_be_public():
    """Also under a path of infrastructure."""
    assert guess_one("/status", "POST")[0] == "guarded"


@pytest.mark.parametrize(
    "path", ["/login", "/api/v1/login", "/logout", "/auth/token", "/token", "/masuk", "/akun/keluar", "/oauth/callback"]
)
def test_a_login_is_a_sign_in_route(path):
    """In English and Indonesian."""
    assert guess_one(path, "POST") == ("sign_in", "", "")


@pytest.mark.parametrize("path", ["/barang/keluar", "/invoices/{id}/token", "/surat/masuk", "/{id}/login", "/register"])
def test_a_word_of_a_login_elsewhere_is_no_sign_in_route(path):
    """Goods go out (keluar) and letters come in (masuk) as well."""
    assert guess_one(path, "POST")[0] == "guarded"


@pytest.mark.parametrize(
    "path, resource",
    [
        ("/callback/payment", "payment"),
        ("/payments/callback", "payment"),
        ("/webhooks/stripe", "stripe"),
        ("/midtrans/notification", "midtrans"),
        ("/invoice-webhook", "invoice_webhook"),
    ],
)
def test_what_another_system_calls_is_guarded_and_told_apart(path, resource):
    """It touches tables, so it is neither public nor a sign-in route."""
    assert guess_one(path, "POST") == ("callback", resource, "create")


@pytest.mark.parametrize(
    "method, path, resource, action",
    [
        ("GET", "/invoices", "invoice", "read"),
        ("GET", "/invoices/export.csv", "invoice", "read"),
        ("GET", "/invoices/new", "invoice", "create"),
        ("GET", "/invoices/{id}/edit", "invoice", "update"),
        ("POST", "/invoices", "invoice", "create"),
        ("POST", "/invoices/search", "invoice", "read"),
        ("POST", "/invoices/{id}", "invoice", "update"),
        ("POST", "/invoices/{id}/hapus", "invoice", "delete"),
        ("POST", "/invoices/{id}/remind", "invoice", "update"),
        ("POST", "/invoices/{id}/payments", "payment", "create"),
        ("PUT", "/invoices/{id}", "invoice", "update"),
        ("PATCH", "/invoices/{id}", "invoice", "update"),
        ("DELETE", "/invoices/{id}", "invoice", "delete"),
        ("GET", "/categories", "category", "read"),
        ("GET", "/orders", "cod_order", "read"),
        ("GET", "/cod-orders", "cod_order", "read"),
        ("GET", "/api/me", "pengguna", "read"),
        ("GET", "/reports/monthly", "reports", "read"),
        ("GET", "/", "answer", "read"),
    ],
)
def test_resource_and_action_follow_path_and_method(method, path, resource, action):
    """The last word that a table is called by; a verb before the method."""
    assert guess_one(path, method) == ("guarded", resource, action)


def test_a_route_without_login_beside_others_with_one_is_told():
    """Not guessed to be public: it may touch a table."""
    app = FastAPI(openapi_url=None)
    oauth2 = OAuth2PasswordBearer(tokenUrl="token")
    app.add_api_route("/invoices", answer, dependencies=[Depends(oauth2)])
    app.add_api_route("/categories", answer)
    notes = {one.path: one.note for one in guess_routes(surface(app, "m"), tables()).routes}
    assert notes["/invoices"] == ""
    assert "asks for no login here" in notes["/categories"]


def test_the_first_of_two_routes_for_the_same_request_counts():
    """As in the application's own router; two declarations of one shape would not start."""
    app = Starlette(
        routes=[
            Route("/invoices/{id}", answer, methods=["GET"]),
            Route("/invoices/{number}", answer, methods=["GET", "POST"]),
            Route("/invoices/{id:int}", answer, methods=["GET"]),
        ]
    )
    found = guess(app)
    assert list(found) == ["GET /invoices/{id}", "POST /invoices/{number}", "GET /invoices/{id:int}"]
    RouteTable(public(one) if kind == "public" else route(one, "a", "b", ["c"]) for one, (kind, _, _) in found.items())


def test_a_parameter_of_the_applications_own_kind_is_spelled_as_a_known_one():
    """A declaration with an unknown kind would not start."""

    class Code(Convertor):
        regex = "[A-Z]{3}"

        def convert(self, value):
            return value

        def to_string(self, value):
            return value

    class Rest(Code):
        regex = "[a-z/]+"

    register_url_convertor("amanahcode", Code())
    register_url_convertor("amanahrest", Rest())
    try:
        app = Starlette(routes=[Route("/a/{x:amanahcode}", answer), Route("/b/{x:amanahrest}", answer)])
        assert list(guess(app)) == ["GET /a/{x}", "GET /b/{x:path}"]
    finally:
        for name in ("amanahcode", "amanahrest"):
            with suppress(KeyError):
                del CONVERTOR_TYPES[name]


def test_an_application_behind_amanah_is_refused():
    """What is protected already has its declarations."""
    behind = AmanahMiddleware.__new__(AmanahMiddleware)
    with pytest.raises(ReferenceWrong, match="behind Amanah already"):
        surface(SessionMiddleware(behind, "key"), "m:app")


def test_an_application_that_shows_no_routes_is_refused():
    """Nothing could be declared for it."""

    async def opaque(scope, receive, send):
        raise AssertionError

    with pytest.raises(ReferenceWrong, match="shows no routes"):
        surface(opaque, "m:app")
