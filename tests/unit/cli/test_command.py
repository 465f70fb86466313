"""The command itself: its version, its language, wrong use."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from amanah.cli import app


def test_errors_are_told_in_indonesian(small_office):
    """By --lang, and by the locale's language."""
    command = ("--database", "sqlite:///none.db", "tenant", "list")
    english = CliRunner(env={"LC_ALL": "C"}).invoke(app, list(command)).stderr
    for result in (
        CliRunner().invoke(app, ["--lang", "id", *command]),
        CliRunner(env={"LC_ALL": "id_ID.UTF-8"}).invoke(app, list(command)),
    ):
        assert result.exit_code == 2
        assert result.stderr != english


def test_the_installed_command_tells_its_version():
    """The console script's module runs by itself."""
    ran = subprocess.run([sys.executable, "-m", "amanah.cli", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("amanah ")


def test_an_unknown_language_is_wrong_use():
    """Exit code 2, as for any other wrong use."""
    assert CliRunner().invoke(app, ["--lang", "fr", "tenant", "list"]).exit_code == 2
