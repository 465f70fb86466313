"""An application as one finds it keeps its answers while a guard observes it: its own tests say so.

Each app is copied, wrapped and run with its own suite in a process of its own. Nothing in the copy is changed but the
line that makes the application.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import ready as prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"

PLUGIN = """
import json, os
import pytest
from sqlalchemy import MetaData, select, text

ready = os.environ["OBSERVED_READY"] == "yes"


@pytest.fixture(scope="session", autouse=True)
def observed({after}):
    # Made once the app's own tables are there, and taken away before it takes away its own.
    from {app}.protection import guard
    from amanah import migrations
    from amanah.audit.entries import decode
    from amanah.audit.log import Filter, list_entries
    if ready:
        migrations.upgrade(guard.engine.url)
        for tenant in {tenants}:
            guard.create_tenant(tenant, tenant, template="{template}", admin="owner")
    yield
    guard.close()
    if ready:
        found = []
        guard.sequencer.run_once()
        for tenant in [*{tenants}, "platform"]:
            found += list_entries(guard.trail_engine, tenant, limit=1000, filters=Filter(outcome="would_refuse"))
        guard.sequencer.close()
        with open(os.environ["OBSERVED_FOUND"], "w") as out:
            json.dump([[one.entry.refusal, one.entry.route, dict(one.entry.detail)] for one in found], out)
        metadata = MetaData()
        metadata.reflect(guard.engine, only=lambda name, _: name.startswith("amanah_"))
        metadata.drop_all(guard.engine)
    guard.engine.dispose()
    guard.trail_engine.dispose()
"""

START = """
import os
from datetime import UTC, datetime, timedelta

from amanah import Actor, Guard, Identity, Personal, Settings, declare, public, route, shared, sign_in
from amanah.guard import create_keys

settings = Settings.in_folder(os.environ["AMANAH_STATE"])
create_keys(settings)
until = datetime.now(UTC).date() + timedelta(days=30)
"""

LEGACY = (
    START
    + """
import json
from base64 import b64decode

from itsdangerous import BadSignature, TimestampSigner

from legacy.app import create_app
from legacy.config import SECRET_KEY
from legacy.db import SessionLocal, engine
from legacy.models import Base, Pengguna

ROLES = {"pemilik": "owner", "kasir": "cashier", "gudang": "courier", "akuntan": "finance"}
NAME, PHONE, EMAIL = "user.name", "user.contact.phone_number", "user.contact.email"
NIK = "user.government_id.national_identification_number"


def governed(category):
    return Personal(category=category, sealed=False)


def identify(connection):
    try:
        raw = TimestampSigner(SECRET_KEY).unsign(connection.cookies.get("sinar", ""))
        number = json.loads(b64decode(raw)).get("pengguna_id")
    except BadSignature:
        return None
    with SessionLocal() as session:
        found = session.get(Pengguna, number) if number else None
    if found is None:
        return None
    roles = frozenset({ROLES[found.peran]})
    return Identity(tenant=str(found.perusahaan_id), actor=Actor(str(found.id)), roles=roles)


guard = Guard.observing(
    until=until,
    metadata=Base.metadata,
    engine=engine,
    identify=identify,
    tenant_column="perusahaan_id",
    settings=settings,
    declarations=[
        shared("provinsi"),
        shared("satuan"),
        declare("pengguna", subject="id", sign_in=True, columns={"nama": governed(NAME), "email": governed(EMAIL)}),
        declare(
            "pelanggan",
            subject="id",
            columns={
                "nama": governed(NAME),
                "no_hp": governed(PHONE),
                "email": governed(EMAIL),
                "nik": governed(NIK),
                "tgl_lahir": governed("user.demographic.date_of_birth"),
            },
        ),
        declare("karyawan", subject="id", columns={"nama": governed(NAME), "gaji": governed("user.financial")}),
        declare("kwitansi", resource="faktur", columns={"diterima_dari": governed(NAME), "no_hp": governed(PHONE)}),
        declare("pesan_keluar", columns={"tujuan": governed(PHONE), "isi": governed("user.contact")}),
    ],
    routes=[
        sign_in("GET,POST /login"),
        sign_in("POST /logout"),
        public("GET /health"),
        public("GET /static/{rest:path}"),
        route("GET /pelanggan", "pelanggan", "read", ["billing"]),
        route("GET,POST /pelanggan/{id:int}", "pelanggan", "read", ["billing", "support"]),
        route("GET,POST /api/pelanggan", "pelanggan", "read", ["billing"]),
        route("POST /api/faktur", "faktur", "create", ["TODO"]),
    ],
)
app = guard.wrap(create_app())
"""
)

APOTEK = (
    START
    + """
from joserfc import jwt
from joserfc.errors import JoseError
from sqlalchemy.ext.asyncio import AsyncSession

from . import config
from .db import engine
from .keamanan import TOKEN_KEY
from .models import Akun, Base

ROLES = {"apoteker": "nurse", "kasir": "registration", "admin": "owner"}
NAME, PHONE, EMAIL = "user.name", "user.contact.phone_number", "user.contact.email"


