"""Attack: be nobody, where the application itself tells who is not signed in."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Route

from amanah.middleware.access import current, require
from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

PATHS = ("/login-first", "/own-401", "/forgot", "/failed", "/touched", "/caught", "/broken", "/early")
ROUTES = [route(f"GET {path}", "customer", "read", ["billing"]) for path in PATHS]


def app() -> Starlette:
    """What an application does with somebody whom it does not know, and what it may have forgotten."""

    async def login_first(_: Any) -> Any:
        return RedirectResponse("/login", 303)

    async def own_401(_: Any) -> Any:
        return JSONResponse({"detail": "Token tidak berlaku"}, 401, headers={"WWW-Authenticate": "Bearer"})

    async def forgot(_: Any) -> Any:
        return PlainTextResponse("for members only")

    async def failed(_: Any) -> Any:
        return PlainTextResponse("for members only", 500)

    async def touched(_: Any) -> Any:
        current().may("customer", "read")
        assert current().snapshot is None
        assert current().tenant is None
        require("customer").cipher  # noqa: B018 - a key of a tenant
        return PlainTextResponse("for members only")

    async def caught(request: Any) -> Any:
        try:
            return await touched(request)
        except Exception:  # noqa: BLE001 - as careless as an application can be
            return PlainTextResponse("for members only")

    async def broken(_: Any) -> Any:
        raise ValueError("for members only")

    async def early(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 103, "headers": []})
        await send({"type": "http.response.body", "body": b"for members only"})

    class Early:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await early(scope, receive, send)

    names: dict[str, Any] = {
        "login-first": login_first, "own-401": own_401, "forgot": forgot, "failed": failed,
        "touched": touched, "caught": caught, "broken": broken, "early": Early(),
    }  # fmt: skip
    return Starlette(routes=[Route(f"/{name}", endpoint) for name, endpoint in names.items()])


async def test_the_applications_own_no_reaches_a_stranger(world: Any) -> None:
    """Its redirect to the login and its 401 leave as they are, and the trail has the refusal."""
    guarded = world.gate(app(), ROUTES, answers_strangers=True)
    status, headers, _ = await sys.modules["gate_world"].call(guarded, "/login-first")
    assert (status, headers["location"]) == (303, "/login")
    status, headers, body = await sys.modules["gate_world"].call(guarded, "/own-401")
    assert (status, headers["www-authenticate"], body) == (401, "Bearer", b'{"detail":"Token tidak berlaku"}')
    told = [(entry["refusal"], entry["status"], entry["route"]) for entry in world.entries()]
    assert told == [("not-identified", 303, "GET /login-first"), ("not-identified", 401, "GET /own-401")]


@pytest.mark.parametrize("path", PATHS[2:])
async def test_a_stranger_gets_nothing_else_out_of_it(world: Any, path: str) -> None:
    """A handler that forgot to ask, fails, or touches what is protected: the gate answers instead of it."""
    guarded = world.gate(app(), ROUTES, answers_strangers=True)
    status, headers, body = await sys.modules["gate_world"].call(guarded, path)
    assert (status, headers["content-type"]) == (401, "application/problem+json")
    assert b"members only" not in body
    assert {entry["refusal"] for entry in world.entries()} == {"not-identified"}


async def test_it_has_to_be_asked_for(world: Any) -> None:
    """By default the application does not even run."""
    status, headers, _ = await sys.modules["gate_world"].call(world.gate(app(), ROUTES), "/login-first")
    assert (status, "location" in headers) == (401, False)


async def test_what_cannot_be_recorded_is_not_answered(world: Any) -> None:
    """Without the trail a stranger gets 503, and not the application's redirect."""
    guarded = world.gate(app(), ROUTES, answers_strangers=True)
    world.break_trail()
    status = 0
    try:
        status, _, _ = await sys.modules["gate_world"].call(guarded, "/login-first")
    except Exception as error:  # noqa: BLE001 - the gate answers and then tells the server
        pytest.fail(repr(error))
    assert status == 503
