"""Walks an example app along ``docs/tutorial/adopt-an-existing-app.md``: what stands there is what is done.

A fenced block belongs to the app that its info string names, and is carried out where it stands: ``python app=…
file=…`` is written, ``diff app=…`` is applied, of ``console app=…`` each line that begins with ``$`` is run.
``$ uvicorn …`` starts the server, or starts it anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest

from tests import ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[4]
TUTORIAL = ROOT / "docs" / "tutorial" / "adopt-an-existing-app.md"
_BLOCK = re.compile(
    r"^```(?P<kind>\w+) app=(?P<app>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_SECONDS = 60
FAILED = 500
OTHER_DATABASE = pytest.mark.skipif("AMANAH_TEST_LONG" not in os.environ, reason="takes a minute or two: make long")
"""Each application is walked with on one kind of database, and both kinds are; with the other one on request."""


def blocks(app: str, heading: str) -> list[tuple[str, str | None, str]]:
    """Kind, file and text of each block of the app under the heading."""
    text = TUTORIAL.read_text("utf-8")
    parts = _HEADING.split(text)
    [section] = [body for name, body in zip(parts[1::2], parts[2::2], strict=True) if name == heading]
    return [(one["kind"], one["file"], one["text"]) for one in _BLOCK.finditer(section) if one["app"] == app]


def headings(app: str) -> list[str]:
    """The headings under which something is done in the app, in the tutorial's order."""
    return [name for name in _HEADING.findall(TUTORIAL.read_text("utf-8")) if blocks(app, name)]


def eventually(ask: Callable[[], Any]) -> Any:
    """What ``ask`` gives once it is something: the examples commit after the answer, and work in threads."""
    for _ in range(200):
        if found := ask():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@dataclass
class Suite:
    """A run of the app's own tests in a copy of the folder as it is now, beside everything else."""

    stage: str
    process: Any
    output: Path


