"""The root is the package: the traps of that layout, each kept shut."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NOT_OURS = {"build", "dist"}
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_OURS)
MODULES = sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")


def python_files(*folders):
    """The Python files below some folders of the root ("." for the root's own)."""
    for folder in folders:
        yield from sorted((ROOT / folder).glob("*.py") if folder == "." else (ROOT / folder).rglob("*.py"))


def imported(path):
    """The top-level names that a file imports absolutely, with their lines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, (node.module or "").split(".")[0]


def test_the_wheel_lists_every_package_of_the_tree():
    """A folder of the package that pyproject.toml forgets would be missing from the wheel only."""
    tree = {
        ".".join(("amanah", *path.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == {"amanah"} | tree


def test_the_type_checker_sees_every_module():
    """Mypy's strict run names each package and each module of the root."""
    mypy = PYPROJECT["tool"]["mypy"]
    assert {"amanah", *mypy["packages"]} == {"amanah", *(f"amanah.{folder}" for folder in FOLDERS)}
    assert set(mypy["modules"]) == {"amanah", *(f"amanah.{module}" for module in MODULES)}


def test_the_root_holds_no_module_that_is_not_of_the_package():
    """Whatever lies in the root as *.py lands in the wheel: a conftest.py or a script must live in a folder."""
    known = {
        "database",
        "errors",
        "guard",
        "i18n",
        "logs",
        "measures",
        "migrations",
        "operations",
        "postgresql",
        "settings",
    }
    assert set(MODULES) <= known


@pytest.mark.parametrize("folder", ["locale", "alembic", "tests", "tools", "benchmarks", "examples"])
def test_folders_that_are_no_packages_have_no_init(folder):
    """With an __init__.py in locale/ or alembic/, gettext and `python -m alembic` die while the tests stay green."""
    assert list((ROOT / folder).glob("__init__.py")) == []


def test_nothing_imports_the_folders_by_their_bare_names():
    """`import tenants` would be a second copy of amanah.tenants, with a ContextVar of its own."""
    bare = {*FOLDERS, *MODULES}
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in python_files(".", *FOLDERS, "tests", "examples", "benchmarks", "tools", "alembic")
        for line, name in imported(path)
        if name in bare
    ]
    assert found == []


def test_the_package_imports_itself_relatively():
    """A relative import cannot pick the wrong copy of a module, wherever the package was loaded from."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files(".", *FOLDERS)
        for line, name in imported(path)
        if name == "amanah"
    ]
    assert found == []


def test_the_bare_names_stay_unloaded_even_with_the_root_on_the_path():
    """Importing the whole package with the repository as working folder loads no module under a second name."""
    program = (
        "import importlib, pkgutil, sys\n"
        "sys.path.insert(0, '')\n"
        "import amanah\n"
        "for module in pkgutil.walk_packages(amanah.__path__, 'amanah.'):\n"
        "    importlib.import_module(module.name)\n"
        f"print(sorted(set({[*FOLDERS, *MODULES]!r}) & sys.modules.keys()))\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_the_linter_bans_the_bare_names():
    """The rule that catches it in the editor names each folder and each module of the root that could be confused."""
    banned = set(PYPROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    assert {"tenants", "middleware", *FOLDERS, *MODULES} - {"cli", "testing"} <= banned
