"""Fixtures for the tests of an application that Amanah protects. pytest finds them by itself, without an import.

Those of the attack kit (``amanah_stage`` and what it is aimed at) are for the tests of `amanah.testing.attacks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from ..audit.entries import now_us
from .places import fast_folder, settings_in
from .trail import trail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..audit.entries import Entry
    from ..guard import Guard
    from ..settings import Settings
    from .stage import Stage
    from .target import AttackTarget, SealedNames

_AIMS: Final = {
    "amanah_column": "columns",
    "amanah_searched_column": "searched",
    "amanah_sealed_table": "tables",
}
"""What a test of the attack kit is aimed at, and which of the sealed names that may be."""


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


@pytest.fixture(scope="session")
def amanah_target() -> AttackTarget:
    """The application that the attack kit attacks: a fixture of your conftest gives it."""
    raise pytest.UsageError("give the attack kit a session-scoped fixture amanah_target, see AttackTarget")


@pytest.fixture(scope="session")
def amanah_stage(amanah_target: AttackTarget) -> Iterator[Stage]:
    """The populated database that the attack kit attacks, one for the run."""
    from .stage import Stage

    stage = Stage(amanah_target)
    yield stage
    stage.close()


@pytest.fixture
def amanah_sealed_names(request: pytest.FixtureRequest) -> SealedNames:
    """What the test's module says is sealed: its ``amanah_sealed``."""
    return _sealed_names(request.module)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each sealed column that an attack is aimed at."""
    for name in _AIMS.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(name, getattr(_sealed_names(metafunc.module), _AIMS[name]))


def _sealed_names(module: Any) -> SealedNames:
    from .target import SealedNames

    names = getattr(module, "amanah_sealed", None)
    if not isinstance(names, SealedNames):
        raise pytest.UsageError("say what the attacks are aimed at: amanah_sealed = sealed_in(metadata, declarations)")
    return names
