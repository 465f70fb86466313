"""What tests share: a fresh database per test, on SQLite and on a real PostgreSQL.

PostgreSQL is the server whose SQLAlchemy URL (a superuser's) is in AMANAH_TEST_POSTGRES. Where that is unset, the first
test that needs one starts a server of this run's own, which all xdist workers share and which goes with the run, also
when the run is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from amanah import database, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

GIVEN = "AMANAH_TEST_POSTGRES"
SHARED = "AMANAH_TEST_FOLDER"  # set by the run's first process, inherited by its xdist workers
POSTGRES = Path(__file__).parent.parent / "tools" / "postgres.py"
MODELS = (
    "access_policies.models",
    "adoption.models",
    "audit.models",
    "audit.staging",
    "console.models",
    "encryption.models",
    "middleware.models",
    "tenants.models",
)

_supervisors: list[subprocess.Popen[bytes]] = []

# How long an example takes says something about the machine's load, nothing about the code.
settings.register_profile("amanah", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("amanah")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder through which the processes of this run find their one PostgreSQL."""
    if not hasattr(config, "workerinput"):
        os.environ[SHARED] = tempfile.mkdtemp(prefix="amanah-tests-")


def pytest_collection_finish() -> None:
    """What was imported stays to the end of the run: no collection of garbage has to look at it again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop this run's PostgreSQL, if a test started it."""
    if hasattr(config, "workerinput") or SHARED not in os.environ:
        return
    folder = Path(os.environ.pop(SHARED))
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((folder / "pid").read_text("ascii")), signal.SIGTERM)
    for supervisor in _supervisors:
        supervisor.wait(60)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests (``@pytest.mark.anyio``) run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a superuser's maintenance database on the PostgreSQL of this run."""
    if os.environ.get(GIVEN):
        return os.environ[GIVEN]
    folder = Path(os.environ[SHARED])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "url").exists():
            _start_postgres(folder)
    return (folder / "url").read_text("utf-8").strip()


def _start_postgres(folder: Path) -> None:
    # Bound to the run's first process (the workers' parent), so that a worker that ends early does not take it along.
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    with (folder / "output").open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, POSTGRES, "serve", "--until-exit-of", str(owner)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _supervisors.append(supervisor)
    (folder / "pid").write_text(str(supervisor.pid), "ascii")
    until = time.monotonic() + 120
    while time.monotonic() < until:
        printed = (folder / "output").read_text("utf-8", "replace")
        if printed.startswith("postgresql") and printed.endswith("\n"):
            (folder / "url").write_text(printed, "utf-8")
            return
        if supervisor.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start: {(folder / 'output').read_text('utf-8', 'replace')}", pytrace=False)


@pytest.fixture(scope="session")
def _maintenance(postgres_url: str) -> Iterator[psycopg.Connection]:
    url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The databases that this process keeps, empty and filled ones (``tests/prepared.py``)."""
    return _world("prepared").Prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def _fill(request: pytest.FixtureRequest) -> tuple[str, Any]:
    """How the databases of this test are filled at first, and what that is called: by the world that it asks for."""
    name = next((name for name in FILLED if f"filled_{name}" in request.fixturenames), "empty")
    if name != "empty":
        request.getfixturevalue("all_models")
    return name, FILLED.get(name, lambda _url, _folder: None)


@pytest.fixture
def postgres_database(
    postgres_url: str, _maintenance: psycopg.Connection, _prepared: Any, _fill: tuple[str, Any], tmp_path: Path
) -> Iterator[str]:
    """The URL (``postgresql+psycopg://…``) of a database of this test's own, empty unless a world fills it."""
    name, fill = _fill
    own = _prepared.postgresql(name, fill, tmp_path, _maintenance)
    yield make_url(postgres_url).set(database=own).render_as_string(hide_password=False)
    _prepared.give_back(name, own, _maintenance)


@pytest.fixture
def sqlite_database(_prepared: Any, _fill: tuple[str, Any], tmp_path: Path) -> str:
    """The URL of a SQLite file of this test's own, not made yet unless a world fills it."""
    name, fill = _fill
    return str(_prepared.sqlite(name, fill, tmp_path)) if name != "empty" else f"sqlite:///{tmp_path / 'app.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database: the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database"))


@pytest.fixture(scope="session")
def all_models() -> None:
    """The modules with tables are imported, so that the metadata knows all of Amanah's own tables."""
    for module in MODELS:
        importlib.import_module(f"amanah.{module}")


@pytest.fixture
def own_database(filled_own_tables: None, database_url: str) -> Iterator[Engine]:
    """Amanah's own engine on `database_url`, all of its tables made (the trail's where `database.trail_url` says)."""
    engine = database.own_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def trail_database(own_database: Engine, database_url: str) -> Iterator[Engine]:
    """The engine of the trail of `own_database`: on SQLite another file, on PostgreSQL the same database."""
    engine = database.own_engine(database.trail_url(database_url))
    yield engine
    engine.dispose()


def _world(name: str) -> Any:
    """The module ``tests/<name>.py``, loaded once: tests are no packages that could import each other."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def soft_token(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A PKCS#11 token: the path of its ``module``, its ``label`` and its ``pin``."""
    return _world("token_world").soft_token(tmp_path_factory.mktemp("token"))


