"""The ICONIX app by itself, without Amanah, on a fresh database with the demo's companies."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from iconix import migrate
from iconix.app import create_app
from iconix.seed import DEMO_ACCOUNTS, seed

SignIn = Callable[[str], TestClient]


@pytest.fixture
def app(database_url: str) -> Starlette:
    """The app on a database that has its tables and a small demo."""
    migrate.upgrade(database_url)
    app = create_app(database_url)

    async def fill() -> None:
        await seed(app.state.sessions, rows=300)
        await app.state.engine.dispose()

    asyncio.run(fill())
    return app


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    """A client that nobody has signed in with."""
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.fixture
def sign_in(client: TestClient) -> SignIn:
    """Sign in as a demo account, by the first part of its address and its company; gives a client with the token."""

    def api(who: str) -> TestClient:
        account = next(one for one in DEMO_ACCOUNTS if one.email == f"{who}.example")
        answer = client.post("/api/login", json={"email": account.email, "password": account.password})
        assert answer.status_code == 200, answer.text
        client.cookies.clear()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    return api