def governed(category):
    return Personal(category=category, sealed=False)


async def identify(connection):
    token = connection.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        number = int(jwt.decode(token, TOKEN_KEY, algorithms=["HS256"]).claims["sub"])
    except (JoseError, ValueError):
        return None
    async with AsyncSession(engine) as session:
        found = await session.get(Akun, number)
    if found is None:
        return None
    return Identity(tenant="apotek", actor=Actor(str(found.id)), roles=frozenset({ROLES[found.peran]}))


guard = Guard.observing(
    until=until,
    metadata=Base.metadata,
    engine=engine,
    identify=identify,
    settings=settings,
    fixed_tenant="apotek",
    declarations=[
        shared("obat"),
        declare(
            "pasien",
            subject="id",
            columns={
                "nama": governed(NAME),
                "tanggal_lahir": governed("user.demographic.date_of_birth"),
                "telepon": governed(PHONE),
                "email": governed(EMAIL),
                "alergi": governed("user.health_and_medical"),
            },
        ),
        declare("resep", subject="pasien_id", columns={"diagnosa": governed("user.health_and_medical")}),
        declare("akun", sign_in=True, columns={"email": governed(EMAIL), "nama": governed(NAME)}),
    ],
    routes=[
        sign_in("POST /token"),
        public("GET /health"),
        public("GET /static/{rest:path}"),
        route("GET /pasien", "pasien", "read", ["registration"]),
        route("GET /resep/{id}", "resep", "read", ["care"]),
    ],
)


def protect(app):
    return guard.wrap(app)
"""
)


def prepare(app: str, folder: Path) -> None:
    """A copy of the application, wrapped."""
    shutil.copytree(EXAMPLES / app, folder / app, ignore=shutil.ignore_patterns("__pycache__"))
    if app == "legacy":
        (folder / app / "protection.py").write_text(LEGACY)
        (folder / app / "asgi.py").write_text("from .protection import app\n")
        facts: Mapping[str, Any] = {
            "app": app, "after": "database", "tenants": ["1", "2", "3"], "template": "trading",
        }  # fmt: skip
    else:
        (folder / app / "protection.py").write_text(APOTEK)
        with (folder / app / "main.py").open("a") as main:
            main.write("\n\nfrom .protection import protect  # noqa: E402\n\napp = protect(app)\n")
        facts = {"app": app, "after": "migrated", "tenants": ["apotek"], "template": "clinic"}
    text = PLUGIN
    for name, value in facts.items():
        text = text.replace("{" + name + "}", str(value))
    (folder / "observed_plugin.py").write_text(text)


def run(app: str, folder: Path, *, ready: bool, url: str | None = None) -> str:
    """The application's whole suite; without ``ready`` nothing of Amanah's own is in the database.

    ``url``: an empty PostgreSQL database; default: a SQLite file of the suite's own.
    """
    prepare(app, folder)
    own = ["--deselect", f"{app}/tests/{NEEDS_AN_EMPTY_DATABASE[app]}"] if ready else []
    answer = prepared.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "observed_plugin", "-p", "no:cacheprovider", *own, f"{app}/tests"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "AMANAH_STATE": str(folder / "state"),
            "OBSERVED_READY": "yes" if ready else "no",
            "OBSERVED_FOUND": str(folder / "found.json"),
            **({} if url is None else {f"{app.upper()}_TEST_DATABASE_URL": url}),
        },
        timeout=600,
    )
    assert answer.returncode == 0, answer.stdout[-8000:] + answer.stderr[-4000:]
    return answer.stdout


NEEDS_AN_EMPTY_DATABASE = {
    "legacy": "test_perintah.py::test_migrations_make_what_the_models_say",
    "apotek": "test_aplikasi.py::test_migrations_make_what_the_models_say",
}
"""It demands that the database holds the app's own tables and no others; run where Amanah's are not there."""

EXPECTED = {
    "legacy": {"https-required", "route-undeclared", "raw-sql-refused", "table-undeclared", "access-required"},
    "apotek": {"https-required", "route-undeclared", "not-identified", "access-required"},
}


@pytest.mark.postgresql
@pytest.mark.parametrize("app", ["legacy", "apotek"])
def test_an_apps_own_tests_pass_on_postgresql_while_it_is_observed(
    app: str, tmp_path: Path, postgres_database: str
) -> None:
    """The answers stay as they were, and what would be refused is in the trail. On SQLite they do so in the `walk`."""
    url = postgres_database if app == "legacy" else postgres_database.replace("+psycopg", "+asyncpg")
    run(app, tmp_path, ready=True, url=url)
    codes = {code for code, _, _ in json.loads((tmp_path / "found.json").read_text())}
    assert codes >= EXPECTED[app], codes


@pytest.mark.parametrize("app", ["legacy", "apotek"])
def test_an_apps_own_tests_pass_while_nothing_of_amanah_works(app: str, tmp_path: Path) -> None:
    """No trail, no policy, no tenants, no keys in the database: the application that is only observed goes on."""
    run(app, tmp_path, ready=False)