@pytest.fixture(scope="session")
def kms_world() -> Any:
    """How boto3 is led to a server of the tests' own (``tests/kms_world.py``)."""
    return _world("kms_world")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Where moto's server answers as S3."""
    yield from _world("s3_world").serve()


@pytest.fixture
def s3(s3_endpoint: str, kms_world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A bucket of this test's own (``tests/s3_world.py``), and boto3 led to it and nowhere else."""
    kms_world.surround(monkeypatch, tmp_path, int(s3_endpoint.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    return _world("s3_world").World(s3_endpoint)


@pytest.fixture
def world(filled_gate: None, sqlite_database: str, tmp_path: Path) -> Iterator[Any]:
    """The HTTP gate with tenants, policy, keys and trail behind it, on SQLite (``tests/gate_world.py``)."""
    made = _world("gate_world").build(sqlite_database, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def world_everywhere(filled_gate: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The same, once on SQLite and once on PostgreSQL."""
    made = _world("gate_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def empty_books(filled_empty_books: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate with everything behind it and no data (``tests/sql_world.py``)."""
    made = _world("sql_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def books(filled_books: None, empty_books: Any) -> Any:
    """The same with two customers in tenant ``a`` and one in ``b``."""
    return empty_books


@pytest.fixture
def worlds() -> None:
    """The module ``sql_world`` can be found, by tests that build a world of their own with it."""
    _world("sql_world")


@pytest.fixture
def second_wall(filled_books: None, worlds: None, postgres_database: str, tmp_path: Path) -> Iterator[Any]:
    """`books` behind row-level security, reached by a role that it holds (``tests/second_wall_world.py``)."""
    made = _world("second_wall_world").build(postgres_database, tmp_path)
    yield made
    made.close()


@pytest.fixture
def pooled_url(second_wall: Any) -> Iterator[str]:
    """The database of `second_wall` by way of a PgBouncer in transaction mode (``tests/pgbouncer_world.py``)."""
    with _world("pgbouncer_world").pooled(second_wall.url) as url:
        yield url


@pytest.fixture
def second_wall_via(filled_shop: None, worlds: None, postgres_database: str, tmp_path: Path) -> Iterator[Any]:
    """`shop` behind row-level security, reached by a role that it holds."""
    _world("via_world")
    made = _world("second_wall_world").build(postgres_database, tmp_path, "via_world")
    yield made
    made.close()


@pytest.fixture
def shop(filled_shop: None, worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate around tables that belong to their tenant by a parent (``tests/via_world.py``)."""
    made = _world("via_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def parcels(filled_parcels: None, worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate around tables of which some roles may meet some rows only (``tests/filters_world.py``)."""
    made = _world("filters_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def stall(filled_stall: None, worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate around persons who consented to some purposes (``tests/consent_world.py``)."""
    made = _world("consent_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def till(filled_till: None, worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate around tables whose rows are sealed (``tests/rows_world.py``)."""
    made = _world("rows_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def cards(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate around tables whose rows are sealed over personal columns, too (``tests/cards_world.py``)."""
    module = _world("cards_world")
    made = module.build(database_url, tmp_path)
    module.seed(made)
    yield made
    made.close()


@pytest.fixture
def observed_world(database_url: str, tmp_path: Path) -> Iterator[Any]:
    """An application that was never written for Amanah, to be observed (``tests/observed_world.py``)."""
    made = _world("observed_world").ObservedWorld(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def console(filled_console: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The console beside an app, with people who can sign in (``tests/console_world.py``)."""
    made = _world("console_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


@pytest.fixture
def office_of_two(filled_office: None, worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """A column that two people may decrypt (``tests/two_people_world.py``)."""
    made = _world("two_people_world").build(database_url, tmp_path, filled=True)
    yield made
    made.close()


def _filled_by(name: str, *, seeded: bool = False) -> Any:
    """Builds the world of that module, with its data, and lets go of it."""

    def fill(url: str, folder: Path) -> None:
        _world("sql_world")
        module = _world(name)
        made = module.build(url, folder)
        if seeded:
            module.seed(made)
        made.close()

    return fill


def _own_tables(url: str, _folder: Path) -> None:
    for metadata, place in ((database.core, url), (database.trail, database.trail_url(url))):
        engine = database.own_engine(place)
        metadata.create_all(engine)
        engine.dispose()


def _migrated(url: str, _folder: Path) -> None:
    migrations.upgrade(url)


FILLED = {
    "books": _filled_by("sql_world", seeded=True),
    "empty_books": _filled_by("sql_world"),
    "shop": _filled_by("via_world"),
    "parcels": _filled_by("filters_world", seeded=True),
    "stall": _filled_by("consent_world", seeded=True),
    "till": _filled_by("rows_world", seeded=True),
    "console": _filled_by("console_world"),
    "office": _filled_by("two_people_world"),
    "gate": _filled_by("gate_world"),
    "own_tables": _own_tables,
    "migrated": _migrated,
}
"""What the databases of a test hold at first where ``filled_…`` is among its fixtures; the first of them counts."""

for _name in FILLED:
    globals()[f"filled_{_name}"] = pytest.fixture(name=f"filled_{_name}")(lambda: None)
