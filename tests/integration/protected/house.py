"""ICONIX behind Amanah as it is operated: an installation in a database, a server in a process of its own, its trail.

Declarations change the columns of the models for a whole process, and the tests of the bare application share this one.
So nothing here builds a guard: installing and serving happen in other processes, and the trail is read from its tables.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
from sqlalchemy import select, text

from amanah.access_policies.policies import Policies
from amanah.audit.checkpoints import SignerKey
from amanah.audit.models import entry as log
from amanah.audit.models import queued
from amanah.audit.outside import chosen
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import staged
from amanah.audit.verify import verify
from amanah.database import own_engine, own_url, trail_url
from amanah.settings import Settings
from amanah.tenants.directory import Directory
from iconix.seed import DEMO_ACCOUNTS
from iconix.serving import environment, free_port
from tests import ready
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from amanah.audit.report import Report

ROOT = Path(__file__).parents[3]
PYTHONPATH = os.pathsep.join(filter(None, [str(ROOT / "examples"), os.environ.get("PYTHONPATH")]))
ROWS = 300
PASSWORDS = {one.email.removesuffix(".example"): one.password for one in DEMO_ACCOUNTS}
CSRF = re.compile(r'name="csrf" value="([^"]+)"')
PROTECTED = "iconix.protection:create_app"
BARE = "iconix.app:create_app"


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python module to its end and hand back what it printed."""
    return ready.run(
        [sys.executable, "-W", "ignore", "-m", *arguments],
        env={**(env or os.environ), "PYTHONPATH": PYTHONPATH},
        timeout=120,
    )


@dataclass
class Answer:
    """One answer, and the entries that its request left."""

    house: House
    response: httpx2.Response
    request: str

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def text(self) -> str:
        return self.response.text

    @property
    def body(self) -> Any:
        return self.response.json()

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What is in any tenant's trail about this request, oldest first."""
        return [one for one in self.house.entries(request=self.request) if kind in (None, one["kind"])]

    def entry(self, kind: str | None = None) -> dict[str, Any]:
        """The only entry (of the kind) of this request."""
        found = self.entries(kind)
        assert len(found) == 1, found
        return found[0]


@dataclass
class House:
    """An installation. ``url`` is the application's database, ``folder`` holds the keys and what the server says.

    ``role_url``: by which the server connects, as a role that row-level security holds; on SQLite there is none.
    """

    url: str
    folder: Path
    role_url: str | None = None
    tokens: dict[str, str] = field(default_factory=dict)
    _engines: list[Engine] = field(default_factory=list)

    # -- its parts -----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> Settings:
        return Settings.in_folder(self.folder / "amanah")

    @property
    def engine(self) -> Engine:
        return self._both()[0]

    @property
    def trail_engine(self) -> Engine:
        return self._both()[1]

    def _both(self) -> list[Engine]:
        if not self._engines:
            core = own_engine(self.url)
            same = trail_url(self.url) == own_url(self.url)
            self._engines = [core, core if same else own_engine(trail_url(self.url))]
        return self._engines

    @property
    def directory(self) -> Directory:
        return Directory(self.engine, closure=Policies(self.engine, {}).closure)

    @property
    def files(self) -> list[Path]:
        """Every file that SQLite keeps of this house; none on PostgreSQL."""
        return sorted(self.folder.glob("iconix*.db*"))

    def environment(self) -> dict[str, str]:
        return environment(self.folder, self.role_url or self.url)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What a statement gives that goes past all gates."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), values).all())

    def write(self, sql: str, *, trail: bool = False, **values: Any) -> None:
        """Change something past all gates, as somebody with the database's password could."""
        with (self.trail_engine if trail else self.engine).begin() as connection:
            connection.execute(text(sql), values)

    def close(self) -> None:
        """Let go of the database."""
        for engine in self._engines:
            engine.dispose()
        self._engines.clear()

    # -- its trail -----------------------------------------------------------------------------------------------------

    def entries(self, tenant: str | None = None, request: str | None = None) -> list[dict[str, Any]]:
        """Every durable entry, whether or not it has its place in the log yet, oldest first."""
        found: dict[str, dict[str, Any]] = {}
        for engine, table in ((self.trail_engine, queued), (self.engine, staged), (self.trail_engine, log)):
            query = select(table.c.body)
            if request is not None:
                query = query.where(table.c.body.contains(request)) if table is not log else query
            with engine.connect() as connection:
                for body in connection.execute(query).scalars():
                    one = spelled_out(body)
                    if tenant in (None, one["tenant"]) and request in (None, one["request"]):
                        found[one["id"]] = one
        if request is not None:  # what is said once of a sign-in belongs to no single request
            found = {key: one for key, one in found.items() if one["kind"] != "sign_in"}
        return sorted(found.values(), key=lambda one: (one["at"], one["id"]))

    def sequence(self) -> Report:
        """Give every entry its place in the log and verify all of it. The server is stopped by now."""
        signer = SignerKey.load(self.state.signer_file)
        sequencer = Sequencer(self.engine, self.trail_engine, signer, outside=chosen(self.state.checkpoint_places))
        until = time.monotonic() + 30  # a server that was killed leaves its lease behind, for 15 s
        while self._waiting() and time.monotonic() < until:
            if not sequencer.run_once():
                time.sleep(0.2)
        sequencer.publish()
        sequencer.close()
        return verify(self.engine, self.trail_engine, signer.verifier, outside=chosen(self.state.checkpoint_places))

    def _waiting(self) -> bool:
        for engine, table in ((self.trail_engine, queued), (self.engine, staged)):
            with engine.connect() as connection:
                if connection.execute(select(table.c.event_id).limit(1)).first():
                    return True
        return False

    # -- its server ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def serving(self, app: str = PROTECTED) -> Iterator[Server]:
        """A server in a process of its own until the block ends."""
        server = Server(self, app)
        try:
            server.start()
            yield server
        finally:
            server.stop()