@dataclass
class Walk:
    """One app on its way."""

    app: str
    folder: Path
    served: str
    database: str | None = None
    statuses: list[tuple[str, int]] = field(default_factory=list)
    suites: list[Suite] = field(default_factory=list)
    _server: Any = None
    _turn: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.work = self.folder / "work"
        self.data = self.folder / "work" / "data"
        self.data.mkdir(parents=True)
        shutil.copytree(
            ROOT / "examples" / self.app, self.work / self.app, ignore=shutil.ignore_patterns("__pycache__")
        )
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AMANAH"))
        }
        self.environment |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(self.work),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
            "LANGUAGE": "en",
        }

    # -- the tutorial ------------------------------------------------------------------------------------------------

    def do(self, heading: str) -> str:
        """Carry out the blocks under ``heading`` and return what the commands said."""
        said = []
        for block in blocks(self.app, heading):
            if block[0] == "console":
                said += [self.run(line[2:]) for line in block[2].splitlines() if line.startswith("$ ")]
            else:
                self._write(*block)
        return "\n".join(said)

    def change(self, heading: str) -> None:
        """Write the files under ``heading``, and leave its commands alone."""
        for block in blocks(self.app, heading):
            if block[0] != "console":
                self._write(*block)

    def freeze(self, folder: Path) -> None:
        """A copy of the application as it is now, without its data."""
        shutil.copytree(self.work, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))

    def _write(self, kind: str, file: str | None, text: str) -> None:
        if kind == "diff":
            self._apply(text)
        else:
            assert file is not None
            (self.work / file).write_text(text, "utf-8")

    def _apply(self, diff: str) -> None:
        done = subprocess.run(
            ["patch", "-p0", "--no-backup-if-mismatch", "--fuzz=0"],
            input=diff, cwd=self.work, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, line: str) -> str:
        """One command of the tutorial."""
        words = shlex.split(self._expanded(line))
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environment[name] = self._exported(name, value)
            return ""
        if words[0] == "uvicorn":
            self.serve()
            return ""
        if "sqlite3" in line and self.database is not None:
            return ""
        words[0] = {"python": sys.executable}.get(words[0], words[0])
        done = ready.run(words, cwd=self.work, env=self.environment, timeout=300)
        assert done.returncode == 0, f"$ {line}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def _expanded(self, line: str) -> str:
        return re.sub(r"\$(\w+)", lambda one: self.environment[one[1]], line)

    def _exported(self, name: str, value: str) -> str:
        """What the tutorial says, but for what differs from day to day and from database to database."""
        if name == "OBSERVE_UNTIL":
            return (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
        if name.endswith("_DATABASE_URL") and self.database is not None:
            return self.database
        return value

    # -- the server and who visits it --------------------------------------------------------------------------------

    def serve(self) -> None:
        """Start the server, or stop it and start it anew; whoever visits waits meanwhile."""
        with self._turn:
            self._stop()
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            log = (self.folder / "server.log").open("ab")
            command = [sys.executable, "-m", "uvicorn", self.served, "--port", str(port), "--log-level", "warning"]
            self._server = ready.start(command, cwd=self.work, env=self.environment, stdout=log)
            log.close()
            self.address = f"http://127.0.0.1:{port}"
            for _ in range(_SECONDS * 10):
                try:
                    if httpx.get(f"{self.address}/health", headers=PROXY).status_code < FAILED:
                        return
                except httpx.TransportError:
                    assert self._server.poll() is None, (self.folder / "server.log").read_text()[-6000:]
                time.sleep(0.1)
            raise AssertionError((self.folder / "server.log").read_text()[-6000:])

    def _stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(_SECONDS)
            self._server = None

    def stop(self) -> None:
        """No server any more."""
        with self._turn:
            self._stop()

    def client(self, **headers: str) -> httpx.Client:
        """Somebody with a browser, behind the proxy that speaks HTTPS with them."""

        def seen(response: httpx.Response) -> None:
            self.statuses.append((f"{response.request.method} {response.request.url.path}", response.status_code))

        return httpx.Client(
            base_url=self.address, headers={**PROXY, **headers}, timeout=_SECONDS, event_hooks={"response": [seen]}
        )

    @contextmanager
    def traffic(self, visit: Callable[[], None]) -> Iterator[None]:
        """``visit`` over and over, in the background, while the block runs."""
        done, trouble = threading.Event(), []

        def go() -> None:
            while not done.wait(0.3):
                try:
                    with self._turn:
                        visit()
                except Exception as error:  # noqa: BLE001 - told below
                    trouble.append(error)
                    return

        thread = threading.Thread(target=go)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        assert not trouble, trouble

    # -- the app's own tests -----------------------------------------------------------------------------------------

    def start_suite(self, stage: str, *, deselect: str | None = None, **environment: str) -> None:
        """Run the app's own tests as they are now, beside everything else."""
        copy = self.folder / f"suite {stage}"
        self.freeze(copy)
        output = copy / "output.txt"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{self.app}/tests"]
        command += ["--deselect", f"{self.app}/tests/{deselect}"] if deselect else []
        clean = {k: v for k, v in self.environment.items() if not k.endswith("_DATABASE_URL")}
        clean["AMANAH_STATE"] = str(self.data / "amanah")
        with output.open("w") as out:
            env = {**clean, "PYTHONPATH": str(copy), "TMPDIR": str(copy), **environment}
            process = ready.start(command, cwd=copy, env=env, stdout=out)
        self.suites.append(Suite(stage, process, output))

    def finish_suites(self) -> dict[str, str]:
        """Wait for them; each passed. Stage → the last line that pytest said."""
        told = {}
        for one in self.suites:
            one.process.wait(600)
            text = one.output.read_text()
            assert one.process.returncode == 0, f"{one.stage}\n{text[-8000:]}"
            told[one.stage] = next(line for line in text.splitlines() if re.match(r"\d+ passed", line))
        return told

    def close(self) -> None:
        """End what is still running."""
        self.stop()
        for one in self.suites:
            if one.process.poll() is None:
                one.process.kill()

    @property
    def failures(self) -> list[tuple[str, int]]:
        """Requests that were answered 5xx."""
        return [one for one in self.statuses if one[1] >= FAILED]


PROXY: Mapping[str, str] = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
