"""The console with everything real behind it: two companies, their people, a mounted app, browsers to try it with."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, create_engine, insert
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah import Guard, public
from amanah.audit.entries import now_us
from amanah.audit.log import list_entries
from amanah.console.credentials import name_token
from amanah.console.models import credential, session
from amanah.database import core, own_engine, trail, trail_url
from amanah.encryption.passwords import hash_password

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "tujuh burung biru"
OFFICER = "ratna@toko.example"
OWNER = "hendra@toko.example"
CASHIER = "sri@toko.example"
STRANGER = "slamet@lain.example"
MEMBERS = (
    ("toko", "m-hendra", "owner", OWNER),
    ("toko", "m-ratna", "compliance_officer", OFFICER),
    ("toko", "m-sri", "cashier", CASHIER),
    ("lain", "m-slamet", "owner", STRANGER),
)


@dataclass
class World:
    """``toko`` and ``lain``, each with an owner; ``toko`` with a compliance officer and a cashier too."""

    guard: Guard
    engine: Any
    app: Any
    browsers: list[Browser] = field(default_factory=list)

    def browser(self, address: str = "10.0.0.1") -> Browser:
        """A browser without any cookies, at an address of its own."""
        made = Browser(self.app, address)
        self.browsers.append(made)
        return made

    def signed_in(self, name: str = OFFICER) -> Browser:
        """A browser in which somebody is signed in."""
        made = self.browser()
        answer = made.sign_in(name)
        assert answer.url.path == "/amanah/", answer.text
        return made

    def entries(self, tenant: str = "toko") -> list[Any]:
        """The tenant's trail, oldest first, sequenced and signed now (the background is stopped for good)."""
        self.guard.sequencer.close()
        self.guard.sequencer.run_once()
        self.guard.sequencer.publish()
        found = [one.entry for one in list_entries(self.guard.trail_engine, tenant, limit=1000)]
        return sorted(found, key=lambda entry: entry.at)

    def sessions(self) -> int:
        """How many sessions the database knows."""
        with self.guard.engine.connect() as connection:
            return len(connection.execute(session.select()).all())

    def close(self) -> None:
        """Stop the threads and let go of the databases."""
        for one in self.browsers:
            one.http.close()
        self.guard.close()
        self.engine.dispose()


class Browser:
    """A browser: keeps cookies, follows redirects, sends what the forms of our pages hold."""

    def __init__(self, app: Any, address: str) -> None:
        self.http = TestClient(app, client=(address, 50000), headers={"accept": "text/html", "accept-language": "en"})

    def get(self, path: str, **more: Any) -> Any:
        """Open a page of the console."""
        return self.http.get(f"/amanah{path}", **more)

    def token(self, path: str) -> str:
        """The hidden token of the first form on a page."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, fields: dict[str, str], **more: Any) -> Any:
        """Send a form as it is given."""
        return self.http.post(f"/amanah{path}", data=fields, **more)

    def sign_in(self, name: str, password: str = PASSWORD, organisation: str = "") -> Any:
        """Fill in the sign-in form and send it."""
        fields = {"csrf": self.token("/sign-in"), "name": name, "password": password, "organisation": organisation}
        return self.post("/sign-in", fields)

    def join(self, link: str, password: str = PASSWORD) -> Any:
        """Open an invitation, fill in the form and send it."""
        self.get(link)
        return self.post("/join", {"csrf": self.token("/join"), "password": password, "again": password})


def build(url: str, folder: Path, *, filled: bool = False) -> World:
    """A world in the empty database at ``url``. ``filled``: it has everything already."""
    engine = create_engine(url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that development lets plain HTTP in is meant here
        if not filled:
            _tables(url)
        guard = Guard.development(
            metadata=MetaData(),
            engine=engine,
            identify=lambda _connection: None,
            routes=[public("GET /health")],
            state=folder / "state",
        )
    if not filled:
        _people(guard)
    bare = Starlette(routes=[Route("/health", lambda _request: PlainTextResponse("well"))])
    return World(guard, engine, guard.wrap(bare, console="/amanah"))


def _people(guard: Guard) -> None:
    guard.create_tenant("toko", "Toko & Anak", template="trading", admin="m-hendra")
    guard.create_tenant("lain", "Lain", template="trading", admin="m-slamet")
    with guard.engine.begin() as connection:
        for tenant, member, role, name in MEMBERS:
            if role != "owner":
                guard.directory.add_member(connection, tenant, member)
                guard.directory.grant(connection, tenant, member, role, reason="test", granted_by="platform")
            kept = {"password_hash": _kept(), "set_at": now_us(), "name_token": name_token(guard.keyring, name)}
            connection.execute(insert(credential).values(tenant_id=tenant, member_id=member, **kept))


@cache
def _kept() -> str:
    """What `set_password` would keep, worked out once: it is meant to take long."""
    return hash_password(PASSWORD)


def _tables(url: str) -> None:
    for metadata, place in ((core, own_engine(url)), (trail, own_engine(trail_url(url)))):
        metadata.create_all(place)
        place.dispose()
