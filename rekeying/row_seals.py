"""The seals of rows, by the key under which each of them is: MACs under data keys, which move with the values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select

from ..adoption.row_sealing import renew_row_seals, sealed_tables
from ..adoption.sealing_tables import Stored
from ..encryption.envelope import VERSION_END
from ..encryption.row_seal import FORMAT
from ..errors import InvalidInput
from ..middleware.row_seals import SEAL_COLUMN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from ..adoption.sealing_work import Watcher
    from ..guard import Guard
    from ..middleware.row_seals import SealedRows


def with_row_seals(guard: Guard, names: Sequence[str]) -> list[SealedRows]:
    """The tables whose rows are sealed, of those that are named as a whole; without names all."""
    try:
        every = sealed_tables(guard, ())
    except InvalidInput:  # there are none
        return []
    return [one for one in every if not names or one.table.name in names]


def seals_under(engine: Engine, seal: SealedRows, tenant: str) -> Counter[bytes]:
    """How many of the tenant's rows bear a seal that begins with which 5 bytes (format and key version)."""
    stored = Stored(seal.table, (), engine.dialect)
    column = engine.dialect.identifier_preparer.quote(SEAL_COLUMN)
    begin = func.substr(literal_column(column), 1, VERSION_END).label("begin")
    rows = select(begin).select_from(stored.table).where(stored.owned(tenant), literal_column(f"{column} IS NOT NULL"))
    each = rows.subquery()
    query = select(each.c.begin, func.count()).group_by(each.c.begin)
    found: Counter[bytes] = Counter()
    with engine.connect() as connection:
        for one, count in connection.execute(query):
            found[bytes(one) if isinstance(one, bytes | memoryview) else b""] += count
    return found


def old_seals(engine: Engine, seal: SealedRows, tenant: str, version: int) -> int:
    """How many of the tenant's rows bear a seal that is not under that version of the data key."""
    newest = FORMAT.to_bytes(1, "big") + version.to_bytes(4, "big")
    return sum(count for begin, count in seals_under(engine, seal, tenant).items() if begin != newest)


def move_row_seals(
    guard: Guard, engine: Engine, seal: SealedRows, tenant: str, *, operator: str, batch: int, progress: Watcher
) -> tuple[int, list[tuple[str, str]], int]:
    """Move the tenant's row seals to the newest data key: how many, those that do not hold, and how many are left."""
    version = guard.keyring.cipher(tenant).sealing_version
    if not old_seals(engine, seal, tenant, version):
        return 0, [], 0
    (done,) = renew_row_seals(guard, [seal], operator=operator, tenant=tenant, batch=batch, progress=progress)
    return done.done, done.broken, old_seals(engine, seal, tenant, version)
