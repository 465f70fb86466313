"""Many rows at once: what the sequencer writes and deletes for a whole batch, in one message of PostgreSQL each.

On PostgreSQL the log is written by COPY in its binary format and lists of keys go as arrays, since taking a statement
apart for each row costs more than the row. On SQLite the driver's own ``executemany`` does as well.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import delete, select, text, tuple_

from .models import entry, queued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class Placed(NamedTuple):
    """A row of the log."""

    tenant_id: str
    position: int
    month: int
    at: int
    link: int
    event_id: str
    leaf_hash: bytes
    body: bytes
    terms: list[int]


_COPY: Final = f"COPY amanah_entry ({', '.join(Placed._fields)}) FROM STDIN WITH (FORMAT BINARY)"
_BEGIN: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_FIRST: Final = struct.Struct("!hi")
_NUMBERS: Final = struct.Struct("!iqiiiqiqi")
_LENGTH: Final = struct.Struct("!i")
_ARRAY: Final = struct.Struct("!iiiiii")
_ARRAY_HEAD: Final = 20
_INT4: Final = 23
_UUID: Final = 16

_DELETE: Final = text(
    "DELETE FROM amanah_queued USING"
    " unnest(CAST(:streams AS text[]), CAST(:numbers AS bigint[]), CAST(:macs AS bytea[]))"
    " AS gone (stream, number, mac)"
    " WHERE amanah_queued.stream = gone.stream"
    " AND amanah_queued.number = gone.number AND amanah_queued.mac = gone.mac"
)
_KNOWN: Final = text(
    "SELECT event_id, leaf_hash FROM amanah_entry WHERE event_id = ANY(CAST(:ids AS uuid[])) AND tenant_id = :tenant"
)


def place(connection: Connection, rows: Sequence[Placed]) -> None:
    """Insert ``rows`` into the log."""
    if connection.dialect.name != "postgresql":
        connection.execute(entry.insert(), [row._asdict() for row in rows])
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(b"".join((_BEGIN, *map(_binary, rows), _END)))


def known(connection: Connection, tenant: str, ids: Sequence[str]) -> set[tuple[str, bytes]]:
    """Event id and leaf hash of those entries of the log that are of ``ids``."""
    if connection.dialect.name == "postgresql":
        found = connection.execute(_KNOWN, {"ids": list(ids), "tenant": tenant})
        return {(str(event_id).replace("-", ""), bytes(leaf)) for event_id, leaf in found}
    query = select(entry.c.event_id, entry.c.leaf_hash).where(entry.c.event_id.in_(ids), entry.c.tenant_id == tenant)
    return {(event_id, leaf) for event_id, leaf in connection.execute(query)}


def unqueue(connection: Connection, rows: Sequence[Any]) -> None:
    """Delete exactly ``rows`` from the queue."""
    if connection.dialect.name == "postgresql":
        streams, numbers, macs = zip(*((row.stream, row.number, row.mac) for row in rows), strict=True)
        connection.execute(_DELETE, {"streams": list(streams), "numbers": list(numbers), "macs": list(macs)})
        return
    places = [(row.stream, row.number, row.mac) for row in rows]
    connection.execute(delete(queued).where(tuple_(queued.c.stream, queued.c.number, queued.c.mac).in_(places)))


def _binary(row: Placed) -> bytes:
    tenant, body, count = row.tenant_id.encode(), row.body, len(row.terms)
    return b"".join(
        (
            _FIRST.pack(len(Placed._fields), len(tenant)),
            tenant,
            _NUMBERS.pack(8, row.position, 4, row.month, 8, row.at, 8, row.link, _UUID),
            bytes.fromhex(row.event_id),
            _LENGTH.pack(len(row.leaf_hash)),
            row.leaf_hash,
            _LENGTH.pack(len(body)),
            body,
            _ARRAY.pack(_ARRAY_HEAD + 8 * count, 1, 0, _INT4, count, 1),
            struct.pack(f"!{2 * count}i", *chain.from_iterable((4, number) for number in row.terms)),
        )
    )
