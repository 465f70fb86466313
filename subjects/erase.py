"""Erasing a subject: its secret is destroyed, and what was never under it is overwritten.

1. A line in the ledger outside the database, durable, so that a restored backup can be told again.
2. In one transaction: the tombstone in place of the secret; search tokens cleared; envelopes overwritten (those from
   before the table had subjects are not under the secret); values that stand plain (governed columns, columns on their
   way to being sealed) emptied; rows that are sealed over any of these sealed anew, where the seal that they had held;
   what the subject consented to withdrawn, and kept: that they had consented is still to be shown (GDPR art. 7(1), UU
   PDP art. 24); the entry in the tenant's trail. Held columns are left: they are sealed under the tenant's key.
3. On SQLite what was overwritten is taken out of the write-ahead log, too.

Killed at any point it is run again: a line without its transaction is found by `replay`, and the transaction is whole
or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, literal, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..access_policies.consents import withdraw
from ..adoption.sealing_tables import Raw, Stored, inner_type
from ..adoption.sealing_targets import engine_for
from ..audit.entries import What, new_event_id, now_us
from ..encryption.envelope import OVERWRITTEN
from ..encryption.models import subject as subject_table
from ..encryption.netstrings import netstring
from ..errors import SealError, SubjectUnknown
from ..middleware.erased import SHOWN
from ..middleware.stored_rows import StoredRows
from ..middleware.subjects import tombstone
from .certificate import Certificate
from .entry import act_entry
from .epochs import dark_on
from .ledger import Erasure, Ledger
from .plan import kinds, plan, rows_about, spelled, tables_about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from ..encryption.cipher import TenantCipher
    from ..guard import Guard
    from ..middleware.fields import Field, Protected
    from .plan import Plan


def plan_of(guard: Guard, tenant: str, kind: str, subject: str) -> Plan:
    """What `erase` would do. Raises `SubjectUnknown` where there is nobody of that kind and id."""
    with engine_for(guard) as engine, engine.connect() as connection:
        found = plan(guard, connection, tenant, kind, subject)
    if kind not in kinds(guard) or not found.known:
        raise SubjectUnknown(subject=f"{kind} {subject}", kinds=", ".join(kinds(guard)) or "-")
    return found


def erase(guard: Guard, made: Plan, *, operator: str, reason: str) -> Certificate:
    """Carry out ``made``; to repeat it is harmless, and completes one that broke off.

    Raises `LedgerUnwritable` (nothing was done), `KeysUnavailable`, and SQLAlchemy's errors (the ledger then names an
    erasure that `replay` carries out).
    """
    erasure = Erasure(id=new_event_id(), at=now_us(), tenant=made.tenant, kind=made.kind, subject=made.subject)
    Ledger(guard.settings.erasure_ledger, guard.signer).append(erasure)  # 1
    return carry_out(guard, erasure, operator=operator, reason=reason, act="subject.erase")


def carry_out(guard: Guard, erasure: Erasure, *, operator: str, reason: str, act: str) -> Certificate:
    """Steps 2 and 3 of an erasure that the ledger names."""
    tenant, kind, subject = erasure.tenant, erasure.kind, spelled(guard, erasure.kind, erasure.subject)
    with engine_for(guard) as engine:
        with engine.begin() as connection:  # 2
            dark = dark_on(guard, connection, tenant, kind, subject, erasure.at)
            destroy_secret(connection, guard.keyring.cipher(tenant), kind, subject, erasure.at)
            made = plan(guard, connection, tenant, kind, subject)
            what = []
            for table in tables_about(guard, kind):
                reached = _overwrite(guard, connection, table, tenant, subject)
                columns = tuple(f.column for f in table.fields.values() if f.held is None)
                if reached and columns:
                    what.append(What(table.resource, "erase", columns, subjects=(subject,), count=reached))
            gone = withdraw(connection, tenant, kind, subject, by=operator, because="erased")
            detail: dict[str, str | int] = {"act": act, "kind": kind, "subject": subject, "ledger": erasure.id}
            detail |= {"consents": len(gone)} if gone else {}
            act_entry(guard, connection, tenant, operator, reason, detail, what)
        if engine.dialect.name == "sqlite":  # 3
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return Certificate.of(made, erasure, dark)


def destroy_secret(connection: Connection, cipher: TenantCipher, kind: str, subject: str, at: int) -> None:
    """The tombstone in place of the subject's secret, also where there never was one."""
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    gone = {"epoch": None, "wrapped": netstring(tombstone(cipher, kind, subject)), "erased_at": at}
    statement = insert(subject_table).values(
        tenant_id=cipher.tenant_id, kind=kind, subject=subject, created_at=at, **gone
    )
    columns = subject_table.c
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[columns.tenant_id, columns.kind, columns.subject],
            set_=gone | {"erased_at": func.coalesce(columns.erased_at, at)},
        )
    )


