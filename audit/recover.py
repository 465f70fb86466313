"""After the database went back: what is lost, and the signed statement that trails go on from what is there.

1. *Look*: find the last checkpoint that the database and the outside have in common. Every head that the outside signed
   after it, and the database does not know, is compared with the entries that are there: a tenant has in common what
   agrees, and has lost the rest.
2. *Accept*: the trail must verify but for that. Then a recovery is signed (`recovery`), with the next checkpoint, and
   written to the database and outside. From then on appending goes on, and verification tells a gap, not a roll-back.

Nothing is deleted, and what the outside holds stays there: it proves what was lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ..errors import NotRolledBack, TrailDamaged
from ..i18n import N_
from .append import Head
from .entries import now_us
from .heads import parts_of
from .models import checkpoint, signed_head
from .publisher import Publisher
from .recovery import Lost, Recovery
from .snapshot import snapshot
from .subtrees import Subtrees
from .tree import EMPTY_ROOT
from .verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Engine

    from .checkpoints import SignerKey, VerifierKey
    from .outside import Outside

_Claim = tuple[int, int, bytes]
"""when it was signed, size, root"""


@dataclass(frozen=True, slots=True)
class Behind:
    """A tenant whose trail was published further than it is. ``since``: when the first lost head was signed, µs."""

    lost: Lost
    since: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far the database went back.

    ``after``: number of the last checkpoint that both have, signed at ``after_at`` (0: none). ``until``: the greatest
    outside, signed at ``until_at``. ``number``: of the checkpoint that would be next.
    """

    after: int
    after_at: int
    until: int
    until_at: int
    number: int
    tenants: tuple[Behind, ...]


def look(engine: Engine, verifier: VerifierKey, outside: Outside) -> Outlook | None:
    """How far the database is behind what was published; None where it is not.

    Raises `CheckpointsAway`, and `TrailDamaged` where what is outside is not what was signed.
    """
    until = outside.newest()
    with snapshot(engine) as connection:
        here = connection.scalar(select(func.max(checkpoint.c.number))) or 0
        after = _common(connection, outside, here)
        if until <= after:
            return None
        claims, until_at = _claims(verifier, outside, after, until)
        if not claims:
            return None
        known = connection.scalar(select(checkpoint.c.note).where(checkpoint.c.number == after))
        after_at = verifier.over_heads(known).at if known is not None else 0
        behind = tuple(_behind(connection, tenant, after, found) for tenant, found in sorted(claims.items()))
    return Outlook(after, after_at, until, until_at, max(here, until) + 1, behind)


def accept(
    core: Engine,
    engine: Engine,
    signer: SignerKey,
    outside: Outside,
    outlook: Outlook,
    progress: Callable[[int, int], None] | None = None,
) -> Recovery:
    """Sign and publish that the trails of ``outlook`` go on from what is there.

    Raises `NotRolledBack` where more is wrong than that, or something changed since ``outlook``; `CheckpointsAway`.
    """
    names = {one.lost.tenant for one in outlook.tenants}
    report = verify(core, engine, signer.verifier, outside=outside, progress=progress)
    for finding in report.findings:
        ours = finding.tenant in names and finding.kind == "rolled back"
        fewer = finding.tenant == "*" and finding.kind == "truncated"  # a tenant is gone with all its entries
        if not ours and not fewer:
            raise NotRolledBack(detail=str(finding))
    if look(engine, signer.verifier, outside) != outlook:
        raise NotRolledBack(detail=N_("the trail changed in between; look at it again"))
    lost = tuple(one.lost for one in outlook.tenants)
    statement = Recovery(outlook.number, outlook.after, outlook.until, now_us(), lost)
    if not Publisher(engine, signer, outside).recover(outlook.number, statement):
        raise NotRolledBack(detail=N_("the trail changed in between; look at it again"))
    return statement


def _common(connection: Connection, outside: Outside, here: int) -> int:
    """The greatest number up to which database and outside do not contradict each other."""
    good, bad = 0, here + 1
    while bad - good > 1:  # what differs once differs ever after
        middle = here if bad == here + 1 and good == 0 and here else (good + bad) // 2
        if _same(connection, outside, middle):
            good = middle
        else:
            bad = middle
    return good


def _same(connection: Connection, outside: Outside, number: int) -> bool:
    """Whether the outside has the same note under ``number``, or none."""
    found = next(iter(outside.read(number)), None)
    if found is None or found[0] != number:
        return True
    return parts_of(found[1])[0] == connection.scalar(select(checkpoint.c.note).where(checkpoint.c.number == number))


def _claims(verifier: VerifierKey, outside: Outside, after: int, until: int) -> tuple[dict[str, list[_Claim]], int]:
    """What the outside signed from ``after`` to ``until``, by tenant, and when the last of it."""
    claims: dict[str, list[_Claim]] = {}
    at = 0
    for number, text in outside.read(after + 1):
        if number > until:
            break
        note, heads, _ = parts_of(text)
        signed = verifier.over_heads(note)
        if signed.number != number or not all(one.covered_by(signed) for one in heads):
            raise TrailDamaged(detail=f"checkpoint {number} outside: a record contradicts its note")
        at = signed.at
        for one in heads:
            claims.setdefault(one.tenant, []).append((at, one.size, one.root))
    return claims, at


def _behind(connection: Connection, tenant: str, after: int, claims: Iterable[_Claim]) -> Behind:
    now = Head.read(connection, tenant)
    size, root = (now.frontier.size, now.frontier.root()) if now else (0, EMPTY_ROOT)
    query = select(func.max(signed_head.c.size)).where(signed_head.c.tenant_id == tenant, signed_head.c.number <= after)
    kept = connection.scalar(query) or 0
    lost, since = 0, 0
    tree = Subtrees(connection, tenant)
    for at, claimed, its_root in sorted(claims, key=lambda claim: claim[1]):
        if not lost and claimed <= size and tree.root(0, claimed) == its_root:
            kept = max(kept, claimed)
            continue
        since = min(since or at, at)
        lost = max(lost, claimed)
    return Behind(Lost(tenant, kept, size, root, max(lost, kept)), since)