class Server:
    """The application over real HTTP."""

    def __init__(self, house: House, app: str = PROTECTED) -> None:
        self.house = house
        self.app = app
        self.base = f"http://127.0.0.1:{free_port()}"
        # A server ends the connection after an answer of 500; a client that would use it again had to guess.
        once = httpx2.Limits(max_keepalive_connections=0)
        self.client = httpx2.Client(base_url=self.base, timeout=30, limits=once)
        self.said = house.folder / f"server-{uuid.uuid4().hex[:8]}.log"
        self._process: Any = None
        self._browsers: dict[str, Browser] = {}
        self._count = itertools.count()

    def start(self) -> None:
        """Start, and return once it answers."""
        host, port = self.base.removeprefix("http://").split(":")
        command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--factory", self.app]
        command += ["--host", host, "--port", port, "--no-access-log", "--log-level", "warning"]
        env = {**self.house.environment(), "PYTHONPATH": PYTHONPATH}
        with self.said.open("ab") as output:
            self._process = ready.start(command, env=env, stdout=output)
        until = time.monotonic() + 30
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(httpx2.TransportError):
                if self.client.get("/health").status_code:
                    return
            time.sleep(0.05)
        raise AssertionError(self.said.read_text("utf-8"))

    def kill(self) -> None:
        """End it as a power cut would, as far as a process can tell."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(15)

    def stop(self) -> None:
        """End it as an operator would."""
        self.client.close()
        for browser in self._browsers.values():
            browser.client.close()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(15)

    def new_request(self) -> str:
        """An id under which a request's entries are found."""
        return f"{uuid.uuid4().hex}-{next(self._count)}"

    def token(self, who: str) -> str:
        """A bearer token of a demo account, named like ``kasir@sinar-jaya``."""
        if who not in self.house.tokens:
            body = {"email": f"{who}.example", "password": PASSWORDS[who]}
            answer = self.client.post("/api/login", json=body)
            assert answer.status_code == 200, answer.text
            self.house.tokens[who] = answer.json()["access_token"]
        return self.house.tokens[who]

    def call(
        self,
        who: str | None,
        method: str,
        path: str,
        purpose: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """One request, with a bearer token unless nobody is named."""
        request = self.new_request()
        lines = {"X-Request-ID": request, **(headers or {})}
        if who is not None:
            lines["Authorization"] = f"Bearer {self.token(who)}"
        if purpose is not None:
            lines["Amanah-Purpose"] = purpose
        return Answer(self.house, self.client.request(method, path, headers=lines, **options), request)

    def get(self, who: str | None, path: str, purpose: str | None = None, **options: Any) -> Answer:
        return self.call(who, "GET", path, purpose, **options)

    def post(self, who: str | None, path: str, purpose: str | None = None, **options: Any) -> Answer:
        return self.call(who, "POST", path, purpose, **options)

    def patch(self, who: str | None, path: str, purpose: str | None = None, **options: Any) -> Answer:
        return self.call(who, "PATCH", path, purpose, **options)

    def browser(self, who: str) -> Browser:
        """Somebody who signed in at the page; the same one again where it is known."""
        if who not in self._browsers:
            self._browsers[who] = Browser(self, who)
        return self._browsers[who]


class Browser:
    """A session of the pages: a cookie, the form's token, and a purpose that was chosen in the menu."""

    def __init__(self, server: Server, who: str) -> None:
        self.server = server
        self.client = httpx2.Client(base_url=server.base, timeout=30, headers={"Accept": "text/html"})
        form = self.client.get("/login")
        values = {"email": f"{who}.example", "password": PASSWORDS[who], "csrf": csrf(form.text)}
        answer = self.client.post("/login", data=values)
        assert answer.status_code == 303, answer.text
        self.csrf = csrf(self.client.get("/").text)

    def choose(self, purpose: str) -> None:
        """Say what one is working on."""
        answer = self.client.post("/purpose", data={"csrf": self.csrf, "task": purpose, "next": "/"})
        assert answer.status_code == 303, answer.text

    def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        """One request; a form is sent with the session's token."""
        request = self.server.new_request()
        if "data" in options:
            options["data"] = {"csrf": self.csrf, **options["data"]}
        response = self.client.request(method, path, headers={"X-Request-ID": request, **(headers or {})}, **options)
        return Answer(self.server.house, response, request)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        return self.call("POST", path, **options)


def csrf(page: str) -> str:
    """The token in a page's form."""
    found = CSRF.search(page)
    assert found is not None, page
    return found[1]


def copy_files(source: Path, target: Path) -> None:
    """A folder again; what a server said in it stays behind."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.log"))
