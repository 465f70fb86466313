"""A protected installation in a folder, and a server on it: what the demo and the tour have in common."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from iconix.install import install


def database_in(folder: Path) -> str:
    """Return the URL of the SQLite database in a folder."""
    return f"sqlite+aiosqlite:///{folder / 'iconix.db'}"


def prepare(folder: Path, *, rows: int) -> str:
    """Make a protected installation in an empty or new folder and return its database URL."""
    folder.mkdir(parents=True, exist_ok=True)
    url = database_in(folder)
    asyncio.run(install(url, folder / "amanah", rows=rows))
    return url


def environment(folder: Path, url: str) -> dict[str, str]:
    """Return the environment in which server and commands find the installation."""
    return {
        **os.environ,
        "ICONIX_DATABASE_URL": url,
        "AMANAH_STATE": str(folder / "amanah"),
        "AMANAH_GUARD": "iconix.protection:guard",
    }


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    folder: Path, url: str, *, port: int, app: str = "iconix.protection:create_app"
) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the app in a process of its own until the block ends. No access log: its lines would hold URLs."""
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "--factory", app, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    with subprocess.Popen(command, env=environment(folder, url)) as process:  # noqa: S603 - our own command
        try:
            _wait(process, port)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"The server stopped at once, with status {process.returncode}.")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("The server did not answer within 30 seconds.")
