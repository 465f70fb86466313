"""Verification: is the trail what was recorded and signed, and if not, which entry is the first wrong one?

In bounded memory, and in several processes where the trail is long:

1. Read what was signed, inside the database and outside of it (`claims`). The outside is read in a database snapshot
   that is begun after it grew, so that the database must know at least as much.
2. For each tenant, read the entries in order. Each must stand at the next position, be the encoding that its leaf hash
   is of, be findable by what it says, and follow from the entries before it by its link (`scan`, `walk`).
3. At the size of every signed head, inside or outside, the root of the entries so far must be the signed one. That is
   consistency with everything published: each published tree is a prefix of this one.
4. At the end the head must be there and say the same size and root, and nothing signed may know of more, but what a
   signed recovery says was lost.
5. Where something is wrong, `damage.classify` says what was done; entries behind it are not looked at.

Leaf hashes and links are not signed: who rewrites them all is found at the next signed head, and then the first wrong
entry is known only to lie between two of them (``position`` to ``last``).
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, union

from ..errors import TrailDamaged
from .claims import Claims, collect
from .damage import terms_hidden
from .models import entry, head, heartbeat, parked, queued, signed_head
from .report import Finding, Gap, Report, TenantReport
from .scan import Scanners, pages
from .snapshot import snapshot
from .staging import staged
from .walk import Reached, Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Engine, Table

    from .checkpoints import VerifierKey
    from .outside import Outside

_SIDE_BY_SIDE: Final = 20_000
"""Entries from which on further processes are worth their start."""


def verify(
    core_engine: Engine | None,
    trail_engine: Engine,
    verifier: VerifierKey,
    tenant: str | None = None,
    *,
    outside: Outside | None = None,
    resume: Mapping[str, Reached] | None = None,
    after: int = 0,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[str, Reached], None] | None = None,
) -> Report:
    """Verify the trail of ``tenant``, or of all, in several ``processes`` (default: as many as processors).

    ``outside``: where checkpoints are kept besides. ``resume``: how far each trail was verified before, with the
    checkpoints up to the number ``after``. ``progress`` is told how many of how many entries are done, ``keep`` how far
    a trail was verified by then.

    Damage is reported, never raised; raises `CheckpointsAway`, and SQLAlchemy's errors as they are.
    """
    before = dict(resume or {})
    newest = outside.newest() if outside is not None else 0  # what comes later the snapshot need not know
    with snapshot(trail_engine) as connection:
        claims = collect(connection, verifier, outside, after=after, until=newest)
        problem, beat = (None, None) if tenant is not None else _heartbeat(connection, verifier, outside)
        tenants = [tenant] if tenant is not None else sorted({*before, *_tenants(connection, claims)})
        sizes = {one: _size(connection, one) for one in tenants}
        # What was verified before and was lost since, as a recovery says, is nothing to go on from.
        lost = {one for one, gaps in claims.gaps.items() if any(_undone(gap, before, one, after) for gap in gaps)}
        before = {one: reached for one, reached in before.items() if one not in lost}
        left = sum(max(size - _begun(before, one), 0) for one, size in sizes.items())
        count = processes or os.cpu_count() or 1
        told = _Progress(progress, left)
        with Scanners(trail_engine, count) if count > 1 and left >= _SIDE_BY_SIDE else nullcontext() as scanners:
            reports = tuple(
                _verify_tenant(connection, one, sizes[one], before.get(one), claims, scanners, (told, keep))
                for one in tenants
            )
        waiting = _pending(connection, queued, tenant) + _pending(connection, parked, tenant)
    if core_engine is not None:
        with core_engine.connect() as connection:
            waiting += _pending(connection, staged, tenant)
    return Report(reports, waiting, beat, claims.findings.get("*") or problem, claims.newest)


class _Progress:
    def __init__(self, progress: Callable[[int, int], None] | None, of: int) -> None:
        self._progress = progress
        self._of = of
        self._done = 0

    def __call__(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._of)


def _verify_tenant(
    connection: Connection,
    tenant: str,
    size: int,
    before: Reached | None,
    claims: Claims,
    scanners: Scanners | None,
    told: tuple[Callable[[int], None], Callable[[str, Reached], None] | None],
) -> TenantReport:
    walk = Walk(connection, tenant, (before or Reached()).copy(), claims.outside.get(tenant, ()))
    start = walk.reached.frontier.size
    found = pages(connection, tenant, start) if scanners is None else scanners.pages(tenant, start, size)

    def done(more: int) -> None:
        progress, keep = told
        progress(more)
        if keep is not None:
            keep(tenant, walk.reached)

    finding = claims.findings.get(tenant) or walk.run(found, done) or terms_hidden(connection, tenant)
    reached = walk.reached
    size, gaps = reached.frontier.size, tuple(claims.gaps.get(tenant, ()))
    return TenantReport(tenant, size, walk.checked, reached.signed, finding, walk.told, gaps, reached)


def _undone(gap: Gap, before: Mapping[str, Reached], tenant: str, after: int) -> bool:
    return gap.number > after and gap.kept < _begun(before, tenant)


def _begun(before: Mapping[str, Reached], tenant: str) -> int:
    return before[tenant].frontier.size if tenant in before else 0


def _size(connection: Connection, tenant: str) -> int:
    """How many entries there seem to be: by the head, or by the last one where the head knows of fewer."""
    known = connection.scalar(select(head.c.size).where(head.c.tenant_id == tenant)) or 0
    last = connection.scalar(select(func.max(entry.c.position)).where(entry.c.tenant_id == tenant))
    return max(known, -1 if last is None else last + 1)


def _heartbeat(
    connection: Connection, verifier: VerifierKey, outside: Outside | None
) -> tuple[Finding | None, int | None]:
    """Check the newest heartbeats: a whole trail must not have vanished since. Also when the newest was signed."""
    newest = None
    notes = [
        outside.heartbeat() if outside is not None else None,
        connection.scalar(select(heartbeat.c.note).where(heartbeat.c.name == "heads")),
    ]
    heads = connection.scalar(select(func.count()).select_from(head)) or 0
    for note in notes:
        if note is None:
            continue
        try:
            signed = verifier.over_heads(note)
        except TrailDamaged:
            return Finding("*", "forged", 0, 0, None, "the heartbeat is not what the sequencer signed"), newest
        newest = max(newest or 0, signed.at)
        if signed.tenants > heads:
            detail = f"the heartbeat knows {signed.tenants} trails, {heads} are here"
            return Finding("*", "truncated", heads, signed.tenants - 1, None, detail), newest
    return None, newest


def _tenants(connection: Connection, claims: Claims) -> set[str]:
    """Every tenant of whom there is any trace."""
    known = {*claims.outside, *claims.findings} - {"*"}
    known.update(connection.scalars(union(*(select(table.c.tenant_id) for table in (entry, head, signed_head)))))
    return known


def _pending(connection: Connection, table: Table, tenant: str | None) -> int:
    query = select(func.count()).select_from(table)
    if tenant is not None:
        query = query.where(table.c.tenant_id == tenant)
    return connection.scalar(query) or 0
