"""Receipts: who changed something says so once the change is committed, in an entry that does not ride on the change.

An entry's ``wrote`` names each committed change of its access by event id and leaf hash. A receipt without its entry
means that the entry was deleted before it had its place in the log. An entry without receipt is a process that ended
right after its commit.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from .entries import decode
from .findings import missing
from .models import entry, parked
from .staging import staged
from .streams import Waiting
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Engine


def unmet(core: Engine, trail: Engine, rows: Sequence[Any]) -> list[Waiting]:
    """For each receipt in ``rows`` whose entry is neither in the log nor waiting anywhere, the entry that says so."""
    wanted = {receipt: body for body, receipts in _receipts(rows) for receipt in receipts}
    if not wanted:
        return []
    # The log again at last: an entry may have moved there while we looked where it was not any more.
    for found in (_logged(trail, wanted), _waiting(core, trail, wanted, rows), _logged(trail, wanted)):
        for receipt in found:
            wanted.pop(receipt, None)
        if not wanted:
            return []
    told = []
    for receipt, body in wanted.items():
        event_id, _, leaf = receipt.partition(":")
        one = missing(decode(body.encode()), event_id, leaf)
        told.append(Waiting(one.id, one.tenant, one.at, one.encode().decode("ascii")))
    return told


def _receipts(rows: Iterable[Any]) -> Iterator[tuple[str, list[str]]]:
    for row in rows:
        if isinstance(row.body, str) and '"wrote":[' in row.body:
            yield row.body, json.loads(row.body).get("wrote", [])


def _ids(wanted: Iterable[str]) -> list[str]:
    return sorted({receipt[:32] for receipt in wanted})


def _logged(trail: Engine, wanted: Iterable[str]) -> list[str]:
    with trail.connect() as connection:
        query = select(entry.c.event_id, entry.c.leaf_hash).where(entry.c.event_id.in_(_ids(wanted)))
        return [f"{event_id}:{leaf.hex()}" for event_id, leaf in connection.execute(query)]


def _waiting(core: Engine, trail: Engine, wanted: Iterable[str], rows: Sequence[Any]) -> list[str]:
    found = [(row.event_id, row.body) for row in rows]
    for engine, table in ((core, staged), (trail, parked)):
        with engine.connect() as connection:
            query = select(table.c.event_id, table.c.body).where(table.c.event_id.in_(_ids(wanted)))
            found += [(row.event_id, row.body) for row in connection.execute(query)]
    return [f"{name}:{leaf_hash(str(body).encode('utf-8', 'surrogatepass')).hex()}" for name, body in found]
