"""Somebody with SQL access changes what waits for its place in the log. Each change becomes an entry that tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, text

from amanah.audit.entries import receipt
from amanah.audit.log import list_entries
from amanah.audit.models import queued
from amanah.audit.staging import stage
from amanah.audit.streams import Stream
from amanah.audit.tree import leaf_hash
from tests.trail_world import TrailWorld, an_entry

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from amanah.audit.entries import Entry

NAMES = ("event_id", "tenant_id", "at", "body", "stream", "number", "mac")


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path) -> TrailWorld:
    """An empty trail."""
    return TrailWorld.build(own_database, trail_database, tmp_path)


def queue(trail: TrailWorld, stream: Stream, *entries: Entry) -> None:
    """Write entries as a writer does."""
    rows = stream.numbered([(one.id, one.tenant, one.at, one.encode().decode()) for one in entries])
    with trail.trail.begin() as connection:
        connection.execute(queued.insert(), [dict(zip(NAMES, row, strict=True)) for row in rows])
    stream.written(len(rows))


def writer(trail: TrailWorld) -> Stream:
    """A writer's stream."""
    return Stream(trail.signer.stream_key)


def told(trail: TrailWorld, tenant: str = "klinik-a") -> list[dict[str, Any]]:
    """What the log says about changes before sequencing, the oldest first."""
    trail.sequence()
    report = trail.verify()
    assert report.whole
    found = [dict(one.entry.detail) for one in reversed(list_entries(trail.trail, tenant))]
    found = [one for one in found if str(one.get("act", "")).startswith("staging.")]
    if tenant != "platform":
        assert sum(one.told for one in report.tenants) >= len(found)
    return found


def test_what_nobody_touches_is_told_nothing_about(trail: TrailWorld) -> None:
    """Two writers, a new stream of one of them, and a change with its receipt."""
    one, other = writer(trail), writer(trail)
    change = an_entry(kind="write")
    with trail.core.begin() as connection:
        stage(connection, [change])
    queue(trail, one, an_entry(), an_entry(wrote=(receipt(change.id, leaf_hash(change.encode())),)))
    queue(trail, other, an_entry())
    one.begin()
    queue(trail, one, an_entry())
    assert told(trail) == told(trail, "platform") == []
    assert trail.verify().entries == 5


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_a_deleted_row_is_a_hole_in_its_stream(trail: TrailWorld, before: bool) -> None:
    """In the first batch or after others were taken: which stream, and how many numbers."""
    stream = writer(trail)
    if before:
        queue(trail, stream, an_entry())
        trail.sequence()
    entries = [an_entry() for _ in range(5)]
    queue(trail, stream, *entries)
    with trail.trail.begin() as connection:
        connection.execute(delete(queued).where(queued.c.event_id.in_([entries[1].id, entries[2].id])))
    (hole,) = told(trail, "platform")
    first = 3 if before else 2
    assert (hole["act"], hole["first"], hole["last"]) == ("staging.deleted", first, first + 1)


def test_the_last_rows_are_missed_with_the_next_of_their_stream(trail: TrailWorld) -> None:
    """Until then nothing says that there were any."""
    stream = writer(trail)
    queue(trail, stream, an_entry(), an_entry())
    trail.sql("DELETE FROM amanah_queued WHERE number = 2")
    assert told(trail, "platform") == []
    queue(trail, stream, an_entry())
    (hole,) = told(trail, "platform")
    assert (hole["first"], hole["last"]) == (2, 2)


