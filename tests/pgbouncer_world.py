"""A real PgBouncer in transaction mode with one connection to the server, which all clients share.

Loaded with the conftest's ``_world``. Where PgBouncer is not installed the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """
[databases]
{database} = host={host} port={port} dbname={database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
max_client_conn = 50
"""


@contextlib.contextmanager
def pooled(url: str) -> Iterator[str]:
    """The URL of the same database by way of the pooler."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    server = make_url(url)
    if program is None or not server.host:
        pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer), or the server is not on TCP")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="amanah-pooler-"))
    words = {"database": server.database, "host": server.host, "port": server.port, "listen": listen, "folder": folder}
    (folder / "pooler.ini").write_text(CONFIGURATION.format(**words), "utf-8")
    (folder / "users").write_text(f'"{server.username}" "{server.password}"\n', "utf-8")
    as_nobody = {"user": "nobody"} if os.geteuid() == 0 else {}  # it does not run as root
    if as_nobody:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "nobody")
    pooler = subprocess.Popen(
        [program, "-q", str(folder / "pooler.ini")], stderr=subprocess.DEVNULL, cwd=folder, **as_nobody
    )
    try:
        _wait(pooler, listen)
        yield server.set(host="127.0.0.1", port=listen).render_as_string(hide_password=False)
    finally:
        pooler.terminate()
        pooler.wait(15)
        shutil.rmtree(folder)


def _wait(pooler: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        assert pooler.poll() is None, "PgBouncer did not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail("PgBouncer does not answer")
