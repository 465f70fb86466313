"""Python programs in processes of their own, started in a tenth of the time.

Most of what a command or a server does in a test is to import. So one process for each of the run's imports what most
need and then waits; a program is a fork of it, with the working folder, environment, arguments and output that it would
have had otherwise. What it imports beyond that, and all that it does, is its own.

    ready.run([sys.executable, "-m", "amanah.cli", "--version"], env=…)      as `subprocess.run`, text captured
    ready.start([sys.executable, "-m", "uvicorn", …], stdout=file)           as `subprocess.Popen`

Other programs than Python's, and options of Python that are not ``-W``, go to `subprocess`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

IMPORTED = (
    "aiosqlite",
    "alembic.autogenerate",
    "alembic.command",
    "alembic.config",
    "amanah",
    "amanah.adoption.observed",
    "amanah.cli",
    "amanah.database",
    "amanah.operations",
    "asyncpg",
    "fastapi",
    "httpx2",
    "joserfc.jwt",
    "pandas",
    "psycopg",
    "psycopg.types.json",
    "pydantic",
    "pytest",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "starlette.applications",
    "starlette.middleware.sessions",
    "starlette.templating",
    "starlette.testclient",
    "typer.testing",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.main",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
_LONGEST = 1 << 20


class Program:
    """A program that was started; as a `subprocess.Popen` as far as tests need."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._said = b""
        self.returncode: int | None = None
        self._read(60)
        self.pid = int(self._said.split(b"\n")[0])

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._status], [], [], seconds)
        if ready:
            self._said += os.read(self._status, 100) or b"\n1\n"  # whoever watched it is gone
        return bool(ready)

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        while self.returncode is None and self._read(0):
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises `subprocess.TimeoutExpired`."""
        until = time.monotonic() + (timeout if timeout is not None else 3600)
        while self.returncode is None:
            if not self._read(max(0.0, until - time.monotonic())):
                raise subprocess.TimeoutExpired(["a program"], timeout or 3600)
            self._finish()
        return self.returncode

    def _finish(self) -> None:
        lines = self._said.split(b"\n")
        if len(lines) > 2:
            self.returncode = int(lines[1])
            os.close(self._status)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that has imported everything and waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def start(
        self, command: list[Any], *, cwd: Any = None, env: Any = None, stdout: Any = None, stderr: Any = None
    ) -> Any:
        """A `Program`, or a `subprocess.Popen` of another kind of program. ``stderr``: default ``stdout``."""
        words = _python(command)
        err = stdout if stderr is None or stderr == subprocess.STDOUT else stderr
        if words is None:
            return subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout, stderr=err)
        job = {
            "words": words,
            "cwd": os.fspath(cwd or Path.cwd()),
            "env": {str(name): os.fspath(value) for name, value in (os.environ if env is None else env).items()},
        }
        mine, theirs = os.pipe()
        with self._lock:
            if self._control is None:
                self._control = _begin()
            out = [1 if one is None else one if isinstance(one, int) else one.fileno() for one in (stdout, err)]
            socket.send_fds(self._control, [json.dumps(job).encode()], [*out, theirs])
        os.close(theirs)
        return Program(mine)

    def run(
        self, command: list[Any], *, cwd: Any = None, env: Any = None, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end. Raises `subprocess.TimeoutExpired`, and kills it then."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            program = self.start(command, cwd=cwd, env=env, stdout=out, stderr=err)
            try:
                code = program.wait(timeout)
            except subprocess.TimeoutExpired:
                program.kill()
                raise
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        return subprocess.CompletedProcess(command, code, *said)


nursery = Nursery()
run, start = nursery.run, nursery.start


def _python(command: list[Any]) -> list[str] | None:
    """The words behind the interpreter; None for another program or other options."""
    words = [os.fspath(word) for word in command]
    if words[0] != sys.executable:
        here = Path(sys.executable).parent
        return ["-m", "amanah.cli", *words[1:]] if words[0] in ("amanah", str(here / "amanah")) else None
    words = words[1:]
    first = words[2] if words[0] == "-W" else words[0]
    return words if first in ("-m", "-c") or not first.startswith("-") else None


def _begin() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "AMANAH"))}
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        env={**env, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


# -- in the process that waits -----------------------------------------------------------------------------------------


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a program for each message. Returns in the program, with what it is to do; at the end None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in IMPORTED:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, given, _, _ = socket.recv_fds(control, _LONGEST, 3)
        if not message:
            return None
        if os.fork() == 0:
            control.close()
            return _watched(json.loads(message), *given)
        for one in given:
            os.close(one)


def _watched(job: dict[str, Any], out: int, err: int, status: int) -> dict[str, Any]:
    """In the child of a child: the first one waits and tells what became of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        os.close(out)
        os.close(err)
        os.write(status, b"%d\n" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            os.write(status, b"%d\n" % code)
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for one in (out, err, status):
        if one > 2:
            os.close(one)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    random.seed()
    return job


def _become(words: list[str]) -> None:
    """What the interpreter does with its arguments and environment."""
    options = [one for one in os.environ.get("PYTHONWARNINGS", "").split(",") if one]
    if words[0] == "-W":
        options.append(words[1])
        words = words[2:]
    if options:
        warnings._processoptions(options)  # type: ignore[attr-defined]
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    kind, *rest = words if words[0] in ("-m", "-c") else ("", *words)
    first = {"-m": str(Path.cwd()), "-c": ""}.get(kind) or str(Path(rest[0]).resolve().parent if not kind else "")
    more = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    sys.path[:] = [first, *more, *sys.path]
    importlib.invalidate_caches()
    sys.argv[:] = ["-c" if kind == "-c" else rest[0], *rest[1:]]
    if kind == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    else:
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    _job = _serve(socket.socket(fileno=int(sys.argv[1])))
    if _job is not None:
        _become(_job["words"])
