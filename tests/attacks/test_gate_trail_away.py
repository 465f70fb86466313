"""Attack: read while the trail cannot be written, so that nobody will ever know."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from amanah import errors
from amanah.audit.entries import What
from amanah.middleware.access import current, require
from amanah.middleware.routes import public, route

pytestmark = pytest.mark.anyio

ROUTES = [route("GET /customers/{id}", "customer", "read", ["support"]), public("GET /health")]


def read():
    current().notes.add(What("customer", "read", columns=("phone",), rows=("7",), count=1))


def app(handler):
    return Starlette(routes=[Route("/customers/{id}", handler), Route("/health", handler)])


async def attempt(world, handler, path="/customers/7", user="toko/sari"):
    sent: list = []
    error = None
    try:
        await sys.modules["gate_world"].raw(world.gate(app(handler), ROUTES), sent, path, user=user)
    except Exception as raised:  # noqa: BLE001 - whatever the server would have seen
        error = raised
    return sent, error


async def phone(_):
    read()
    return PlainTextResponse("0812-3456-7890")


async def test_not_one_byte_leaves_when_the_trail_is_away(world):
    """503, and the answer that the handler made is gone."""
    world.break_trail()
    sent, error = await attempt(world, phone)
    assert error is None
    assert [message.get("status") for message in sent] == [503, None]
    assert json.loads(sent[1]["body"])["code"] in {"trail-unavailable", "database-not-migrated"}
    assert b"0812" not in sent[1]["body"]


async def test_a_handler_that_swallows_the_failure_gets_nothing_out_either(world):
    """Whatever it sends after the gate gave up is dropped."""

    async def stubborn(scope, receive, send):
        read()
        for _ in range(3):
            try:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"0812-3456-7890"})
            except errors.AmanahError:
                continue

    world.break_trail()
    sent: list = []
    await sys.modules["gate_world"].raw(world.gate(stubborn, ROUTES), sent, "/customers/7", user="toko/sari")
    assert [message.get("status") for message in sent] == [503, None]
    assert b"0812" not in sent[1]["body"]


async def test_a_stream_is_cut_when_the_trail_dies_in_the_middle(world):
    """What was on record before has left; nothing after it, and the server is told to close the connection."""
    produced = []

    async def rows():
        for number in range(5):
            if number == 2:
                world.break_trail()
            read()
            produced.append(number)
            yield f"row {number};".encode()

    async def stream(_):
        return StreamingResponse(rows())

    sent: list = []
    gate = world.gate(app(stream), ROUTES)
    never = asyncio.Event()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/customers/7",
        "scheme": "http",
        "headers": [(b"x-user", b"toko/sari")],
    }
    with pytest.raises(Exception) as raised:  # noqa: PT011 - a group or the error itself, as the framework has it
        await gate(scope, never.wait, send)
    assert raised.value is not None
    assert [message.get("body") for message in sent] == [None, b"row 0;", b"row 1;"]
    assert all(message.get("more_body") for message in sent[1:])
    assert produced == [0, 1, 2]


async def test_a_refusal_that_cannot_be_recorded_is_a_503(world):
    """Trying doors while the trail is away tells nothing about the doors."""
    world.break_trail()
    for path, user in (("/customers/7", None), ("/customers/7", "toko/tono"), ("/nothing", None)):
        sent, error = await attempt(world, phone, path, user)
        assert error is None
        assert sent[0]["status"] == 503


async def test_a_change_whose_answer_is_stopped_is_not_called_undone(world):
    """The trail fails after the commit: the client is told that the change is probably there, or it would repeat it."""

    async def writes(request):
        current().changed = True  # what the engine's commit event does
        world.break_trail()
        return await phone(request)

    sent, error = await attempt(world, writes)
    assert error is None
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["code"] == "answer-unrecorded"
    assert b"0812" not in sent[1]["body"]


async def test_a_full_queue_is_a_no_as_well(world):
    """The trail's writer is bounded; whoever finds it full is told at once."""

    class Full:
        available = True

        def submit(self, entry):
            raise errors.TrailFull

        async def arecord(self, entry):
            raise errors.TrailFull

    sent: list = []
    await sys.modules["gate_world"].raw(
        world.gate(app(phone), ROUTES, recorder=Full()), sent, "/customers/7", user="toko/sari"
    )
    assert json.loads(sent[1]["body"])["code"] == "trail-full"


async def test_the_service_says_that_it_is_well_while_the_trail_is_away(world):
    """A public route reads nothing, so it waits for nothing."""

    async def health(_):
        return PlainTextResponse("ok")

    world.break_trail()
    sent, _ = await attempt(world, health, "/health", None)
    assert sent[0]["status"] == 200


async def test_a_child_task_cannot_go_on_reading_under_the_access_of_its_request(world):
    """The ticket that it kept is dead as soon as the request is over."""
    outcome: list = []
    over = asyncio.Event()

    async def child():
        await over.wait()
        try:
            require("customer")
        except errors.AccessClosed:
            outcome.append("require")
        try:
            current().may("customer", "read")
        except errors.AccessClosed:
            outcome.append("may")
        try:
            _ = current().cipher
        except errors.AccessClosed:
            outcome.append("cipher")

    tasks = []

    async def spawn(_):
        tasks.append(asyncio.create_task(child()))
        return PlainTextResponse("ok")

    sent, _ = await attempt(world, spawn)
    assert sent[0]["status"] == 200
    over.set()
    await tasks[0]
    assert outcome == ["require", "may", "cipher"]


async def test_nothing_runs_while_the_trail_is_known_to_be_away(world):
    """What an application has written cannot be taken back when its answer is stopped; so it is not asked again."""
    ran = []

    async def writes(request):
        ran.append(request.url.path)
        return await phone(request)

    world.break_trail()
    for _ in range(3):
        sent, error = await attempt(world, writes, "/customers/7", "toko/sari")
        assert error is None
        assert sent[0]["status"] == 503
    assert len(ran) == 1  # the one that found out
    with world.trail_engine.begin() as connection:
        connection.execute(text("ALTER TABLE amanah_gone RENAME TO amanah_queued"))
    sent, _ = await attempt(world, writes, "/customers/7", "toko/sari")
    assert (sent[0]["status"], len(ran)) == (200, 2)
    assert world.entries()[-1]["actor"] == "sari"
