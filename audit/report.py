"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import TrailDamaged

Kind: TypeAlias = Literal["edited", "deleted", "reordered", "inserted", "truncated", "rolled back", "forged"]
"""``forged``: a checkpoint or heartbeat whose signature or form is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that is wrong with a tenant's trail.

    ``position``: of the first wrong entry (of the first missing one where some are missing). ``last`` is the same, or
    where only a range is known its end. ``event_id``: of the entry that stands there now, if it can be read.
    """

    tenant: str
    kind: Kind
    position: int
    last: int
    event_id: str | None
    detail: str

    def error(self) -> TrailDamaged:
        """The finding as an error to raise."""
        return TrailDamaged(detail=str(self))

    def __str__(self) -> str:
        """One English line."""
        place = f"{self.position}" if self.position == self.last else f"{self.position} to {self.last}"
        return f"{self.tenant}: {self.kind} at {place}: {self.detail}"


@dataclass(frozen=True, slots=True)
class TenantReport:
    """One tenant's trail. ``signed``: how many entries the newest good checkpoint covers; no ``finding``: whole."""

    tenant: str
    entries: int
    checkpoints: int
    signed: int
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole verification. ``pending``: entries that are durable and have no place yet."""

    tenants: tuple[TenantReport, ...]
    pending: int
    heartbeat_at: int | None
    """When the sequencer last signed that it lives, µs since the epoch, UTC."""
    problem: Finding | None = None
    """Something wrong that belongs to no single trail (the heartbeat)."""

    @property
    def entries(self) -> int:
        """How many entries were checked."""
        return sum(report.entries for report in self.tenants)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, one per trail at most."""
        found = [report.finding for report in self.tenants if report.finding]
        return (*found, self.problem) if self.problem else tuple(found)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
