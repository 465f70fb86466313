"""The doctor's look at search columns: is there a row that no search can find?"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, literal, select

from ..database import PLATFORM
from ..encryption.cipher import slot_of
from ..encryption.index_keys import versions_read
from ..errors import RowsHidden, TenantCrossed
from ..middleware.checks_of_installation import TOKENS_LACKING
from .sealing_tables import Stored
from .sealing_targets import engine_for
from .search_tokens import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, Engine, Inspector

    from ..guard import Guard
    from ..middleware.fields import Protected
    from ..middleware.finding import Finding

_AT_ONCE: Final = 1_000
"""Tenants whom one query asks about."""


def live_tokens(guard: Guard) -> Iterator[Finding]:
    """Each column that is searched by its tokens and has a value without one in the slot that its searches read.

    The first such row ends the look, and nothing is opened. What is not in the database is told elsewhere, and so is
    that rows are hidden from the role by which the doctor looks.
    """
    with suppress(RowsHidden), engine_for(guard) as engine:
        yield from _lacking(guard, engine)


def _lacking(guard: Guard, engine: Engine) -> Iterator[Finding]:
    searched = [one for one in guard.register.fields.values() if one.search and one.sealed]
    inspector = inspect(engine)
    with engine.connect() as connection:
        slots = {owner: slot_of(version) for owner, version in versions_read(connection).items()}
        for one in sorted(searched, key=lambda field: field.name):
            read = dict.fromkeys(slots, slots[PLATFORM]) if one.platform and PLATFORM in slots else slots
            stored = Stored(one.table, [one], engine.dialect)
            if _there(inspector, one.table, {one.sealed_column, *one.index_columns}) and _lacks(
                connection, stored, read
            ):
                yield TOKENS_LACKING(one.name)


def _there(inspector: Inspector, known: Protected, columns: set[str]) -> bool:
    """Whether table, columns, and the way to the rows' owner are in the database."""
    if not inspector.has_table(known.name):
        return False
    wanted = columns | ({known.owner_column} if known.owner_column is not None else set())
    if not wanted <= {one["name"] for one in inspector.get_columns(known.name)}:
        return False
    return known.via is None or _there(inspector, known.via.parent, {known.via.parent.key[0]})


def _lacks(connection: Connection, stored: Stored, slots: Mapping[str, int]) -> bool:
    """``slots``: by which each tenant's searches go. Rows of whoever has no keys here are not asked about."""
    root = stored.protected
    while root.via is not None:
        root = root.via.parent
    values: dict[int, list[object]] = {0: [], 1: []}
    for tenant, slot in slots.items():
        try:
            values[slot].append(root.tenant_value(tenant))
        except TenantCrossed:  # no such value can stand there
            continue
    for slot, owners in values.items():
        without = lacking(slot)(stored, stored.fields[0])
        for start in range(0, len(owners), _AT_ONCE):
            mine = stored.owner().in_(owners[start : start + _AT_ONCE])
            found = select(literal(1)).select_from(stored.table).where(mine, without).limit(1)
            if connection.execute(found).first() is not None:
                return True
    return False


__all__ = ["live_tokens"]
