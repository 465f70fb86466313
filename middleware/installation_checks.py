"""The doctor's look at an installation: how it is run, the keys' files, the live database and the trail."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from ..audit.entries import now_us
from ..audit.models import entry, heartbeat, queued
from ..audit.staging import staged
from ..encryption.environment_provider import EnvironmentKeyProvider
from ..encryption.file_provider import FileKeyProvider
from ..errors import AmanahError, DatabaseNotMigrated
from ..migrations import check
from ..tenants.models import tenant
from .checks_of_declarations import FIXED_TENANT_MISSING, TENANT_BESIDE_FIXED
from .checks_of_installation import (
    CHECKPOINTS_BESIDE,
    DATABASE_AWAY,
    DEVELOPMENT,
    ENGINE_UNPROTECTED,
    KEY_FILE,
    KEY_IN_ENVIRONMENT,
    NO_CHECKPOINT,
    NO_TIMEOUT,
    NO_TLS,
    NOT_MIGRATED,
    OLD_CHECKPOINT,
    PROVIDER_AWAY,
    SECRET_MISSING,
    SECRET_OPEN,
    SQLITE,
    STRONG_ROLE,
)
from .engines import unprotected
from .live_keys import is_elsewhere, live_conflicts, live_parents
from .live_policies import live_policies
from .live_row_security import live_row_security
from .live_steps import live_steps
from .live_tables import live_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine, MetaData

    from ..encryption.provider import KeyProvider
    from ..settings import Settings
    from .fields import Register
    from .finding import Finding

_OLD_US: Final = 3_600_000_000
"""A sequencer that runs signs every ten seconds; an hour without a signature means that none runs."""
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
"""libpq's modes; its default, ``prefer``, goes on in the clear where the server, or somebody between, has no TLS."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a guard runs: its two engines, its files, its key provider, and whether it calls itself development."""

    engine: Engine
    trail_engine: Engine
    settings: Settings
    provider: KeyProvider
    development: bool


def installation(register: Register, metadata: MetaData, place: Installation) -> Iterator[Finding]:
    """Everything about ``place``. A database that is away or not ready is a finding; what needs it is then left out."""
    yield from _operation(place)
    yield from _provider(place)
    yield from _files(place)
    gap = _not_ready(place)
    if gap is not None:
        yield gap
        return
    yield from live_tables(register, metadata, place.engine)
    yield from live_parents(register, place.engine)
    yield from live_conflicts(register, place.engine)
    yield from live_steps(register, place.engine)
    yield from live_policies(register, place.engine)
    yield from _fixed_tenant(register, place.engine)
    yield from _role(place.engine)
    yield from live_row_security(register, place.engine, commands_pass=bool(place.settings.owner_url))
    yield from _trail(place)


def _operation(place: Installation) -> Iterator[Finding]:
    url = place.engine.url
    if place.development:
        yield DEVELOPMENT("Guard.development")
    if url.get_backend_name() == "sqlite":
        yield SQLITE("sqlite")
    elif is_elsewhere(url):
        if "connect_timeout" not in url.query and "PGCONNECT_TIMEOUT" not in os.environ:
            yield NO_TIMEOUT("postgresql")
        if (url.query.get("sslmode") or os.environ.get("PGSSLMODE")) not in _ENCRYPTED:
            yield NO_TLS("postgresql")
    if isinstance(place.provider, FileKeyProvider):
        yield KEY_FILE(str(place.provider.path))
    elif isinstance(place.provider, EnvironmentKeyProvider):
        yield KEY_IN_ENVIRONMENT(place.settings.key_provider)
    for name in unprotected(place.engine):
        yield ENGINE_UNPROTECTED(name)


def _provider(place: Installation) -> Iterator[Finding]:
    if isinstance(place.provider, FileKeyProvider):
        return  # of which `_files` tells more
    try:
        place.provider.key_id()
    except AmanahError as error:
        yield PROVIDER_AWAY(place.settings.key_provider, code=error.code)


def _files(place: Installation) -> Iterator[Finding]:
    paths = [place.settings.signer_file]
    if isinstance(place.provider, FileKeyProvider):
        paths.append(place.provider.path)
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            yield SECRET_MISSING(str(path))
            continue
        if mode & 0o077:
            yield SECRET_OPEN(str(path), mode=f"{mode:o}")
    for folder in place.settings.checkpoint_places:
        if isinstance(folder, Path) and _inside(folder, place.engine):
            yield CHECKPOINTS_BESIDE(str(folder))


def _inside(folder: Path, engine: Engine) -> bool:
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database:
        return False
    return folder.resolve().is_relative_to(Path(database).resolve().parent)


def _not_ready(place: Installation) -> Finding | None:
    try:
        check(place.engine, "core")
        check(place.trail_engine, "trail")
    except DatabaseNotMigrated:
        return NOT_MIGRATED("database")
    except DBAPIError:
        return DATABASE_AWAY("database")
    return None


# -- what the database says --------------------------------------------------------------------------------------------


def _fixed_tenant(register: Register, engine: Engine) -> Iterator[Finding]:
    fixed = next((table.fixed for table in register.tables.values() if table.fixed is not None), None)
    if fixed is None:
        return
    with engine.connect() as connection:
        status: dict[str, str] = {
            one.id: one.status for one in connection.execute(select(tenant).order_by(tenant.c.id))
        }
    if fixed not in status:
        yield FIXED_TENANT_MISSING(fixed)
    for other, now in status.items():
        if other != fixed and now == "active":
            yield TENANT_BESIDE_FIXED(other, fixed=fixed)


def _role(engine: Engine) -> Iterator[Finding]:
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        strong = connection.scalar(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"),
        )
    if strong:
        yield STRONG_ROLE(engine.url.username or "postgresql")


def _trail(place: Installation) -> Iterator[Finding]:
    with place.trail_engine.connect() as connection:
        beat = connection.scalar(select(heartbeat.c.at).where(heartbeat.c.name == "heads"))
        there = connection.scalar(select(func.count()).select_from(entry.select().limit(1).subquery()))
        waiting = connection.scalar(select(func.count()).select_from(queued)) or 0
    with place.engine.connect() as connection:
        waiting += connection.scalar(select(func.count()).select_from(staged)) or 0
    if beat is None:
        if there or waiting:
            yield NO_CHECKPOINT("trail", waiting=str(waiting))
    elif now_us() - beat > _OLD_US:
        yield OLD_CHECKPOINT("trail", hours=str((now_us() - beat) // _OLD_US), waiting=str(waiting))
