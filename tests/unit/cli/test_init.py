"""``amanah init``: what it refuses, and that it never takes anything away."""

from __future__ import annotations

import os
import re
import sys
import uuid

import pytest
from sqlalchemy import Engine, create_engine, event, text
from typer.testing import CliRunner

from amanah.adoption.init_database import compare
from amanah.adoption.init_loading import load_metadata
from amanah.cli import app
from amanah.database import own_url

APP = '''"""An application of this test's own."""
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, create_engine
from starlette.applications import Starlette
from starlette.routing import Route

async def customers(request):
    raise AssertionError

def create_app():
    return app

def broken():
    raise RuntimeError("no settings\\nvalue: 081234567890")

async def later():
    raise AssertionError

metadata = MetaData()
empty = MetaData()
dangling = MetaData()
Table("company", metadata, Column("id", Integer, primary_key=True), Column("name", String))
Table(
    "customer", metadata, Column("id", Integer, primary_key=True), Column("name", String),
    Column("company_id", ForeignKey("company.id")),
)
Table("invoice", dangling, Column("id", Integer, primary_key=True), Column("customer_id", ForeignKey("customer.id")))
app = Starlette(routes=[Route("/customers", customers)])
nothing = 3
engine = create_engine({url!r})
'''


class Desk:
    """Runs ``amanah init`` on an application in a folder of its own."""

    def __init__(self, folder, url):
        self.folder, self.url = folder, url
        self.module = f"myshop_{uuid.uuid4().hex}"
        self.module_file.write_text(APP.format(url=url), "utf-8")

    @property
    def module_file(self):
        return self.folder / f"{self.module}.py"

    def init(self, *more, app_="app", metadata="metadata", lang="en"):
        names = ["--app", f"{self.module}:{app_}", "--metadata", f"{self.module}:{metadata}"]
        return CliRunner().invoke(app, ["--lang", lang, "init", *names, *more])

    def refused(self, *more, **names):
        """What it says; nothing was written."""
        before = {one.name for one in self.folder.iterdir()}
        result = self.init(*more, **names)
        assert result.exit_code == 2, result.output
        assert {one.name for one in self.folder.iterdir()} - {"__pycache__"} == before - {"__pycache__"}
        assert "Traceback" not in result.output
        return result.output


@pytest.fixture
def desk(tmp_path, monkeypatch, sqlite_database):
    """A desk on a SQLite database that is not made yet."""
    return _desk(tmp_path, monkeypatch, sqlite_database)


