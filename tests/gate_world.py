"""The gate with everything real behind it: tenants, policy, keys and trail in a database of the test's own.

Loaded by the conftest of the folders that use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from amanah.access_policies.policies import Policies
from amanah.audit.queue_table import QueueTable
from amanah.audit.writer import TrailWriter
from amanah.database import PLATFORM, core, own_engine, trail, trail_url
from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.keyring import Keyring
from amanah.middleware.access import Actor
from amanah.middleware.admission import Admission
from amanah.middleware.asgi import AmanahMiddleware
from amanah.middleware.https import Transport
from amanah.middleware.identify import Identity
from amanah.middleware.routes import Route, RouteTable
from amanah.tenants.directory import Directory
from amanah.tenants.versions import VersionReader
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import HTTPConnection

assert QueueTable  # its module holds the table that the trail's metadata needs

BILLING = "essential.service.payment_processing"
SUPPORT = "essential.service.operations.support"


def identify(connection: HTTPConnection) -> Any:
    """The application's login: ``X-User: tenant/member[/purpose]``."""
    named = connection.headers.get("x-user")
    if named is None:
        return None
    tenant, member, *purpose = named.split("/")
    return Identity(tenant, Actor(member, strength="password"), purpose[0] if purpose else None)


async def login(connection: HTTPConnection) -> Any:
    """The same without a thread."""
    return identify(connection)


@dataclass
class World:
    """Two trading companies, ``toko`` and ``lain``; a suspended one, ``tutup``; nobody else."""

    engine: Any
    trail_engine: Any
    keyring: Keyring
    directory: Directory
    policies: Policies
    versions: VersionReader
    writer: TrailWriter
    admission: Admission
    url: str
    wires: list[list[dict[str, Any]]] = field(default_factory=list)

    def gate(self, app: Any, routes: Sequence[Route], **settings: Any) -> AmanahMiddleware:
        """The middleware around ``app``."""
        settings.setdefault("transport", Transport(required=False))
        settings.setdefault("identify", login)
        settings.setdefault("recorder", self.writer)
        settings.setdefault("admission", self.admission)
        return AmanahMiddleware(app, routes=RouteTable(routes), **settings)

    def entries(self) -> list[dict[str, Any]]:
        """Every entry that is durable in the trail's queue, oldest first; but for what is said once of a sign-in."""
        return [one for one in self.all_entries() if one["kind"] != "sign_in"]

    def all_entries(self) -> list[dict[str, Any]]:
        """Every entry that is durable in the trail's queue, oldest first."""
        with self.trail_engine.connect() as connection:
            rows = connection.execute(text("SELECT body FROM amanah_queued ORDER BY at, event_id")).scalars().all()
        return [spelled_out(row) for row in rows]

    def break_trail(self) -> None:
        """Take the trail's queue away, as a dropped table or a full disk would."""
        with self.trail_engine.begin() as connection:
            connection.execute(text("ALTER TABLE amanah_queued RENAME TO amanah_gone"))

    def close(self) -> None:
        """Stop the threads and let go of the databases."""
        self.writer.close()
        self.versions.close()
        self.engine.dispose()
        self.trail_engine.dispose()


def build(url: str, folder: Path, *, filled: bool = False) -> World:
    """A world in the empty database at ``url``. ``filled``: it has everything already."""
    engine, trail_engine = own_engine(url), own_engine(trail_url(url))
    provider = FileKeyProvider(folder / "keys.json") if filled else FileKeyProvider.create(folder / "keys.json")
    keyring = Keyring(engine, provider)
    policies = Policies(engine, {})
    directory = Directory(engine, closure=policies.closure)
    if not filled:
        core.create_all(engine)
        trail.create_all(trail_engine)
        _people(engine, keyring, policies, directory)
    versions = VersionReader(engine)
    admission = Admission(keyring=keyring, directory=directory, policies=policies, versions=versions)
    return World(
        engine,
        trail_engine,
        keyring,
        directory,
        policies,
        versions,
        TrailWriter(trail_engine, bytes(32)),
        admission,
        url,
    )


def _people(engine: Any, keyring: Keyring, policies: Policies, directory: Directory) -> None:
    """The companies, and who works there."""
    with engine.begin() as connection:
        keyring.provision(connection, PLATFORM)
        for tenant in ("toko", "lain", "tutup"):
            directory.create_tenant(connection, tenant, tenant.title(), "trading")
            policies.install(connection, tenant, "trading")
            keyring.provision(connection, tenant)
        for tenant, member, role in (
            ("toko", "rina", "cashier"),
            ("toko", "sari", "support"),
            ("toko", "budi", "courier"),
            ("lain", "tono", "cashier"),
            ("tutup", "wati", "cashier"),
        ):
            directory.add_member(connection, tenant, member)
            directory.grant(connection, tenant, member, role, reason="test", granted_by="platform")
        directory.suspend(connection, "tutup")


async def call(
    app: Any,
    path: str = "/customers/7",
    *,
    method: str = "GET",
    user: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    **scope: Any,
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP request in ASGI's own terms; raises what the application lets out, keeping what was on the wire."""
    sent: list[dict[str, Any]] = []
    await raw(app, sent, path, method=method, user=user, headers=headers, **scope)
    return answer(sent)


def answer(sent: list[dict[str, Any]]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what was on the wire."""
    start, *rest = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(message.get("body", b"") for message in rest)


async def raw(app: Any, sent: list[dict[str, Any]], path: str, **options: Any) -> None:
    """As `call`, into a list of messages."""
    lines = list(options.pop("headers", ()))
    if user := options.pop("user", None):
        lines.append(("x-user", user))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": options.pop("method", "GET"),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"toko.example"), *((name.encode(), value.encode()) for name, value in lines)],
        "client": ("203.0.113.9", 4711),
        "server": ("127.0.0.1", 80),
        **options,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
