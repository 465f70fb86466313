"""After a restore: every erasure that the ledger names and the database does not know is carried out again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from ..adoption.sealing_tables import Stored
from ..adoption.sealing_targets import engine_for
from ..encryption.models import KEK
from ..encryption.models import key as key_table
from ..encryption.models import subject as subject_table
from ..errors import KeyUnknown
from .erase import carry_out
from .ledger import Ledger
from .plan import rows_about, spelled, tables_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ..guard import Guard
    from .certificate import Certificate
    from .ledger import Erasure


def outstanding(guard: Guard, connection: Connection) -> list[Erasure]:
    """The erasures of the ledger that this database does not know, or has values of again, in order.

    Raises `LedgerDamaged`.
    """
    once = _named(guard)
    known = _known(connection) if once else set()
    waiting = [one for who, one in once.items() if who not in known or _left(guard, connection, one)]
    return sorted(waiting, key=lambda one: one.at)


def unknown(guard: Guard, connection: Connection) -> list[Erasure]:
    """The erasures of the ledger that this database does not know; no row of the application's is looked at.

    Those of tenants that are not in this database (any more) are left out. Raises `LedgerDamaged`.
    """
    once = _named(guard)
    if not once:
        return []
    known, columns = _known(connection), key_table.c
    here = select(columns.tenant_id).where(columns.kind == KEK, columns.retired_at.is_(None))
    tenants = set(connection.scalars(here))
    return [one for who, one in once.items() if who not in known and one.tenant in tenants]


def _named(guard: Guard) -> dict[tuple[str, str, str], Erasure]:
    lines = Ledger(guard.settings.erasure_ledger, guard.signer).read()
    named = [replace(one, subject=spelled(guard, one.kind, one.subject)) for one in lines]  # older ones as was typed
    return {(one.tenant, one.kind, one.subject): one for one in reversed(named)}


def _known(connection: Connection) -> set[tuple[str, str, str]]:
    columns = subject_table.c
    erased = select(columns.tenant_id, columns.kind, columns.subject).where(columns.erased_at.is_not(None))
    return {(tenant, kind, subject) for tenant, kind, subject in connection.execute(erased)}


def _left(guard: Guard, connection: Connection, erasure: Erasure) -> bool:
    """Whether a table has values about the subject: it was restored by itself."""
    for table in tables_about(guard, erasure.kind):
        fields = [f for f in table.fields.values() if f.held is None]
        stored = Stored(table, fields, connection.dialect)
        there = [stored.sealed(f) for f in fields if f.writes_sealed]
        mine = rows_about(stored, erasure.tenant, erasure.subject)
        if there and connection.execute(select(func.count()).where(mine, or_(*there))).scalar_one():
            return True
    return False


def replay(guard: Guard, *, operator: str) -> Iterator[tuple[Erasure, Certificate | None]]:
    """Carry them out, one by one; None for an erasure whose tenant is not in this database (any more).

    Raises `RowsHidden` where that cannot be told.
    """
    with engine_for(guard) as engine, engine.connect() as connection:
        waiting = outstanding(guard, connection)
    for erasure in waiting:
        try:
            guard.keyring.cipher(erasure.tenant)
        except KeyUnknown:
            yield erasure, None
            continue
        reason = "the ledger of erasures names it"
        yield erasure, carry_out(guard, erasure, operator=operator, reason=reason, act="subject.erase.replay")


__all__ = ["outstanding", "replay", "unknown"]
