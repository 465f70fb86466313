"""The helpers for an application's own tests, and the fixtures that come with the installation."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from amanah.audit.checkpoints import SignerKey
from amanah.encryption.file_provider import FileKeyProvider
from amanah.errors import KeyFileWrong
from amanah.testing import MemoryKeys, fast_folder, kept_open, settings_in, trail_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parent.parent.parent.parent

SUITE = """
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

from amanah import Guard, Personal
from amanah.migrations import upgrade
from amanah.testing import MemoryKeys, as_member

metadata = MetaData()
customer = Table(
    "customer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("phone", Personal(String, category="user.contact.phone_number")),
)


@pytest.fixture(scope="session")
def engine(amanah_folder):
    url = f"sqlite:///{amanah_folder / 'app.db'}"
    upgrade(url)
    return create_engine(url)


@pytest.fixture(scope="session")
def guard(engine, amanah_settings):
    made = Guard.production(
        metadata=metadata, engine=engine, identify=lambda _: None, routes=[], settings=amanah_settings,
        provider=MemoryKeys(),
    )
    metadata.create_all(made.engine)
    made.create_tenant("toko", "Toko", template="trading", admin="ani")
    yield made
    made.close()


def test_one(guard, engine, amanah_trail):
    assert amanah_trail(guard, "toko") == []
    with as_member(guard, tenant="toko", role="cashier", purpose="billing"), engine.begin() as connection:
        connection.execute(insert(customer).values(id=1, phone="+6281234567890"))
    assert {entry.kind for entry in amanah_trail(guard, "toko")} == {"job", "write"}


def test_two(guard, engine, amanah_trail):
    with as_member(guard, tenant="toko", role="support", purpose="support"), engine.connect() as connection:
        assert connection.scalar(select(customer.c.phone)) == "•••• 7890"
    assert [entry.kind for entry in amanah_trail(guard, "toko")] == ["job", "job"]
"""


def test_settings_are_made_once(tmp_path: Path) -> None:
    """Key file, signer and checkpoints lie in the folder; who asks again gets the same keys."""
    made = settings_in(tmp_path / "state")
    assert FileKeyProvider(made.key_file).key_id() == FileKeyProvider(settings_in(tmp_path / "state").key_file).key_id()
    assert SignerKey.load(made.signer_file)
    assert made.checkpoints.is_dir()
    assert made.key_file.parent == tmp_path / "state"
    assert made.key_file.stat().st_mode & 0o077 == 0


def test_the_trail_is_read_newest_first(books: Any) -> None:
    """What is durable by now is in it, of one tenant, and no more than asked for."""
    with books.access("b") as access:
        pass
    newest = trail_of(books.guard, "b", limit=1)
    assert [one.access for one in newest] == [access.id]
    assert access.id not in {one.access for one in trail_of(books.guard, "a")}
    assert len(trail_of(books.guard, "b")) > 1


def test_keys_in_memory_wrap_and_unwrap() -> None:
    """They are keys as any, and those of another process are others."""
    keys = MemoryKeys()
    wrapped = keys.wrap(b"k" * 32, b"context", keys.key_id())
    assert keys.unwrap(wrapped, b"context", keys.key_id()) == b"k" * 32
    with pytest.raises(KeyFileWrong):
        MemoryKeys().unwrap(wrapped, b"context", keys.key_id())


def test_a_fast_folder_is_in_memory_where_there_is_one() -> None:
    """Each is new, private, and gone with the process."""
    one, two = fast_folder(), fast_folder()
    assert one != two
    assert one.is_dir()
    assert one.stat().st_mode & 0o077 == 0
    program = "from amanah.testing import fast_folder; print(fast_folder())"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip()
    assert not Path(answer.stdout.strip()).exists()


def test_a_guard_outlives_the_client_of_one_test(books: Any) -> None:
    """Each client starts and ends the application; the gates stand, and the trail takes entries all the while."""
    seen = []

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        seen.append("start")
        yield
        seen.append("end")

    app = kept_open(books.guard, Starlette(lifespan=lifespan))
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/anything").json()["code"] == "route-undeclared"
    assert seen == ["start", "end"] * 2
    with books.access():
        pass


def test_pytest_finds_the_fixtures() -> None:
    """The entry point names the module that has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"amanah": "amanah.testing.plugin"}


def test_a_suite_needs_few_lines(tmp_path: Path) -> None:
    """Folder, settings and trail come as fixtures, with every warning an error."""
    (tmp_path / "test_app.py").write_text(SUITE, "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-W", "error"]
    # Named because an editable install may be older than the entry point; named twice it would be refused.
    plugin = [] if _installed() else ["-p", "amanah.testing.plugin"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *plugin, "test_app.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "2 passed" in answer.stdout


def _installed() -> bool:
    return any(point.value == "amanah.testing.plugin" for point in entry_points(group="pytest11"))
