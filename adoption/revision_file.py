"""Write a migration into the application's own versions, with its own template, naming and hooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import DowngradeOps, UpgradeOps
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, asbool, rev_id
from sqlalchemy.engine.default import DefaultDialect

from ..errors import ConfigurationError
from .alembic_locks import LockedTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alembic.operations import MigrateOperation
    from alembic.operations.ops import MigrationScript
    from alembic.script import Script

    from .alembic_row_security import RowSecurityStep
    from .alembic_step import SealingStep


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the application's history of migrations a new one belongs; the words are Alembic's."""

    config: Path
    """Their alembic.ini, or a pyproject.toml."""
    section: str = "alembic"
    head: str = "head"
    splice: bool = False
    branch_label: str | None = None
    version_path: str | None = None


def write(place: Place, steps: Sequence[SealingStep | RowSecurityStep], message: str) -> Path:
    """Write the migration and return its file. Raises `ConfigurationError` with what Alembic says."""
    if not place.config.is_file():
        raise ConfigurationError(detail=f"there is no file {place.config}; name your Alembic's with --alembic")
    config = (
        Config(toml_file=place.config)
        if place.config.suffix == ".toml"
        else Config(place.config, ini_section=place.section)
    )
    tables = LockedTables(list(dict.fromkeys(step.table for step in steps)))
    there = [tables, *steps]
    back = [tables, *(step.reverse() for step in reversed(steps))]
    try:
        script = _write(config, place, there, back, message)
    except CommandError as error:
        raise ConfigurationError(detail=str(error)) from error
    return Path(script.path)


def _write(
    config: Config, place: Place, steps: Sequence[MigrateOperation], back: Sequence[MigrateOperation], message: str
) -> Script:
    if asbool(config.get_alembic_option("revision_environment")):
        # Their env.py takes part in each revision, so it does in this one.
        def fill(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
            scripts[0].upgrade_ops = UpgradeOps(list(steps))
            scripts[0].downgrade_ops = DowngradeOps(list(back))

        made = command.revision(
            config,
            message,
            head=place.head,
            splice=place.splice,
            branch_label=place.branch_label,
            version_path=place.version_path,
            process_revision_directives=fill,
        )
    else:
        upgrades, imports = _text(steps)
        downgrades, _ = _text(back)
        made = ScriptDirectory.from_config(config).generate_revision(
            rev_id(),
            message,
            head=place.head,
            splice=place.splice,
            branch_labels=place.branch_label,
            version_path=place.version_path,
            refresh=True,
            config=config,
            upgrades=upgrades,
            downgrades=downgrades,
            imports="\n".join(sorted(imports)),
        )
    written = made[0] if isinstance(made, list) else made
    if written is None:
        raise ConfigurationError(detail="Alembic wrote no migration")
    return written


def _text(steps: Iterable[MigrateOperation]) -> tuple[str, set[str]]:
    """Their Python, as the body of a function, and what it imports."""
    context = AutogenContext(
        MigrationContext.configure(dialect=DefaultDialect()),
        opts={"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "user_module_prefix": None},
    )
    context.imports = set()
    lines = [str(renderers.dispatch(step)(context, step)) for step in steps]
    return "\n".join(lines).replace("\n", "\n    "), context.imports
