"""The two applications that are adopted keep working as they are: their own tests, on both databases."""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests import ready

EXAMPLES = Path(__file__).parents[2] / "examples"
DRIVERS = {"legacy": "postgresql+psycopg", "apotek": "postgresql+asyncpg"}
FROZEN = {
    "legacy": "8bb231aa79e3aff7382f2ae055504c5a11fcf4fd744f02a86712d5bfc06053c5",
    "apotek": "6cfb164bd15e364203ea49cc97ebe812660b25bc5fd9d2a79dec7fcd3cea54d2",
}


def run_tests(app: str, **variables: str) -> None:
    """Run an application's own tests in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"{app}/tests"]
    command += ["-W", "ignore:Module already imported"]  # plugins, by the process that `ready` forks
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "AMANAH_"))}
    done = ready.run(command, cwd=EXAMPLES, env=clean | variables, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("app", DRIVERS)
def test_the_application_passes_its_own_tests(app, database_url):
    """Bare, as it was found."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        run_tests(app)
    else:
        given = url.set(drivername=DRIVERS[app]).render_as_string(hide_password=False)
        run_tests(app, **{f"{app.upper()}_TEST_DATABASE_URL": given})


@pytest.mark.parametrize("app", DRIVERS)
def test_the_application_knows_nothing_of_us(app):
    """Adopting touches no handler and no model, so none of them may name us."""
    named = [
        path.name
        for path in sorted((EXAMPLES / app).rglob("*"))
        if path.is_file() and path.suffix in {".py", ".html", ".ini", ".mako"} and "amanah" in path.read_text().lower()
    ]
    assert named == []


def digest(app: str) -> str:
    """One SHA-256 over the names and contents of everything that belongs to an application."""
    files = [p for p in (EXAMPLES / app).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    whole = sha256()
    for path in sorted(files):
        whole.update(f"{path.relative_to(EXAMPLES).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


@pytest.mark.parametrize("app", DRIVERS)
def test_the_application_is_as_it_was_found(app):
    """What would be easier to adopt if it were written otherwise stays as it is."""
    assert digest(app) == FROZEN[app]
