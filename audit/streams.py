"""Numbered streams: what a writer made durable cannot vanish or change unseen before it has its place in the log.

Each connection on which entries are written numbers them from 1 in a *stream* of its own, and puts a MAC beside each
(HMAC-SHA-256, 16 bytes, over stream, number and leaf hash, under a key that the database does not hold). Numbers are
given to a batch when it is written: a batch that was refused used none, and after one of which nobody knows whether it
was written a new stream begins. So a number that is missing before a later one was deleted, and a roll-back, which
never had a number, is never mistaken for that. The MAC of each entry stands alone: what follows a hole still verifies.

The entries at the end of a stream can be deleted unseen until the next one of the same stream is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest, digest
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import select

from .entries import new_event_id
from .findings import hole, rejected
from .models import stream as stream_table
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from .entries import Entry

Row_: TypeAlias = "tuple[str, str, int, str]"
Numbered: TypeAlias = "tuple[str, str, int, str, str, int, bytes]"
"""event id, tenant id, at, body, stream, number, MAC"""

_MAC: Final = 16


class Stream:
    """The writer's side. Not thread-safe: it belongs to one connection."""

    __slots__ = ("_id", "_key", "_number")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.begin()

    def begin(self) -> None:
        """Begin a new stream: what was last written may be there or not."""
        self._id = new_event_id()
        self._number = 0

    def numbered(self, rows: Sequence[Row_]) -> list[Numbered]:
        """``rows`` with the next numbers, which are used up by `written` only."""
        return [
            (*row, self._id, number, mac(self._key, self._id, number, row[3].encode()))
            for number, row in enumerate(rows, self._number + 1)
        ]

    def written(self, count: int) -> None:
        """The next ``count`` numbers are durable."""
        self._number += count


def mac(key: bytes, stream: str, number: int, body: bytes) -> bytes:
    """What proves that the writer of ``stream`` gave ``body`` this number: 16 bytes."""
    return digest(key, f"{stream}\n{number}\n".encode() + leaf_hash(body), "sha256")[:_MAC]


class Waiting(NamedTuple):
    """An entry as it waits, whatever table it came from."""

    event_id: Any
    tenant_id: Any
    at: Any
    body: Any
    proven: bool = False
    """Whether a writer's MAC says that it is an entry's encoding."""


@dataclass(slots=True)
class Taken:
    """What a batch of a queue comes to: what is to be appended, and how far each stream is then taken."""

    rows: list[Waiting] = field(default_factory=list)
    ends: dict[str, tuple[int, bytes, int]] = field(default_factory=dict)


def take(connection: Connection, key: bytes, rows: Sequence[Row[Any]]) -> Taken:
    """Check ``rows`` of the queue, which are in the order of stream and number.

    A hole, and a row that the writer did not write so, become entries that say it.
    """
    names = sorted({row.stream for row in rows if isinstance(row.stream, str)})
    query = select(stream_table).where(stream_table.c.stream.in_(names))
    ends = {row.stream: row.number for row in connection.execute(query)}
    taken = Taken()
    for row in rows:
        if not _genuine(key, row):
            taken.rows.append(_waiting(rejected(row)))
            continue
        expected = ends.get(row.stream, 0) + 1
        if row.number < expected:  # taken before: the log knows it, or it fills a hole that was told
            taken.rows.append(Waiting(row.event_id, row.tenant_id, row.at, row.body, proven=True))
            continue
        if row.number > expected:
            taken.rows.append(_waiting(hole(row.stream, expected, row.number - 1, row.at)))
        taken.rows.append(Waiting(row.event_id, row.tenant_id, row.at, row.body, proven=True))
        ends[row.stream] = row.number
        taken.ends[row.stream] = (row.number, bytes(row.mac), row.at)
    return taken


def keep(connection: Connection, ends: dict[str, tuple[int, bytes, int]]) -> None:
    """Store how far each stream was taken, in the transaction that took it."""
    for name, (number, last, at) in ends.items():
        values = {"number": number, "mac": last, "at": at}
        moved = connection.execute(stream_table.update().where(stream_table.c.stream == name).values(values))
        if not moved.rowcount:
            connection.execute(stream_table.insert().values(stream=name, **values))


def forget(connection: Connection, before: int) -> None:
    """Forget streams that were last written to before ``before`` (µs): their processes have long ended."""
    connection.execute(stream_table.delete().where(stream_table.c.at < before))


def _genuine(key: bytes, row: Row[Any]) -> bool:
    """Whether a writer of ours wrote the row so. SQLite's columns hold any type."""
    if not (isinstance(row.stream, str) and isinstance(row.number, int) and isinstance(row.body, str)):
        return False
    expected = mac(key, row.stream, row.number, row.body.encode("utf-8", "surrogatepass"))
    return isinstance(row.mac, bytes) and compare_digest(expected, row.mac)


def _waiting(one: Entry) -> Waiting:
    return Waiting(one.id, one.tenant, one.at, one.encode().decode("ascii"))
