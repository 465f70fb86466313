"""Declarations of routes, and which of them a request falls under."""

from __future__ import annotations

import pytest

from amanah.errors import DeclarationError
from amanah.middleware.routes import RouteTable, public, route, sign_in

TABLE = RouteTable(
    [
        route("GET /invoices/{id}", "invoice", "read", ["billing"]),
        route("GET,POST /invoices", "invoice", "create", ["billing"]),
        route("GET /invoices/new", "invoice", "create", ["billing"]),
        route("GET /invoices/{number:int}", "number", "read", ["billing"]),
        route("GET /files/{rest:path}", "file", "read", ["billing"]),
        route("GET /files/{id}", "one", "read", ["billing"]),
        route("WEBSOCKET /queue", "queue", "read", ["care"]),
        public("GET /health"),
        sign_in("POST /login"),
    ]
)


def scope(path: str, method: str = "GET", **more: object) -> dict[str, object]:
    return {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": [], **more}


@pytest.mark.parametrize(
    "method, path, name",
    [
        ("GET", "/invoices/abc", "GET /invoices/{id}"),
        ("GET", "/invoices/7", "GET /invoices/{number:int}"),
        ("GET", "/invoices/new", "GET /invoices/new"),
        ("POST", "/invoices", "POST /invoices"),
        ("HEAD", "/invoices/abc", "GET /invoices/{id}"),
        ("GET", "/files/a/b", "GET /files/{rest:path}"),
        ("GET", "/files/a", "GET /files/{id}"),
        ("GET", "/health", "GET /health"),
        ("POST", "/login", "POST /login"),
    ],
)
def test_the_most_specific_declaration_answers(method, path, name):
    """A plain word goes before a typed parameter, that before any segment, and a whole path comes last."""
    found = TABLE.match(method, path)
    assert found is not None
    assert found.name == name


def test_of_two_declarations_that_are_as_specific_the_first_wins():
    """Order counts where nothing else does."""
    table = RouteTable([route("GET /{a}/x/{b}", "one", "read", ["p"]), route("GET /{a}/{b}/y", "two", "read", ["p"])])
    found = table.match("GET", "/1/x/y")
    assert found is not None
    assert found.resource == "one"


@pytest.mark.parametrize(
    "method, path", [("DELETE", "/invoices/7"), ("GET", "/nothing"), ("get", "/health"), ("GET", "")]
)
def test_what_is_not_declared_matches_nothing(method, path):
    """Another method, another path, another case of the method: no declaration."""
    assert TABLE.match(method, path) is None


def test_a_websocket_falls_under_websocket_declarations_only():
    """An HTTP request cannot borrow a WebSocket's declaration by inventing a method of that name."""
    found = TABLE.match_scope({"type": "websocket", "path": "/queue", "headers": []})
    assert found is not None
    assert found.resource == "queue"
    assert TABLE.match_scope(scope("/queue", "WEBSOCKET")) is None
    assert TABLE.match_scope(scope("/queue")) is None


def test_a_server_prefix_is_left_out_as_the_application_does():
    """Under root_path the rest of the path is what is declared (ASGI 2.3)."""
    found = TABLE.match_scope(scope("/api/health", root_path="/api"))
    assert found is not None
    assert found.kind == "public"
    assert TABLE.match_scope(scope("/apihealth", root_path="/api")) is None


@pytest.mark.parametrize(
    "pattern",
    ["/invoices", "GET invoices", "get /x", "GET /x/{id", "GET /x/{id:wat}", "GET /a//b", "GET /a/../b", "GET /a?b"],
)
def test_a_declaration_that_could_never_be_kept_is_refused(pattern):
    """Wrong declarations are found while the guard is built, not on a Monday morning."""
    with pytest.raises(DeclarationError):
        RouteTable([public(pattern)])


@pytest.mark.parametrize("purposes", ["billing", [], [""]])
def test_a_guarded_route_needs_purposes(purposes):
    """A lone text would be taken for letters, an empty list for none."""
    with pytest.raises(DeclarationError):
        route("GET /x", "x", "read", purposes)


def test_the_same_route_twice_is_refused():
    """Two declarations of one shape would leave one of them dead."""
    with pytest.raises(DeclarationError, match="are the same"):
        RouteTable([public("GET /x/{id}"), route("GET /x/{name}", "x", "read", ["p"])])


def test_a_head_of_its_own_does_not_follow_get():
    """HEAD follows GET only where nobody declared it."""
    table = RouteTable([public("GET /x"), route("HEAD /x", "x", "read", ["p"])])
    found = table.match("HEAD", "/x")
    assert found is not None
    assert found.kind == "guarded"


@pytest.mark.parametrize(
    "path, method, suggestion",
    [
        ("/customers/8113", "GET", "GET /customers/{id}"),
        ("/customers/budi.santoso@example.id/notes", "POST", "POST /customers/{id}/notes"),
        ("/invoices/abc", "PATCH", "PATCH /invoices/{id}"),
        ("/x", "QUITE\r\nWRONG", "METHOD /x"),
    ],
)
def test_a_suggestion_holds_no_value_of_the_request(path, method, suggestion):
    """What looks like a value becomes a parameter; a known path is suggested as it was declared."""
    assert TABLE.suggest(scope(path, method)) == suggestion
