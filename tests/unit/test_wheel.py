"""A wheel built from the tree works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DATA = {".po", ".conf", ".toml", ".html", ".css", ".js", ".svg", ".mako", ".typed", ".sql", ".ico", ".png"}
SHIPPED = (
    "access_policies",
    "alembic",
    "audit",
    "cli",
    "console",
    "adoption",
    "encryption",
    "locale",
    "middleware",
    "rekeying",
    "subjects",
    "tenants",
    "testing",
)

pytestmark = pytest.mark.slow

PROGRAM = """
import importlib, pkgutil, sys
import amanah
from amanah import database, errors, i18n, migrations
from amanah.access_policies import sensitivity
from amanah.access_policies.policies import Policies

assert not amanah.__file__.startswith(sys.argv[1]), amanah.__file__
for module in pkgutil.walk_packages(amanah.__path__, "amanah."):
    if module.name != "amanah.testing" and not module.name.startswith("amanah.testing."):  # wants pytest
        importlib.import_module(module.name)
assert i18n.translate(errors.NotIdentified.why, "id") == "Belum ada yang masuk.", "catalogues"
url = "sqlite:///app.db"
migrations.upgrade(url)
engine = database.own_engine(url)
migrations.check(engine)
migrations.check(database.own_engine(database.trail_url(url)), "trail")
policies = Policies(engine, {})
for template in ("clinic", "trading", "blank"):  # model.conf and the templates
    with engine.begin() as connection:
        policies.install(connection, f"tenant-{template}", template)
    assert policies.snapshot(f"tenant-{template}", 1).purposes, template
assert sensitivity.special("user.biometric.voice", "id"), "the laws"
print("works")
"""


def run(*command, cwd):
    """Run a command that must succeed, away from the checkout and without its paths; returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the tree as it is, built from a copy, so that no left-over of an older build gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "tree" / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, folder / "tree", cwd=folder)
    return next(folder.glob("amanah-*.whl"))


def test_the_wheel_holds_the_package_and_all_its_data(wheel):
    """Every module, template, catalogue, migration and policy of the tree is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix("amanah/") for name in archive.namelist() if name.startswith("amanah/")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in DATA | {".py"} and "__pycache__" not in path.parts
    } | {path.name for path in ROOT.glob("*.py")}
    assert held >= wanted | {"py.typed"}


def test_the_wheel_holds_nothing_else(wheel):
    """Tests, examples, benchmarks and tools stay at home."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[1] for name in archive.namelist() if name.startswith("amanah/") and name.count("/") > 1}
        roots = {name.split("/")[0].split("-")[0] for name in archive.namelist()}
    assert tops <= set(SHIPPED)
    assert roots == {"amanah"}


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    """Installed elsewhere, without any extra: the command answers; catalogues, policies and migrations are found."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    assert "Usage" in run(home / "bin" / "amanah", "--help", cwd=tmp_path)
    assert run(python, "-c", PROGRAM, str(ROOT), cwd=tmp_path).strip().endswith("works")