@pytest.mark.parametrize(
    "change",
    [
        'body = replace(body, \'"actor":"17"\', \'"actor":"18"\')',
        "mac = :x",
        "number = number + 10",
        "stream = 'ffffffffffffffffffffffffffffffff'",
    ],
)
def test_a_changed_row_is_rejected_and_told(trail: TrailWorld, change: str) -> None:
    """Its body, its proof, its number, its stream: what was found is named by its hash, in its place."""
    stream = writer(trail)
    queue(trail, stream, *(an_entry() for _ in range(3)))
    trail.sql(f"UPDATE amanah_queued SET {change} WHERE number = 2", **({"x": b"\1" * 16} if ":x" in change else {}))
    (rejected,) = told(trail)
    assert rejected["act"] == "staging.rejected"
    assert len(str(rejected["sha256"])) == 64
    (hole,) = told(trail, "platform")  # what was written there is nowhere
    assert (hole["first"], hole["last"]) == (2, 2)


@pytest.mark.parametrize("column", ["tenant_id", "event_id", "at"])
def test_a_row_that_disagrees_with_its_body_is_rejected(trail: TrailWorld, column: str) -> None:
    """Its own proof is of the body: the columns beside it must say the same."""
    queue(trail, writer(trail), an_entry(), an_entry())
    value = {"tenant_id": "toko-b", "event_id": "0" * 32, "at": 5}[column]
    trail.sql(f"UPDATE amanah_queued SET {column} = :v WHERE number = 2", v=value)
    (rejected,) = told(trail, "toko-b" if column == "tenant_id" else "klinik-a")
    assert rejected["act"] == "staging.rejected"


def test_an_invented_row_is_rejected(trail: TrailWorld) -> None:
    """With the next number of a stream, and a proof made with another key."""
    stream, stranger = writer(trail), Stream(b"\1" * 32)
    queue(trail, stream, an_entry())
    invented = an_entry()
    queue(trail, stranger, invented)
    (rejected,) = told(trail)
    assert (rejected["act"], rejected["event"]) == ("staging.rejected", invented.id)
    assert trail.verify().entries == 2


def test_rows_that_are_swapped_between_streams_are_rejected(trail: TrailWorld) -> None:
    """Each proof is of one number of one stream."""
    one, other = writer(trail), writer(trail)
    first, second = an_entry(), an_entry("toko-b")
    queue(trail, one, first)
    queue(trail, other, second)
    with trail.trail.begin() as connection:
        rows = connection.execute(queued.select()).mappings().all()
        for mine, theirs in (rows, rows[::-1]):
            values = {name: theirs[name] for name in ("event_id", "tenant_id", "at", "body")}
            connection.execute(queued.update().where(queued.c.stream == mine["stream"]).values(values))
    assert [len(told(trail, tenant)) for tenant in ("klinik-a", "toko-b")] == [1, 1]


def test_a_staged_change_that_is_deleted_is_missed_by_its_receipt(trail: TrailWorld) -> None:
    """The change was committed, its receipt is durable: its event and its leaf hash are named."""
    change, kept = an_entry(kind="write"), an_entry(kind="write")
    with trail.core.begin() as connection:
        stage(connection, [change, kept])
        connection.execute(text("DELETE FROM amanah_staged WHERE event_id = :e"), {"e": change.id})
    receipts = tuple(receipt(one.id, leaf_hash(one.encode())) for one in (change, kept))
    queue(trail, writer(trail), an_entry(wrote=receipts))
    (missing,) = told(trail)
    assert (missing["act"], missing["event"]) == ("staging.deleted", change.id)
    assert missing["leaf_hash"] == leaf_hash(change.encode()).hex()


def test_a_staged_change_that_is_replaced_is_missed_by_its_receipt(trail: TrailWorld) -> None:
    """Another entry under the same event id is not the one that was written."""
    change = an_entry(kind="write")
    other = an_entry(kind="write", id=change.id, at=change.at, actor="18")
    with trail.core.begin() as connection:
        stage(connection, [other])
    queue(trail, writer(trail), an_entry(wrote=(receipt(change.id, leaf_hash(change.encode())),)))
    (missing,) = told(trail)
    assert (missing["act"], missing["event"]) == ("staging.deleted", change.id)
    assert trail.verify().entries == 3
