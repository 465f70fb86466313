"""Verification: is the trail what was recorded and signed, and if not, which entry is the first wrong one?

For each tenant, in one snapshot of the database and in bounded memory:

1. Take the checkpoints from outside the database first, so that the database must know at least as much.
2. Read the entries in order. Each must stand at the next position, be the canonical encoding of an entry of this
   tenant, agree with the columns beside it, and have the leaf hash and chain that follow from the entries before it.
3. At the size of every checkpoint, inside or outside, the root of the entries so far must be the signed one. That is
   consistency with everything published: each published tree is a prefix of this one.
4. At the end the head must be there and say the same size and root, and no checkpoint may know of more.
5. Where something is wrong, `damage.classify` says what was done; entries behind it are not looked at.

Leaf hashes and chain are not signed: who rewrites them all is found at the next checkpoint, and then the first wrong
entry is known only to lie between two checkpoints (``position`` to ``last``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import func, select, union

from ..errors import TrailDamaged
from .checkpoints import parse
from .models import checkpoint, entry, head, heartbeat, queued
from .published import PublishedCheckpoints
from .report import Finding, Report, TenantReport
from .staging import staged
from .walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Table

    from .checkpoints import VerifierKey


def verify(
    core_engine: Engine | None,
    trail_engine: Engine,
    verifier: VerifierKey,
    tenant: str | None = None,
    *,
    checkpoints: Path | None = None,
) -> Report:
    """Verify the trail of ``tenant``, or of all. ``checkpoints``: the folder in which they are kept outside.

    Damage is reported, never raised; SQLAlchemy's errors are raised as they are.
    """
    outside = PublishedCheckpoints(checkpoints) if checkpoints else None
    problem, beat = (None, None) if tenant is not None else _heartbeat(trail_engine, verifier, outside)
    tenants = [tenant] if tenant is not None else _tenants(trail_engine, outside)
    reports = tuple(_verify_tenant(trail_engine, verifier, one, outside) for one in tenants)
    waiting = _pending(trail_engine, queued, tenant) + (_pending(core_engine, staged, tenant) if core_engine else 0)
    return Report(reports, waiting, beat, problem)


def _verify_tenant(
    engine: Engine, verifier: VerifierKey, tenant: str, outside: PublishedCheckpoints | None
) -> TenantReport:
    notes = outside.notes(tenant) if outside else iter(())  # 1
    with _snapshot(engine) as connection:
        walk = Walk(connection, tenant, verifier, notes)
        finding = walk.run()
        return TenantReport(tenant, walk.frontier.size, walk.checked, walk.signed, finding)


def _heartbeat(
    engine: Engine, verifier: VerifierKey, outside: PublishedCheckpoints | None
) -> tuple[Finding | None, int | None]:
    """Check the newest heartbeats: a whole trail must not have vanished since. Also when the newest was signed."""
    newest = None
    notes = [outside.heartbeat() if outside else None]
    with engine.connect() as connection:
        notes.append(connection.scalar(select(heartbeat.c.note).where(heartbeat.c.name == "heads")))
        heads = connection.scalar(select(func.count()).select_from(head)) or 0
    for note in notes:
        if note is None:
            continue
        try:
            signed = parse(verifier.open(note))
            if signed.origin != verifier.name or not signed.extensions[0].startswith("time "):
                raise TrailDamaged(detail="a heartbeat is malformed")  # noqa: TRY301 - handled like a wrong signature
            newest = max(newest or 0, int(signed.extensions[0].removeprefix("time ")))
        except (TrailDamaged, ValueError, IndexError):
            return Finding("*", "forged", 0, 0, None, "the heartbeat is not what the sequencer signed"), newest
        if signed.size > heads:
            detail = f"the heartbeat knows {signed.size} trails, {heads} are here"
            return Finding("*", "truncated", heads, signed.size - 1, None, detail), newest
    return None, newest


def _tenants(engine: Engine, outside: PublishedCheckpoints | None) -> list[str]:
    """Every tenant of whom there is any trace."""
    known = set(outside.tenants() if outside else ())
    with engine.connect() as connection:
        known.update(connection.scalars(union(*(select(table.c.tenant_id) for table in (entry, head, checkpoint)))))
    return sorted(known)


def _pending(engine: Engine, table: Table, tenant: str | None) -> int:
    query = select(func.count()).select_from(table)
    if tenant is not None:
        query = query.where(table.c.tenant_id == tenant)
    with engine.connect() as connection:
        return connection.scalar(query) or 0


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection whose statements all see one moment: the log grows while it is verified."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
            yield connection
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")
        connection.rollback()
