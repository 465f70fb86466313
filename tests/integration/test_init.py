"""``amanah init`` on the example applications, as their developers would run it, and what it writes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests import ready

ROOT = Path(__file__).parents[2]
APPS = {
    "legacy": ("legacy.asgi:app", "legacy.models:Base.metadata", "legacy.db:engine"),
    "apotek": ("apotek.main:app", "apotek.models:Base", "apotek.db:engine"),
    "iconix": ("iconix.app:create_app", "iconix.models:Base.metadata", None),
    "quickstart": ("quickstart.app:app", "quickstart.app:Base", None),
}
TEMPLATE = {  # where each application names its database, and how its tables are made
    "legacy": ("LEGACY_DATABASE_URL", "sqlite:///{path}", "from legacy.migrate import upgrade; upgrade({url!r})"),
    "apotek": (
        "APOTEK_DATABASE_URL",
        "sqlite+aiosqlite:///{path}",
        "from apotek.migrate import migrate; migrate({url!r})",
    ),
}
CHECK = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
from amanah.middleware.declare import build
from amanah.middleware.routes import RouteTable
from amanah.middleware.doctor import diagnose
namespace = {}
source = open("protection.py", encoding="utf-8").read()
before, found, _ = source.partition("\\nguard = Guard.observing(")
assert found
exec(compile(before, "protection.py", "exec"), namespace)
name, _, path = sys.argv[1].partition(":")
metadata = importlib.import_module(name)
for part in path.split("."):
    metadata = getattr(metadata, part)
metadata = getattr(metadata, "metadata", metadata)
fixed = sys.argv[2] or None
register = build(metadata, namespace["DECLARATIONS"], sys.argv[3] or "tenant_id", fixed_tenant=fixed)
RouteTable(namespace["ROUTES"])
print(*(one.id + " " + one.subject for one in diagnose(register, metadata, ()).findings), sep="\\n")
"""


def run(folder, *arguments, **environment):
    """A command in ``folder`` with the examples on the path, in English."""
    return ready.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "examples"), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **environment},
        timeout=120,
    )


pytestmark = pytest.mark.slow  # each of the applications is started several times
CALLS = ("declare(", "shared(", "route(", "public(", "sign_in(", "callback(")


