"""Fixtures for the tests of an application that Amanah protects. pytest finds them by itself, without an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..audit.entries import now_us
from .places import fast_folder, settings_in
from .trail import trail_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..audit.entries import Entry
    from ..guard import Guard
    from ..settings import Settings


@pytest.fixture(scope="session")
def amanah_folder() -> Path:
    """A folder of this run's own for databases and keys, in memory where there is room for it."""
    return fast_folder()


@pytest.fixture(scope="session")
def amanah_settings(amanah_folder: Path) -> Settings:
    """Settings with fresh keys, for ``Guard.production(settings=amanah_settings, …)``."""
    return settings_in(amanah_folder / "amanah")


@pytest.fixture
def amanah_trail() -> Callable[..., list[Entry]]:
    """``amanah_trail(guard, "sinar-jaya")``: what this test has put into the tenant's trail, the newest first."""
    began = now_us()

    def entries(guard: Guard, tenant: str, **options: Any) -> list[Entry]:
        return [entry for entry in trail_of(guard, tenant, **options) if entry.at >= began]

    return entries
