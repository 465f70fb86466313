"""A trail with its databases, its signer and a folder outside, and a backup that can be brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from amanah.audit.report import Report

TABLES = ("entry", "head", "checkpoint", "signed_head", "heartbeat", "subtree", "recovery", "tally", "stream", "term")


@dataclass
class TrailWorld:
    """The trail of several tenants."""

    core: Engine
    trail: Engine
    signer: SignerKey
    folder: Path

    @classmethod
    def build(cls, core: Engine, trail: Engine, folder: Path) -> TrailWorld:
        """An empty one."""
        (folder / "checkpoints").mkdir()
        return cls(core, trail, SignerKey.create(folder / "signer.key"), folder / "checkpoints")

    @property
    def outside(self) -> FolderOutside:
        """The folder, opened anew."""
        return FolderOutside(self.folder)

    def record(self, count: int = 1, *tenants: str, outside: bool = True) -> None:
        """Have entries recorded and published by a new process; ``outside``: also outside."""
        with self.core.begin() as connection:
            stage(connection, [an_entry(tenant) for tenant in tenants or ("klinik-a",) for _ in range(count)])
        self.sequence(outside=outside)

    def sequence(self, *, outside: bool = True) -> None:
        """Run a new process's sequencer once."""
        sequencer = Sequencer(self.core, self.trail, self.signer, outside=self.outside if outside else None)
        try:
            sequencer.run_once()
        finally:
            sequencer.close()

    def sql(self, *statements: str, **values: Any) -> None:
        """Run SQL on the trail's database."""
        with self.trail.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), values)

    def tables(self) -> list[str]:
        """Of the trail, without those of the other kind of database."""
        names = TABLES if self.trail.dialect.name == "sqlite" else TABLES[:-1]
        return [f"amanah_{name}" for name in names]

    def back_up(self) -> None:
        """Keep what the trail's database holds now."""
        for table in self.tables():
            self.sql(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")

    def restore(self) -> None:
        """Bring the backup back. The outside knows nothing of it."""
        for table in self.tables():
            self.sql(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM old_{table}")

    def verify(self, **options: Any) -> Report:
        """What the compliance officer sees."""
        return verify(self.core, self.trail, self.signer.verifier, outside=self.outside, **options)


def an_entry(tenant: str = "klinik-a", **changes: Any) -> Entry:
    """Some entry."""
    given = {"id": new_event_id(), "at": now_us(), "tenant": tenant, "access": "x", "kind": "access", "actor": "17"}
    return Entry(**{**given, **changes})
