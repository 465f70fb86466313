"""`amanah init`: look at an application and write the first `protection.py` for it.

1. The application, its metadata and its engine are imported by name; nothing of them is changed.
2. Where an engine was named, the database's catalogue is compared with the models. No row is read.
3. Tables and routes are guessed about; every guess is marked `guessed(…)`, which an enforcing guard refuses.
4. The file is written where none was. An existing file is never touched.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ConfigurationError, ProtectionExists
from ..i18n import N_
from ..middleware.engines import engine_of, place_of
from .init_app import surface
from .init_database import compare
from .init_loading import engines_beside, load_app, load_engine, load_metadata
from .init_routes import guess_routes
from .init_source import source
from .init_tables import guess_tables

if TYPE_CHECKING:
    from .init_loading import Loaded
    from .init_routes import RouteGuesses
    from .init_tables import TableGuesses

_OBSERVED: Final = timedelta(days=14)
_MODULE: Final = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything that was found out about an application, and where its `protection.py` is to lie."""

    app: Loaded
    metadata: Loaded
    engines: tuple[Loaded, ...]
    """By which the application reaches its database, the chief one first."""
    other_engines: tuple[str, ...]
    """Engines of the application that reach another database."""
    tables: TableGuesses
    routes: RouteGuesses
    session_cookie: str | None
    unmapped: tuple[str, ...] | None
    """Tables of the database that the models do not know; None where the database was not looked at."""
    path: Path
    today: date

    @property
    def engine(self) -> Loaded | None:
        """The chief one."""
        return self.engines[0] if self.engines else None

    @property
    def until(self) -> date:
        """The day to which the guard observes."""
        return self.today + _OBSERVED

    @property
    def module(self) -> str:
        """The file as a module, seen from the current folder; its bare name where it lies elsewhere."""
        try:
            parts = self.path.resolve().relative_to(Path.cwd().resolve()).with_suffix("").parts
        except ValueError:
            return self.path.stem
        return ".".join(parts) if all(part.isidentifier() for part in parts) else self.path.stem

    @property
    def tenant(self) -> str:
        """What the one tenant of an application without tenant column could be called."""
        name = self.app.module.partition(".")[0]
        return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "tenant"

    @property
    def text(self) -> str:
        """The file's text."""
        return source(self)


def look(
    *, app: str, metadata: str, engine: str | None = None, tenant_column: str | None = None, output: Path
) -> Draft:
    """Find out everything and write nothing. ``app``, ``metadata`` and ``engine`` are written module:attribute.

    Raises `ProtectionExists`, `NotImportable`, `ReferenceWrong`, `MetadataIncomplete`, `DatabaseMissing` and
    `DatabaseDiffers`.
    """
    _check_place(output)
    their_app, their_metadata = load_app(app), load_metadata(metadata)
    named = load_engine(engine) if engine else None
    engines, elsewhere = _engines(named, engines_beside(their_app))
    found = surface(their_app.value, app)
    tables = guess_tables(their_metadata.value, metadata, given=tenant_column)
    return Draft(
        app=their_app,
        metadata=their_metadata,
        engines=engines,
        other_engines=tuple(one.reference if one.module else f"{app}.{one.attribute}" for one in elsewhere),
        tables=tables,
        routes=guess_routes(found, tables),
        session_cookie=found.session_cookie,
        unmapped=None if named is None else tuple(compare(named.value, their_metadata.value)),
        path=output,
        today=datetime.now(UTC).date(),
    )


def write(draft: Draft) -> None:
    """Write the file, whole or not at all. Raises `ProtectionExists` where one came into being meanwhile."""
    half = draft.path.with_name(f".{draft.path.name}.{os.getpid()}")
    try:
        half.write_text(draft.text, "utf-8")
        os.link(half, draft.path)  # unlike a rename it never replaces
    except FileExistsError:
        raise _exists(draft.path) from None
    except OSError as error:
        raise ConfigurationError(detail=f"{draft.path} cannot be written: {error.strerror}") from None
    finally:
        half.unlink(missing_ok=True)


def _engines(named: Loaded | None, beside: list[Loaded]) -> tuple[tuple[Loaded, ...], tuple[Loaded, ...]]:
    """Those of one database, the chief one first (the one that was named, else the one called engine), and the rest."""
    found = sorted(beside, key=lambda one: one.attribute.rpartition(".")[2] != "engine")
    if named is not None:
        found = [named, *(one for one in found if one.value is not named.value)]
    places = [place_of(engine_of(one.value).url) for one in found]
    return (
        tuple(one for one, place in zip(found, places, strict=True) if place == places[0]),
        tuple(one for one, place in zip(found, places, strict=True) if place != places[0]),
    )


def _check_place(path: Path) -> None:
    if path.suffix != ".py" or not _MODULE.fullmatch(path.stem):
        raise ConfigurationError(detail=N_("the file is a module of Python: name it like protection.py"))
    if path.exists() or path.is_symlink():
        raise _exists(path)
    if not path.parent.is_dir():
        raise ConfigurationError(detail=f"there is no folder {path.parent}")


def _exists(path: Path) -> ProtectionExists:
    number = next(n for n in range(2, 1_000) if not path.with_name(f"{path.stem}_{n}.py").exists())
    return ProtectionExists(path=path, other=path.with_name(f"{path.stem}_{number}.py"))