def _overwrite(guard: Guard, connection: Connection, table: Protected, tenant: str, subject: str) -> int:
    """Everything of the subject's rows in ``table`` that does not go with the secret; returns how many rows."""
    fields = [f for f in table.fields.values() if f.held is None]
    stored = Stored(table, fields, connection.dialect)
    mine = rows_about(stored, tenant, subject)
    values: dict[Any, Any] = {}
    for field in fields:
        if field.writes_plain:
            values[stored.plain(field)] = _emptied(stored, field)
        if field.writes_sealed:
            envelope = stored.envelope(field)
            values[envelope] = case((envelope.is_(None), null()), else_=literal(OVERWRITTEN, Raw()))
        if field.search:
            for name in field.columns:
                if name not in (field.column, field.sealed_column):
                    values[stored.table.c[name]] = null()
    if not values:
        return int(connection.execute(select(func.count()).select_from(stored.table).where(mine)).scalar_one())
    rows = None if table.sealed_rows is None else StoredRows(table.sealed_rows, connection.dialect)
    if rows is not None and rows.covers([f.column for f in fields]):
        return _overwrite_sealed(connection, guard.keyring.cipher(tenant), stored, rows, mine, values)
    return int(connection.execute(update(stored.table).where(mine).values(values)).rowcount)


def _overwrite_sealed(
    connection: Connection,
    cipher: TenantCipher,
    stored: Stored,
    rows: StoredRows,
    mine: ColumnElement[bool],
    values: dict[Any, Any],
) -> int:
    """The same in rows that are sealed over some of it.

    Each is locked before its seal is checked, so that nobody changes it in between. Where the seal does not hold the
    row is overwritten as well, and the seal left: it holds no more than before.
    """
    size = len(stored.keys)
    look = select(*stored.keys, *rows.columns).where(mine).with_for_update()
    named = [key == bindparam(f"k{number}", type_=key.type) for number, key in enumerate(stored.keys)]
    overwriting = update(stored.table).where(mine, *named).values(values)
    held: dict[tuple[Any, ...], bool] = {}
    while fresh := {k: r for r in connection.execute(look) if (k := tuple(r[:size])) not in held}:
        held |= {key: _holds(rows, cipher, stored.key_texts(key), row[size:]) for key, row in fresh.items()}
        connection.execute(overwriting, [_key(key) for key in fresh])
    again = [
        _key(key) | {"row_seal": rows.sealed(cipher, rows.as_it_is(stored.key_texts(key), row[size:]))}
        for row in connection.execute(look)
        if held.get(key := tuple(row[:size]))
    ]
    if again:
        sealing = update(stored.table).where(mine, *named)
        connection.execute(sealing.values({stored.row_seal(): bindparam("row_seal", type_=Raw())}), again)
    return len(held)


def _key(key: tuple[Any, ...]) -> dict[str, Any]:
    return {f"k{number}": part for number, part in enumerate(key)}


def _holds(rows: StoredRows, cipher: TenantCipher, key: list[str], found: Sequence[Any]) -> bool:
    try:
        rows.checked(cipher, key, found)
    except SealError:
        return False
    return True


def _emptied(stored: Stored, field: Field) -> ColumnElement[Any]:
    """NULL; where the column takes none, a text says so, and other kinds take what stands for a withheld value."""
    plain = stored.plain(field)
    if not field.required:
        return null()
    kind = inner_type(field)
    standin: Any = field.standin
    if kind.python_type is str:
        longest = getattr(kind, "length", None)
        standin = SHOWN if longest is None or longest >= len(SHOWN) else "-"
    return case((plain.is_(None), null()), else_=literal(standin, kind))


__all__ = ["carry_out", "destroy_secret", "erase", "plan_of"]