class Written:
    """What `amanah init` wrote for one application."""

    def __init__(self, name, folder):
        app, metadata, engine = APPS[name]
        more, environment = [], {}
        if engine is not None:
            variable, url, make = TEMPLATE[name]
            environment[variable] = url.format(path=folder / "app.db")
            made = run(folder, "-c", make.format(url=environment[variable]), **environment)
            assert made.returncode == 0, made.stderr
            more = ["--engine", engine]
        done = run(folder, "-m", "amanah.cli", "init", "--app", app, "--metadata", metadata, *more, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        self.folder, self.said, self.metadata, self.environment = folder, done.stdout, metadata, environment
        self.text = (folder / "protection.py").read_text("utf-8")

    def has(self, *lines):
        """Whether each of the lines stands in the file, whatever its indent."""
        there = {line.strip() for line in self.text.splitlines()}
        assert set(lines) <= there, set(lines) - there


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A function that gives what was written for an application, once for the module."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = Written(name, tmp_path_factory.mktemp(name))
        return made[name]

    return of


@pytest.mark.parametrize("name", APPS)
def test_the_file_is_clean_and_formatted(written, name):
    """For all of ruff's rules that this project has, with the application as first party."""
    folder = written(name).folder
    config = ["--config", str(ROOT / "pyproject.toml")]
    order = f'lint.isort = {{ known-first-party = ["{name}"], known-third-party = ["amanah"] }}'
    checked = run(folder, "-m", "ruff", "check", *config, "--config", order, "protection.py")
    assert checked.returncode == 0, checked.stdout
    formatted = run(folder, "-m", "ruff", "format", "--diff", *config, "protection.py")
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize(
    "name, fixed, column",
    [
        ("legacy", "", "perusahaan_id"),
        ("apotek", "apotek", ""),
        ("iconix", "", "tenant_id"),
        ("quickstart", "", "tenant_id"),
    ],
)
def test_the_declarations_are_taken_and_leave_no_personal_column_out(written, name, fixed, column):
    """They build a register and a route table, and the doctor knows of no column and no table that was forgotten."""
    one = written(name)
    done = run(one.folder, "-c", CHECK, one.metadata, fixed, column, **one.environment)
    assert done.returncode == 0, done.stderr
    ids = {line.partition(" ")[0] for line in done.stdout.splitlines()}
    assert not ids & {"AMN-D001", "AMN-D003", "AMN-D004"}, done.stdout


SERVE = """
import warnings
warnings.simplefilter("ignore")
from starlette.testclient import TestClient
import protection
with TestClient(protection.app) as client:
    for path in {paths!r}:
        print(path, client.get(path, follow_redirects=False).status_code)
"""


@pytest.mark.parametrize(
    "name, tenant, answers",
    [
        ("legacy", "1", {"/health": 200, "/static/sinar.css": 200, "/login": 200, "/pelanggan": 303, "/api/saya": 401}),
        ("apotek", "apotek", {"/health": 200, "/docs": 200, "/static/apotek.css": 200, "/obat": 200, "/pasien": 401}),
    ],
)
def test_the_application_answers_behind_the_file_as_it_did_before(written, name, tenant, answers):
    """Served as it was written, with keys, tables and a tenant: the guard observes and stops nobody."""
    one = written(name)
    place = {**one.environment, "AMANAH_STATE": str(one.folder / "state"), "AMANAH_GUARD": "protection:guard"}
    create = ("tenant", "create", tenant, "--name", "T", "--template", "blank", "--admin", "1")
    for command in (("keys", "init"), ("db", "upgrade"), create):
        done = run(one.folder, "-m", "amanah.cli", *command, **place)
        assert done.returncode == 0, done.stdout + done.stderr
    served = run(one.folder, "-c", SERVE.format(paths=list(answers)), **place)
    assert served.returncode == 0, served.stderr
    assert dict(line.split() for line in served.stdout.splitlines()) == {k: str(v) for k, v in answers.items()}


def test_legacy_is_guessed_with_its_company_column_and_child_tables(written):
    """Tables without the column reach it by their parents; reference tables are shared; the login is found."""
    one = written("legacy")
    one.has(
        'tenant_column="perusahaan_id",',
        'guessed(declare("perusahaan", tenant="id")),',
        'guessed(declare("faktur_baris", resource="faktur", via="faktur_id")),',
        'guessed(declare("pembayaran", via="faktur_id")),',
        'guessed(declare("faktur", subject="pelanggan_id")),',
        'guessed(shared("provinsi", "satuan")),',
        "sign_in=True,",
        '"gaji": Personal(category="x.user.financial.salary", sealed=False),',
        '"npwp": Personal(category="user.government_id", sealed=False),',
        '"tgl_lahir": Personal(category="user.demographic.date_of_birth", sealed=False),',
        '"no_hp": Personal(category="user.contact.phone_number", sealed=False),',
        '"alamat": Personal(category="user.contact.address", sealed=False),',
        '"keluhan": Personal(category="user.health_and_medical", sealed=False),',
    )


def test_legacy_has_its_routes_with_what_needs_no_login(written):
    """Health, documentation, static files, preflights, login, and the callback that is none of them."""
    one = written("legacy")
    one.has(
        'guessed(public("GET /health")),',
        'guessed(public("GET /docs")),',
        'guessed(public("GET /static/{path:path}")),',
        'guessed(public("OPTIONS /{path:path}")),',
        'guessed(sign_in("GET,POST /login")),',
        'guessed(callback("POST /callback/pembayaran", "pembayaran", "create", ["TODO"], '
        'verify=verify, actor="gateway")),',
        "def verify(connection: HTTPConnection, body: bytes) -> str | int | None:  # noqa: ARG001 - to be filled in",
        'guessed(route("GET /api/pelanggan/{id:int}", "pelanggan", "read", ["TODO"])),',
        'guessed(route("POST /faktur/{id:int}/kwitansi", "kwitansi", "create", ["TODO"])),',
        'SESSIONS = amanah.SessionCookie(SECRET_KEY, session_cookie="sinar")  # once, outside of this function',
    )
    assert 'public("POST' not in one.text
    assert "Called by another system" in one.text


def test_apotek_is_of_one_fixed_tenant(written):
    """No column says whose row it is, so all are protected; the guard is given both of its engines."""
    one = written("apotek")
    one.has(
        'fixed_tenant="apotek",  # no column says whose row it is: all rows are one tenant\'s',
        "from apotek.db import engine, sync_engine",
        "engine=[engine, sync_engine],",
        'guessed(declare("obat")),',
        '"diagnosa": Personal(category="user.health_and_medical", sealed=False),',
        '"alergi": Personal(category="user.health_and_medical", sealed=False),',
        '"teks": Personal(category="user.content", sealed=False),',
        'guessed(sign_in("POST /token")),',
        'guessed(public("GET /openapi.json")),',
        'guessed(route("GET /pasien/{pasien_id}/resep", "resep", "read", ["TODO"])),',
        'guessed(route("GET /obat", "obat", "read", ["TODO"])),',
    )
    assert "another database" not in one.said + one.text
    assert "async def identify" in one.text


def test_iconix_is_guessed_as_its_own_declarations_say(written):
    """The subjects, sign-in tables and categories that its developers declared by hand."""
    one = written("iconix")
    one.has(
        'tenant_column="tenant_id",',
        "unprotected = create_app()",
        "engine=unprotected.state.engine,",
        'guessed(declare("login_token", resource="account", subject="account_id", sign_in=True)),',
        'guessed(declare("invoice_line", resource="invoice")),',
        'guessed(declare("invoice", subject="customer_id")),',
        'guessed(declare("queue_ticket", subject="patient_id")),',
        '"latitude": Personal(category="user.location", sealed=False),',
        'guessed(route("GET /api/orders/{id}", "cod_order", "read", ["TODO"])),',
    )


def test_identify_lets_nobody_in(written):
    """Until it is filled in, whoever asks is nobody."""
    for name in APPS:
        body = written(name).text.partition("def identify(")[2].partition('    """\n')[2]
        assert body.startswith("    return None\n\n\n")


def test_every_guess_is_marked(written):
    """There is no declaration and no route in the file that is not."""
    for name in APPS:
        text = written(name).text
        lines = [line.strip() for line in text.partition("DECLARATIONS = [")[2].partition("\n\ndef ")[0].splitlines()]
        calls = [
            n
            for n, line in enumerate(lines)
            if line.startswith(("declare(", "shared(", "route(", "public(", "sign_in("))
        ]
        assert all(lines[n - 1] == "guessed(" for n in calls)
