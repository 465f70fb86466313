"""What the law keeps when a person is erased."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DeclarationError


@dataclass(frozen=True, slots=True)
class Hold:
    """A duty to keep a column: ``Personal(…, held=Hold(10, "UU KUP art. 28(11)"))``.

    ``years`` of keeping, and the ``law`` that asks for it, as the plan of an erasure names it. A held column is sealed
    under the tenant's key alone, so that it survives its subject's erasure. Raises `DeclarationError` without either.
    """

    years: int
    law: str

    def __post_init__(self) -> None:
        """Refuse a hold that says nothing."""
        if self.years < 1 or not self.law.strip():
            raise DeclarationError(detail='held= says for how many years and by which law: Hold(10, "…")')


__all__ = ["Hold"]
