"""Where the installation is: the guard by its name, the database by its URL; each mistake has its sentence."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import ArgumentError, DBAPIError

from ..database import own_url
from ..errors import ConfigurationError, DatabaseMissing
from ..guard import Guard
from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL


def usable(database: str) -> URL:
    """The URL by which Amanah itself reaches ``database``. Raises `ConfigurationError`; the URL may hold a password."""
    try:
        url = own_url(database)
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            raise ConfigurationError(detail=N_("Amanah's own tables live in PostgreSQL or SQLite"))
        url.get_dialect().import_dbapi()
    except ArgumentError:
        raise ConfigurationError(detail=N_("the database URL cannot be read")) from None
    except ImportError:
        raise ConfigurationError(detail=N_("the driver is missing: pip install amanah[postgresql]")) from None
    return url


def load_guard(name: str) -> Guard:
    """The guard at ``module:attribute``, with the current folder on sys.path, as servers do it."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigurationError(detail=N_("a guard is named like iconix.protection:guard"))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    # Guards warn of plain HTTP and of keys in a file when they are built. Nothing is served here; the doctor says it.
    for message in ("Amanah lets plain HTTP", "The keys that wrap all others"):
        warnings.filterwarnings("ignore", message=message, category=RuntimeWarning)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the application itself imports
        raise ConfigurationError(detail=f"there is no module {error.name} (looked in {here} and PYTHONPATH)") from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigurationError(detail=f"{module_name} has no {part}") from None
    guard = found() if callable(found) and not isinstance(found, Guard) else found
    if not isinstance(guard, Guard):
        raise ConfigurationError(detail=f"{name} is a {type(guard).__name__} and no guard")
    return guard


@contextmanager
def reaching(url: URL) -> Iterator[None]:
    """Turn "there is no such database" into an error of ours; SQLite would make an empty file instead."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DatabaseMissing(place=url.render_as_string())
    try:
        yield
    except DBAPIError:
        raise DatabaseMissing(place=url.render_as_string()) from None