@pytest.fixture
def desk_everywhere(tmp_path, monkeypatch, database_url):
    """A desk on SQLite and on PostgreSQL, with an empty database."""
    made = _desk(tmp_path, monkeypatch, database_url)
    engine = create_engine(own_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE company (id INTEGER PRIMARY KEY, name VARCHAR)"))
    engine.dispose()
    return made


def _desk(folder, monkeypatch, url):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    return Desk(folder, url)


def test_init_writes_a_file_and_says_what_comes_next(desk):
    """Counted, with the guard's name for the doctor; the application is not touched."""
    before = desk.module_file.read_bytes()
    result = desk.init()
    assert result.exit_code == 0, result.output
    assert "Tables: 2 declared with 1 personal columns, 0 shared, 0 not declared." in result.output
    assert "A row's tenant is in the column company_id." in result.output
    assert "Routes: 1 guarded, 0 public, 0 for signing in, 0 called by other systems." in result.output
    assert "The database was not looked at" in result.output
    assert "amanah --guard protection:guard doctor" in result.output
    assert desk.module_file.read_bytes() == before
    assert not (desk.folder / "app.db").exists()


def test_init_run_twice_leaves_the_first_file_as_it_is(desk):
    """What was confirmed is not lost; another name to write to is proposed, which then works."""
    desk.init()
    mine = desk.folder / "protection.py"
    mine.write_text("confirmed = True\n", "utf-8")
    said = desk.refused()
    assert "protection.py is there already" in said
    assert "--output protection_2.py" in said
    assert mine.read_text("utf-8") == "confirmed = True\n"
    assert desk.init("--output", "protection_2.py").exit_code == 0


def test_a_dangling_link_is_not_written_through(desk):
    """The file that it names is not made."""
    (desk.folder / "protection.py").symlink_to(desk.folder / "elsewhere.py")
    assert "is there already" in desk.refused()


@pytest.mark.parametrize("name", ["protection", "protection-new.py", "no/such/protection.py"])
def test_the_file_is_a_module_in_a_folder_that_exists(desk, name):
    """Otherwise --guard could not name it."""
    desk.refused("--output", name)


def test_half_a_file_is_never_left_behind(desk, monkeypatch):
    """Where the disk fails the error says so, and nothing is there."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    assert "No space left on device" in desk.refused()


def test_an_application_that_does_not_import_is_told_by_its_last_line(desk):
    """With file and line, without any stack, and without the value that a second line quotes."""
    said = desk.refused(app_="broken")
    assert "RuntimeError: no settings" in said
    assert f"{desk.module}.py:13" in said
    assert "081234567890" not in said


@pytest.mark.parametrize(
    "source, line",
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def broken(:\n", "SyntaxError"),
        ("import sys\nsys.exit('set DATABASE_URL')\n", "SystemExit: set DATABASE_URL"),
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_whatever_a_module_raises_is_told(desk, source, line):
    """Also an exit, which is no error of Python's."""
    desk.module_file.write_text(source, "utf-8")
    said = desk.refused()
    assert line in said
    assert desk.module in said


def test_a_module_that_is_not_there_is_told(desk):
    """By its name."""
    desk.module = "no_such_module"
    assert "No module named 'no_such_module'" in desk.refused()


@pytest.mark.parametrize(
    "names, why",
    [
        ({"app_": "missing"}, "there is no such name in it"),
        ({"app_": "nothing"}, "it is no ASGI application"),
        ({"app_": "later"}, "it shows no routes"),
        ({"app_": "app metadata"}, "it is not written module:attribute"),
        ({"metadata": "missing"}, "there is no such name in it"),
        ({"metadata": "app"}, "it is no MetaData of SQLAlchemy"),
        ({"metadata": "empty"}, "it holds no tables"),
    ],
)
def test_a_wrong_name_is_told_with_its_reason(desk, names, why):
    """And with an example of a right one."""
    said = desk.refused(**names)
    assert why in said
    assert "Name it like" in said


def test_a_wrong_engine_is_told(desk):
    """Nothing is written beside it."""
    assert "it is no engine of SQLAlchemy" in desk.refused("--engine", f"{desk.module}:app")


def test_metadata_without_all_tables_is_told(desk):
    """A foreign key that leads nowhere says which."""
    assert "A foreign key of invoice leads to customer, which is not in it." in desk.refused(metadata="dangling")


def test_a_function_that_makes_the_application_is_called_in_the_file_too(desk):
    """And the guard takes the engine that the module holds."""
    assert desk.init(app_="create_app").exit_code == 0
    written = (desk.folder / "protection.py").read_text("utf-8")
    assert "app = guard.wrap(create_app())\n" in written
    assert "engine=engine," in written


# -- the database ------------------------------------------------------------------------------------------------------


def test_a_database_that_does_not_match_its_models_is_refused_by_name(desk_everywhere):
    """Missing tables and columns; then, once they are there, what only the database has is told."""
    said = desk_everywhere.refused("--engine", f"{desk_everywhere.module}:engine")
    assert "It lacks: customer." in said
    engine = create_engine(own_url(desk_everywhere.url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE customer (id INTEGER PRIMARY KEY, name VARCHAR)"))
    assert "It lacks: customer.company_id." in desk_everywhere.refused("--engine", f"{desk_everywhere.module}:engine")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE customer ADD COLUMN company_id INTEGER"))
        connection.execute(text("CREATE TABLE old_customer (name VARCHAR)"))
        connection.execute(text("CREATE TABLE amanah_version (tenant_id VARCHAR)"))
    result = desk_everywhere.init("--engine", f"{desk_everywhere.module}:engine")
    assert result.exit_code == 0, result.output
    assert "In the database and not in the models: old_customer." in result.output
    engine.dispose()


def test_no_row_is_read_from_the_database(desk_everywhere):
    """Only the catalogue is asked: no statement names a table of the application in its FROM."""
    metadata = load_metadata(f"{desk_everywhere.module}:metadata").value
    engine = create_engine(own_url(desk_everywhere.url))
    metadata.create_all(engine)
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert compare(engine, metadata) == []
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        engine.dispose()
    assert statements
    assert not [one for one in statements if re.search(r"from\s+\W?(customer|company)\b", one, re.IGNORECASE)]


def test_a_database_that_is_not_there_is_not_made(desk):
    """Opening a SQLite file that does not exist would make an empty one."""
    said = desk.refused("--engine", f"{desk.module}:engine")
    assert re.search(r"app\.db does not exist or does not answer", said)
