"""Attack: carry work out of its access, into threads that do not know of it and tasks that outlive it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from anyio import to_thread
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah import Actor, Identity
from amanah.errors import AccessClosed, AccessLost, AccessRequired
from amanah.middleware.routes import RouteTable, route


def counter(books: Any) -> Any:
    """A piece of work that reads a protected table."""

    def read() -> int:
        with Session(books.engine) as session:
            return len(session.scalars(select(books.m.Customer)).all())

    return read


def test_a_lost_context_names_its_remedy(books: Any) -> None:
    """A pool and a thread of one's own are refused with the words that mend it; in a copy of the context both work."""
    read = counter(books)
    found: list[Any] = []

    def attempt() -> None:
        try:
            found.append(read())
        except AccessRequired as error:
            found.append(error)

    with books.access(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(AccessLost, match=r"contextvars\.copy_context\(\)\.run"):
            pool.submit(read).result()
        assert pool.submit(contextvars.copy_context().run, read).result() == 2
        context = contextvars.copy_context()
        for target in (attempt, lambda: context.run(attempt)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert isinstance(found[0], AccessLost)
    assert found[1] == 2


def test_the_main_thread_is_not_told_of_pools(books: Any) -> None:
    """A script that opened no access at all is told to open one."""
    with pytest.raises(AccessRequired) as refused:
        counter(books)()
    assert type(refused.value) is AccessRequired


def test_an_executor_loses_the_access_and_to_thread_keeps_it(books: Any) -> None:
    """`loop.run_in_executor` copies no context; asyncio, anyio and Starlette do when they start a thread."""
    read = counter(books)

    async def run() -> None:
        async with books.guard.access(tenant="a", actor="boss", purpose="billing", reason="test"):
            loop = asyncio.get_running_loop()
            with pytest.raises(AccessLost, match="copy_context"):
                await loop.run_in_executor(None, read)
            assert await loop.run_in_executor(None, contextvars.copy_context().run, read) == 2
            assert await asyncio.to_thread(read) == 2
            assert await to_thread.run_sync(read) == 2
            assert await run_in_threadpool(read) == 2

    asyncio.run(run())


def test_a_loop_in_a_thread_is_no_lost_worker(books: Any) -> None:
    """A server may run its event loop in any thread; what runs there without access is told to open one."""

    async def run() -> None:
        with pytest.raises(AccessRequired) as refused:
            counter(books)()
        assert type(refused.value) is AccessRequired

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, run()).result()


def test_work_that_outlives_its_access_is_told_of_the_hand_over(books: Any) -> None:
    """A child task and a thread that kept the context find a dead ticket, and read where the living one is made."""
    read = counter(books)
    go_on = threading.Event()

    def later() -> int:
        assert go_on.wait(10)
        return int(read())

    async def task(gate: asyncio.Event) -> None:
        await gate.wait()
        read()

    async def run() -> None:
        gate = asyncio.Event()
        async with books.guard.access(tenant="a", actor="boss", purpose="billing", reason="test"):
            child = asyncio.create_task(task(gate))
            await asyncio.sleep(0)
        gate.set()
        with pytest.raises(AccessClosed, match=r"access\.handoff"):
            await child

    asyncio.run(run())
    with ThreadPoolExecutor(1) as pool:
        with books.access():
            waiting = pool.submit(contextvars.copy_context().run, later)
        go_on.set()
        with pytest.raises(AccessClosed, match=r"guard\.resume"):
            waiting.result()


def test_a_request_keeps_its_access_in_the_servers_thread_pool(books: Any) -> None:
    """A plain `def` endpoint runs in Starlette's pool under the request's access; its own pool loses it, with a 500."""
    read = counter(books)

    def plain(_request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(read()))

    def pooled(_request: Any) -> PlainTextResponse:
        with ThreadPoolExecutor(1) as pool:
            return PlainTextResponse(str(pool.submit(read).result()))

    app = Starlette(routes=[Route("/plain", plain), Route("/pooled", pooled)])
    routes = RouteTable([route(f"GET /{name}", "customer", "read", ["billing"]) for name in ("plain", "pooled")])
    guarded = books.guard.guarded(app, routes, lambda _: Identity("a", Actor("boss")))
    with TestClient(guarded, raise_server_exceptions=False) as client:
        assert client.get("/plain").text == "2"
        answer = client.get("/pooled")
        assert answer.status_code == 500
        assert answer.json()["code"] == "access-lost"
        assert "copy_context" in answer.json()["remedy"]
