"""`python -m quickstart.try_it`: make a database, a shop and two people in a new folder, and ask for one customer."""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

EXAMPLES = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run from the command line."""
    with tempfile.TemporaryDirectory(prefix="amanah-quickstart-") as folder:
        os.chdir(folder)  # database and keys lie where one is
        prepare()
        asyncio.run(ask())
        verify()


def prepare() -> None:
    """Make the tables, a shop with a cashier and somebody for support, and a customer."""
    from amanah import migrations
    from quickstart.app import Base, Customer, engine
    from quickstart.protected import guard

    migrations.upgrade(engine.url)
    Base.metadata.create_all(engine)
    guard.create_tenant("toko-maju", "Toko Maju", template="trading", admin="hendra")
    with guard.engine.begin() as connection:
        for person, role in (("rina", "cashier"), ("sari", "support")):
            guard.directory.add_member(connection, "toko-maju", person)
            guard.directory.grant(
                connection, "toko-maju", person, role, reason="works here in this role", granted_by="hendra"
            )
    with (
        guard.access(tenant="toko-maju", actor="rina", purpose="billing", reason="our first customer"),
        Session(engine) as session,
    ):
        session.add(Customer(tenant_id="toko-maju", id=7, name="Budi Santoso", phone="+6281234567890"))
        session.commit()


async def ask() -> None:
    """Ask for the same row: the cashier, somebody for support, and the owner, who might want it for either."""
    from quickstart.protected import guard, protected

    for who, purpose in (("rina", "billing"), ("sari", "support"), ("hendra", None)):
        headers = {"host": "localhost", "authorization": f"Bearer token-of-{who}"}
        if purpose:
            headers["amanah-purpose"] = purpose
        status, body = await get(protected, "/customers/7", headers)
        print(f"{who}, {'for ' + purpose if purpose else 'no purpose'}: {status} {body}")
    guard.close()


async def get(app: Any, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Send one GET request to an ASGI application, without a server."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]).decode()


def verify() -> None:
    """Run what a compliance officer would: `amanah audit list` and `amanah audit verify`."""
    path = filter(None, [os.environ.get("PYTHONPATH")])
    env = {
        **os.environ,
        "AMANAH_GUARD": "quickstart.protected:guard",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), *path]),
    }
    amanah = [sys.executable, "-W", "ignore", "-m", "amanah.cli", "audit"]
    for command in (["list", "--tenant", "toko-maju"], ["verify"]):
        print(f"\n$ amanah audit {' '.join(command)}", flush=True)
        subprocess.run([*amanah, *command], env=env, check=True)  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
