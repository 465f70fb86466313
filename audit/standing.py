"""How far one tenant's trail is signed, read quickly: the newest signed head, and whether the outside knows of more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ..errors import TrailDamaged
from .heads import SignedHead, hashes, read_record
from .models import checkpoint, signed_head

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .checkpoints import VerifierKey
    from .outside import Outside


@dataclass(frozen=True, slots=True)
class Standing:
    """The tenant's newest signed head: ``size`` and ``root``, signed at ``at`` (µs; 0: never) in checkpoint ``number``.

    ``outside``: the greatest size that only the outside knows of, 0 where it knows of nothing more.
    """

    size: int = 0
    root: bytes = b""
    at: int = 0
    number: int = 0
    outside: int = 0


def standing(engine: Engine, verifier: VerifierKey, outside: Outside | None, tenant: str) -> Standing:
    """Read it. Raises `TrailDamaged` where it is not what was signed, and `CheckpointsAway`."""
    newest_outside = outside.newest() if outside is not None else 0
    newest = select(signed_head).where(signed_head.c.tenant_id == tenant).order_by(signed_head.c.size.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(newest).first()
        number = row.number if row is not None else 0
        note = connection.scalar(select(checkpoint.c.note).where(checkpoint.c.number == number))
        here = connection.scalar(select(func.max(checkpoint.c.number))) or 0
    ahead = 0
    if outside is not None and newest_outside > here:
        for _, text in outside.read(here + 1):
            sizes = [one.size for one in read_record(text)[1] if one.tenant == tenant]
            ahead = max(ahead, *sizes, 0)
    if row is None:
        return Standing(outside=ahead)
    if note is None:
        raise TrailDamaged(detail=f"checkpoint {number} is gone")
    signed = verifier.over_heads(note)
    one = SignedHead(tenant, row.size, row.root, row.place, hashes(row.proof))
    if signed.number != number or not one.covered_by(signed):
        raise TrailDamaged(detail=f"a head is not in checkpoint {number}")
    return Standing(row.size, row.root, signed.at, number, ahead)
