"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..errors import TrailDamaged

if TYPE_CHECKING:
    from .walk import Reached

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
class Gap:
    """What was lost when the database went back, and was said to be, in checkpoint ``number`` at ``at`` (µs).

    The entries from ``kept`` to ``lost`` (excluded) that were published are gone; others may stand there now.
    """

    kept: int
    lost: int
    number: int
    at: int


@dataclass(frozen=True, slots=True)
class TenantReport:
    """One tenant's trail; no ``finding``: whole.

    ``checkpoints``: with how many signed heads it was compared; ``signed``: how many entries the newest of them covers.
    ``told``: how many entries say that something was changed or deleted before it had a place. ``reached``: for the
    next verification to go on from. ``gaps``: losses that were recorded and signed; the trail is whole all the same.
    """

    tenant: str
    entries: int
    checkpoints: int
    signed: int
    finding: Finding | None
    told: int = 0
    gaps: tuple[Gap, ...] = ()
    reached: Reached | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole verification. ``pending``: entries that are durable and have no place yet."""

    tenants: tuple[TenantReport, ...]
    pending: int
    heartbeat_at: int | None
    """When the sequencer last signed that it lives, µs since the epoch, UTC."""
    problem: Finding | None = None
    """Something wrong that belongs to no single trail (a checkpoint over all of them, the heartbeat)."""
    newest: int = 0
    """The greatest number of a checkpoint that verified."""

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
