"""What is handed to whoever asked for an erasure: what was destroyed, what the law keeps, when the backups go dark."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..audit.checkpoints import SignerKey
    from .ledger import Erasure
    from .plan import Line, Plan

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Certificate:
    """An erasure as it was carried out. ``at`` in UTC; ``dark_on``: from then on no backup can bring it back."""

    tenant: str
    kind: str
    subject: str
    at: datetime
    ledger: str
    lines: tuple[Line, ...]
    dark_on: date

    @classmethod
    def of(cls, plan: Plan, erasure: Erasure, dark_on: date) -> Certificate:
        """From what was done."""
        at = datetime.fromtimestamp(erasure.at // _MICROSECONDS, UTC)
        return cls(plan.tenant, plan.kind, plan.subject, at, erasure.id, plan.lines, dark_on)

    def text(self) -> str:
        """One fact a line, in English; it holds no value and no name, only the subject's id."""
        facts = [
            "Amanah certificate of erasure",
            f"tenant: {self.tenant}",
            f"subject: {self.kind} {self.subject}",
            f"erased at: {self.at.isoformat()}",
            f"ledger: {self.ledger}",
            *(f"{line.fate}: {line.field} ({line.category}), {line.rows} rows{_why(line)}" for line in self.lines),
            f"backups dark on: {self.dark_on.isoformat()}",
        ]
        return "".join(f"{fact}\n" for fact in facts)

    def signed(self, signer: SignerKey) -> str:
        """`text` as a signed note, which the key that verifies the trail verifies, too."""
        return signer.sign(self.text())


def _why(line: Line) -> str:
    return f", kept {line.years} years: {' '.join(line.law.split())}" if line.law else ""


__all__ = ["Certificate"]
