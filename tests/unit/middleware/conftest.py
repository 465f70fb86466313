"""The gate's world, on both databases and on SQLite alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


gate_world = _load("gate_world")
sql_world = _load("sql_world")


@pytest.fixture
def world(sqlite_database: str, tmp_path: Path) -> Iterator[Any]:
    """Tenants, policy, keys and trail on SQLite."""
    made = gate_world.build(sqlite_database, tmp_path)
    yield made
    made.close()


@pytest.fixture
def world_everywhere(database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The same, once on SQLite and once on PostgreSQL."""
    made = gate_world.build(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def empty_books(database_url: str, tmp_path: Path) -> Iterator[Any]:
    """The SQL gate's world without data, once on SQLite and once on PostgreSQL."""
    made = sql_world.build(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def books(empty_books: Any) -> Any:
    """The same with two customers in tenant ``a`` and one in ``b``."""
    sql_world.seed(empty_books)
    return empty_books
