"""Two numbers are one person: rows about the first become rows about the second, sealed under the second's secret.

What the first one consented to is what the second one did; of two acts of theirs about a purpose the later holds.

The first one's own row stays: whether it is deleted or erased is for the application and its people to say.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ..access_policies.consents import move
from ..adoption.sealing_tables import Stored
from ..adoption.sealing_targets import engine_for
from ..errors import InvalidInput, SubjectErased
from ..middleware.reseal import Resealing, movable
from .entry import act_entry
from .plan import plan, rows_about, spelled, tables_about

if TYPE_CHECKING:
    from ..guard import Guard


def merge(
    guard: Guard, tenant: str, kind: str, source: str, target: str, *, operator: str, reason: str
) -> Counter[str]:
    """Move the rows; how many, by table. One transaction with its entry. Raises `InvalidInput` and `SubjectErased`."""
    source, target = spelled(guard, kind, source), spelled(guard, kind, target)
    if source == target:
        raise InvalidInput(detail="somebody cannot be merged with themselves")
    moved: Counter[str] = Counter()
    cipher = guard.keyring.cipher(tenant)
    with engine_for(guard) as engine, engine.begin() as connection:
        for who in (source, target):
            known = plan(guard, connection, tenant, kind, who)
            if known.erased_at is not None:
                raise SubjectErased(subject=f"{kind} {who}")
            if not known.known:
                raise InvalidInput(detail=f"there is no {kind} {who!r:.80}")
        what = []
        for table in tables_about(guard, kind):
            if table.subject is None or table.subject in table.key or table.subject not in movable(table):
                continue
            stored = Stored(table, [], connection.dialect)
            python_type: Any = table.table.c[table.subject].type.python_type
            to = {table.subject: target if python_type is str else python_type(target)}
            rows = connection.execute(select(*stored.keys).where(rows_about(stored, tenant, source))).all()
            resealing = Resealing(connection, table, cipher)
            for row in rows:
                what.append(resealing.move(dict(zip(table.key, row, strict=True)), to))
                moved[table.name] += 1
        consents = move(connection, tenant, kind, source, target, by=operator)
        detail: dict[str, str | int] = {"act": "subject.merge", "kind": kind, "subject": source, "into": target}
        detail |= {"consents": consents} if consents else {}
        act_entry(guard, connection, tenant, operator, reason, detail, what)
    return moved


__all__ = ["merge"]
