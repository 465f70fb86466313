"""In production nothing passes over plain HTTP, and what passes over HTTPS says that it shall stay so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# A guard changes the models of its process, so the small application lives in one of its own.
APP = """
import asyncio, json, sys
from dataclasses import replace
from pathlib import Path
from sqlalchemy import MetaData, create_engine
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from amanah import Guard, Settings, public
from amanah.guard import create_keys
from amanah.migrations import upgrade

folder = Path(sys.argv[1])
url = f"sqlite:///{folder / 'app.db'}"
upgrade(url)
base = Settings.in_folder(folder / "state")
settings = replace(base, trusted_proxies=("10.0.0.1",), hosts=("toko.example",))
create_keys(settings)
app = Starlette(routes=[Route("/health", lambda request: JSONResponse({"status": "ok"}), methods=["GET", "POST"])])
guard = Guard.production(
    metadata=MetaData(), engine=create_engine(url), identify=lambda connection: None,
    routes=[public("GET,POST /health")], settings=settings,
)
with guard.engine.begin() as connection:
    guard.provision_platform(connection)
wrapped = guard.wrap(app)

async def call(method, scheme, client="203.0.113.9", forwarded=None, path="/health"):
    sent = []
    headers = [(b"host", b"toko.example")] + ([(b"x-forwarded-proto", forwarded.encode())] if forwarded else [])
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": scheme,
        "path": path, "raw_path": path.encode(), "query_string": b"a=1", "root_path": "", "headers": headers,
        "client": (client, 4711), "server": ("127.0.0.1", 80),
    }
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    await wrapped(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return {"status": sent[0]["status"], "headers": headers, "body": body}

async def main():
    print(json.dumps({
        "plain get": await call("GET", "http"),
        "plain post": await call("POST", "http"),
        "https": await call("GET", "https"),
        "behind the proxy": await call("GET", "http", client="10.0.0.1", forwarded="https"),
        "pretended": await call("GET", "http", forwarded="https"),
        "undeclared": await call("GET", "https", path="/secret"),
    }))

asyncio.run(main())
guard.close()
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What a production guard answers in six situations."""
    folder = tmp_path_factory.mktemp("production")
    done = subprocess.run(
        [sys.executable, "-c", APP, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_plain_get_is_sent_to_https(answers):
    """A GET can be redirected: it carried nothing that is lost."""
    answer = answers["plain get"]
    assert (answer["status"], answer["headers"]["location"]) == (308, "https://toko.example/health?a=1")
    assert "ok" not in answer["body"]


def test_plain_post_is_refused(answers):
    """A body that came in the clear is not made better by a redirect: 403, and the remedy."""
    answer = answers["plain post"]
    assert (answer["status"], json.loads(answer["body"])["code"]) == (403, "https-required")


def test_https_passes_with_hsts_and_safe_headers(answers):
    """Served, and the browser is told to stay with HTTPS, to sniff nothing and to keep the address to itself."""
    answer = answers["https"]
    assert answer["status"] == 200
    headers = answer["headers"]
    assert int(headers["strict-transport-security"].partition("max-age=")[2].split(";")[0]) >= 31_536_000
    assert headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" in headers


def test_only_a_configured_proxy_is_believed(answers):
    """X-Forwarded-Proto counts from the proxy that was named, and from nobody else."""
    assert answers["behind the proxy"]["status"] == 200
    assert answers["pretended"]["status"] == 308


def test_production_refusal_teaches_nothing_to_a_stranger(answers):
    """No declaration to paste outside development."""
    body = json.loads(answers["undeclared"]["body"])
    assert (answers["undeclared"]["status"], body["code"]) == (403, "route-undeclared")
    assert "declare" not in body
