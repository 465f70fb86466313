"""Attack: write a path so that the gate reads one route and the application serves another."""

from __future__ import annotations

import json
import sys
from urllib.parse import unquote_to_bytes

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from amanah.middleware.access import current
from amanah.middleware.routes import public, route

pytestmark = pytest.mark.anyio

ROUTES = [
    public("GET /health"),
    public("GET /static/{rest:path}"),
    route("GET /customers/{id}", "customer", "read", ["billing"]),
    route("GET /invoices", "invoice", "read", ["billing"]),
]

TRICKS = [
    "//customers/7", "/./customers/7", "/static/../customers/7", "/static/..%2Fcustomers/7",
    "/static/%2e%2e/customers/7",
    "/customers%2F7", "/static%2Fx", "/customers/7/", "/customers/", "/invoices/", "/Customers/7", "/INVOICES",
    "/static/..\\customers\\7", "/static/%5c..%5ccustomers", "/health%00", "/health%0a", "/health%0d%0a", "/health/",
    "/health/../invoices", "/health;/../invoices", "/customers/7%2F..%2F..%2Finvoices", "/customers/%2e%2e",
    "/static//x",
    "/customers//7", "/health?/../invoices", "/health#x", "", "*", "/%68ealth%2f", "/health%c0%af",
]  # fmt: skip


def served(name):
    async def endpoint(_):
        return PlainTextResponse(f"{name}|{current().route}")

    return endpoint


APP = Starlette(
    routes=[
        Route("/health", served("GET /health")),
        Mount("/static", routes=[Route("/{rest:path}", served("GET /static/{rest:path}"))]),
        Route("/customers/{id}", served("GET /customers/{id}")),
        Route("/invoices", served("GET /invoices")),
    ]
)


@pytest.mark.parametrize("target", TRICKS)
async def test_a_path_trick_never_borrows_another_route_s_declaration(world, target):
    """Either it is refused, or the application served the very route that was declared for it."""
    path = unquote_to_bytes(target).decode("utf-8", "replace")
    status, _, body = await sys.modules["gate_world"].call(
        world.gate(APP, ROUTES), path, user="toko/rina", raw_path=target.encode()
    )
    if status == 200:
        chosen, declared = body.decode().split("|")
        assert chosen == declared
    else:
        assert status in {401, 403, 404}


@pytest.mark.parametrize(
    "target", ["//customers/7", "/static/../customers/7", "/static/..%2Fcustomers/7", "/customers/7/"]
)
async def test_an_ambiguous_path_is_refused_by_the_gate_itself(world, target):
    """Without relying on what this or that framework makes of it."""
    path = unquote_to_bytes(target).decode()
    _, _, body = await sys.modules["gate_world"].call(
        world.gate(APP, ROUTES), path, user="toko/rina", raw_path=target.encode()
    )
    assert json.loads(body)["code"] == "route-undeclared"


@pytest.mark.parametrize("method", ["DELETE", "POST", "OPTIONS", "TRACE", "get", "GET ", "WEBSOCKET"])
async def test_an_undeclared_method_on_a_declared_path_is_refused(world, method):
    """GET was declared, nothing else; the refusal does not hang on who asks."""
    for user in ("toko/rina", None):
        _, _, body = await sys.modules["gate_world"].call(
            world.gate(APP, ROUTES), "/invoices", method=method, user=user
        )
        assert json.loads(body)["code"] == "route-undeclared"
    assert {entry["refusal"] for entry in world.entries()} == {"route-undeclared"}
