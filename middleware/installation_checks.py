"""The doctor's look at an installation: the live database, the trail, the keys' files, and how it is run.

Ids: D020 database away, D021 own tables not ready, D022 table missing, D023 column missing, D024 search column missing,
D025 sealed column is no bytes, D026 database role too strong, D027 SQLite, D028 key file as provider, D029 plain HTTP,
D030 secret file missing or open to others, D031 no checkpoint yet, D032 checkpoint old, D033 checkpoints beside the
database.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import LargeBinary, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from ..audit.entries import now_us
from ..audit.models import entry, heartbeat, queued
from ..audit.staging import staged
from ..encryption.file_provider import FileKeyProvider
from ..errors import DatabaseNotMigrated
from ..i18n import N_
from ..migrations import check
from .finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine, Inspector

    from ..encryption.provider import KeyProvider
    from ..settings import Settings
    from .fields import Protected, Register

_OLD_US: Final = 3_600_000_000
"""A sequencer that runs signs every ten seconds; an hour without a signature means that none runs."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a guard runs: its two engines, its files, its key provider, and whether it calls itself development."""

    engine: Engine
    trail_engine: Engine
    settings: Settings
    provider: KeyProvider
    development: bool


def installation(register: Register, place: Installation) -> Iterator[Finding]:
    """Everything about ``place``. A database that is away or not ready is a finding; what needs it is then left out."""
    yield from _operation(place)
    yield from _files(place)
    gap = _not_ready(place)
    if gap is not None:
        yield gap
        return
    yield from _live(register, place.engine)
    yield from _role(place.engine)
    yield from _trail(place)


def _operation(place: Installation) -> Iterator[Finding]:
    grave: Level = "info" if place.development else "warning"
    if place.development:
        yield Finding(
            "AMN-D029",
            "info",
            "Guard.development",
            N_("Plain HTTP is let in and refusals say what is missing: this guard is for one's own machine."),
            N_("Use Guard.production(…) where real data is."),
        )
    if place.engine.dialect.name == "sqlite":
        yield Finding(
            "AMN-D027",
            grave,
            "sqlite",
            N_("SQLite has one writer at a time, no second wall between tenants and no roles of its own."),
            N_("Move to PostgreSQL before more than a handful of people work at once."),
        )
    if isinstance(place.provider, FileKeyProvider):
        yield Finding(
            "AMN-D028",
            grave,
            str(place.provider.path),
            N_("The keys that wrap all others lie in a file: who copies it and the database reads everything."),
            N_("Use a key service as provider, and keep a copy of this file in a safe place until then."),
        )


def _files(place: Installation) -> Iterator[Finding]:
    paths = [place.settings.signer_file]
    if isinstance(place.provider, FileKeyProvider):
        paths.append(place.provider.path)
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            yield Finding(
                "AMN-D030",
                "error",
                str(path),
                N_("This file is missing: the next start will fail."),
                N_("Restore it from its backup."),
            )
            continue
        if mode & 0o077:
            yield Finding(
                "AMN-D030",
                "error",
                str(path),
                N_("Other users of this machine may read or write this secret (mode {mode})."),
                N_("Run: chmod 600 {subject}; then replace the key, because somebody may have copied it."),
                {"mode": f"{mode:o}"},
            )
    if not place.development and _inside(place.settings.checkpoints, place.engine):
        yield Finding(
            "AMN-D033",
            "warning",
            str(place.settings.checkpoints),
            N_("Signed checkpoints lie beside the database: a restored backup may bring back both."),
            N_("Set AMANAH_CHECKPOINTS to a folder on another disk or host."),
        )


def _inside(folder: Path, engine: Engine) -> bool:
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database:
        return False
    return folder.resolve().is_relative_to(Path(database).resolve().parent)


def _not_ready(place: Installation) -> Finding | None:
    try:
        check(place.engine, "core")
        check(place.trail_engine, "trail")
    except DatabaseNotMigrated as error:
        return Finding("AMN-D021", "error", "database", error.why, error.remedy)
    except DBAPIError:
        return Finding(
            "AMN-D020",
            "error",
            "database",
            N_("The database does not answer."),
            N_("Start it, or correct its URL."),
        )
    return None


# -- the live tables ---------------------------------------------------------------------------------------------------


def _live(register: Register, engine: Engine) -> Iterator[Finding]:
    inspector = inspect(engine)
    there = set(inspector.get_table_names())
    for table in register.tables.values():
        if table.name in there:
            yield from _columns(inspector, table)
        else:
            yield Finding(
                "AMN-D022",
                "error",
                table.name,
                N_("This table is not in the database."),
                N_("Run the application's own migrations."),
            )


def _columns(inspector: Inspector, table: Protected) -> Iterator[Finding]:
    live = {column["name"]: column["type"] for column in inspector.get_columns(table.name)}
    for one in table.fields.values():
        if one.column not in live:
            yield Finding(
                "AMN-D023",
                "error",
                one.name,
                N_("This declared column is not in the database."),
                N_("Run the application's own migrations."),
            )
            continue
        if one.sealed and not isinstance(live[one.column], LargeBinary):
            yield Finding(
                "AMN-D025",
                "error",
                one.name,
                N_("This column is declared sealed and is {type} in the database: ciphertext does not fit into it."),
                N_("Change its type to bytes (BYTEA, BLOB) in a migration, sealing the values that are there."),
                {"type": str(live[one.column])},
            )
        if one.search and one.index_column not in live:
            yield Finding(
                "AMN-D024",
                "error",
                one.name,
                N_("This column is searchable and its search column {index} is not in the database."),
                N_("Add {index} (bytes, 16, nullable) with an index on ({tenant}, {index}) in a migration."),
                {"index": one.index_column, "tenant": table.tenant},
            )


def _role(engine: Engine) -> Iterator[Finding]:
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        strong = connection.scalar(
            text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"),
        )
    if strong:
        yield Finding(
            "AMN-D026",
            "warning",
            engine.url.username or "postgresql",
            N_("The application connects as a role that no wall inside the database can hold."),
            N_("Give it a role of its own that is no superuser and has no BYPASSRLS."),
        )


# -- the trail ---------------------------------------------------------------------------------------------------------


def _trail(place: Installation) -> Iterator[Finding]:
    with place.trail_engine.connect() as connection:
        beat = connection.scalar(select(heartbeat.c.at).where(heartbeat.c.name == "heads"))
        there = connection.scalar(select(func.count()).select_from(entry.select().limit(1).subquery()))
        waiting = connection.scalar(select(func.count()).select_from(queued)) or 0
    with place.engine.connect() as connection:
        waiting += connection.scalar(select(func.count()).select_from(staged)) or 0
    facts = {"waiting": str(waiting)}
    remedy = N_("Let one process run the wrapped application, or run: amanah audit verify")
    if beat is None:
        if there or waiting:
            yield Finding(
                "AMN-D031",
                "warning",
                "trail",
                N_("No checkpoint of the trail was signed yet; {waiting} entries wait for their place."),
                remedy,
                facts,
            )
        return
    if now_us() - beat > _OLD_US:
        facts["hours"] = str((now_us() - beat) // _OLD_US)
        yield Finding(
            "AMN-D032",
            "warning",
            "trail",
            N_("The trail's last checkpoint was signed {hours} hours ago; {waiting} entries wait for their place."),
            remedy,
            facts,
        )
