"""The house on both databases: installed once per worker and database, copied for each test that needs one."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def _load() -> Any:
    name = "protected_house"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "house.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


house_module = _load()


class Builder:
    """Makes houses; the first of each kind of database is installed, the others are copies of it."""

    def __init__(self, folder: Path, postgres_url: Callable[[], str]) -> None:
        """``postgres_url`` is asked only where a test needs PostgreSQL."""
        self.folder = folder
        self._postgres_url = postgres_url
        self._connection: psycopg.Connection | None = None
        self._templates: dict[str, Any] = {}
        self._role = f"iconix_{uuid.uuid4().hex}"

    def _postgres(self) -> tuple[str, psycopg.Connection]:
        """The server's URL and a superuser's connection of our own, which outlives the fixtures of the tests."""
        url = self._postgres_url()
        if self._connection is None:
            plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(plain, autocommit=True)
        return url, self._connection

    @contextlib.contextmanager
    def house(self, kind: str) -> Iterator[Any]:
        """A house of one's own with ``kind`` of database, torn down behind the block."""
        template = self._templates.get(kind) or self._install(kind)
        folder = self.folder / uuid.uuid4().hex
        house_module.copy_files(template.folder, folder)
        with self._copy_of(kind, template, folder) as url:
            house = house_module.House(url, folder, None if kind == "sqlite" else self._as_role(url))
            try:
                yield house
            finally:
                house.close()

    @contextlib.contextmanager
    def _copy_of(self, kind: str, template: Any, folder: Path) -> Iterator[str]:
        if kind == "sqlite":
            yield f"sqlite:///{folder / 'iconix.db'}"
            return
        with self.database(template.url) as url:
            yield url

    @contextlib.contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A PostgreSQL database, empty or a copy."""
        base, connection = self._postgres()
        name = f"amanah_{uuid.uuid4().hex}"
        source = "template0" if template is None else make_url(template).database
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}".encode("ascii"))
        try:
            yield make_url(base).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode("ascii"))

    def _install(self, kind: str) -> Any:
        folder = self.folder / f"template-{kind}"
        folder.mkdir()
        url = f"sqlite:///{folder / 'iconix.db'}"
        if kind == "postgresql":
            base, connection = self._postgres()
            name = f"amanah_template_{uuid.uuid4().hex}"
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode("ascii"))
            url = make_url(base).set(database=name).render_as_string(hide_password=False)
        state = str(folder / "amanah")
        done = house_module.run("iconix.install", url, "--state", state, "--rows", str(house_module.ROWS))
        assert done.returncode == 0, done.stderr
        if kind == "postgresql":
            self._let_in(url)
        self._templates[kind] = house_module.House(url, folder)
        return self._templates[kind]

    def _let_in(self, url: str) -> None:
        """Make the role as which the server connects: no superuser, owner of nothing; copies keep its rights."""
        owner = sa.create_engine(url, poolclass=sa.NullPool)
        with owner.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {self._role} LOGIN PASSWORD '{self._role}'")
            for things in ("TABLES", "SEQUENCES"):
                connection.exec_driver_sql(f"GRANT ALL ON ALL {things} IN SCHEMA public TO {self._role}")

    def _as_role(self, url: str) -> str:
        named = make_url(url).set(username=self._role, password=self._role)
        return named.render_as_string(hide_password=False)

    def close(self) -> None:
        """Drop the template on PostgreSQL; files are the temporary folder's business."""
        if self._connection is None:
            return
        if "postgresql" in self._templates:
            name = make_url(self._templates["postgresql"].url).database
            self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode("ascii"))
            self._connection.execute(f"DROP ROLE {self._role}".encode("ascii"))
        self._connection.close()


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Builder]:
    """Makes houses."""
    url = functools.cache(lambda: str(request.getfixturevalue("postgres_url")))
    made = Builder(tmp_path_factory.mktemp("houses"), url)
    yield made
    made.close()


@pytest.fixture(scope="session", params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """On which database."""
    return str(request.param)


@pytest.fixture(scope="session")
def server(builder: Builder, kind: str) -> Iterator[Any]:
    """A running house that tests share which only add rows, or leave a row as they found it."""
    with builder.house(kind) as house, house.serving() as running:
        yield running


@pytest.fixture
def own_house(builder: Builder, kind: str) -> Iterator[Any]:
    """A house of the test's own, not running."""
    with builder.house(kind) as house:
        yield house


@pytest.fixture
def sqlite_house(builder: Builder) -> Iterator[Any]:
    """A house of the test's own, not running, for what is the same on every database."""
    with builder.house("sqlite") as house:
        yield house


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same application without Amanah, on SQLite, with the same seed: what the truth is."""
    folder = tmp_path_factory.mktemp("bare")
    house = house_module.House(f"sqlite:///{folder / 'iconix.db'}", folder)
    for command in (
        ("iconix.migrate", house.url),
        ("iconix.seed", house.url, "--rows", str(house_module.ROWS)),
    ):
        done = house_module.run(*command)
        assert done.returncode == 0, done.stderr
    return house


@pytest.fixture(scope="session")
def truth(bare: Any) -> Callable[..., list[Any]]:
    """Asks the bare application's database, where every value stands in clear."""
    engine = sa.create_engine(bare.url)

    def ask(sql: str, **values: Any) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(sa.text(sql), values).all())

    return ask
