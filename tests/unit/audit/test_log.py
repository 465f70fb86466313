"""Reading the log: pages, filters, and finding one entry wherever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id
from amanah.audit.log import Filter, find, list_entries
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.writer import TrailWriter
from amanah.errors import TrailDamaged

if TYPE_CHECKING:
    from sqlalchemy import Engine

TENANT = "klinik-a"


def an_entry(at: int, tenant: str = TENANT, **changes: object) -> Entry:
    """An entry of the given time."""
    values: dict[str, object] = {"access": f"a{at}", "kind": "access"} | changes
    return Entry(id=new_event_id(), at=at, tenant=tenant, **values)  # type: ignore[arg-type]


@pytest.fixture
def entries(own_database: Engine, trail_database: Engine) -> list[Entry]:
    """Twelve entries of one tenant and one of another, in the log."""
    special = {
        3: an_entry(3, actor='Ü_%"\\', purpose="x.health.care", kind="write", outcome="committed"),
        5: an_entry(5, what=(What("patient", "read", subjects=("7", "a_b")),), tokens={"ip": "ab" * 16}),
        6: an_entry(6, what=(What("invoice", "read", subjects=("axb",)),)),
        7: an_entry(7, actor="long" * 100 + "\0\ud800"),
    }
    entries = [special.get(at) or an_entry(at) for at in range(12)]
    with own_database.begin() as connection:
        stage(connection, [*entries, an_entry(1, "toko-b", actor="17")])
    Sequencer(own_database, trail_database, SignerKey("log", b"\x01" * 32)).run_once()
    return entries


@pytest.mark.parametrize("limit", [1, 5, 12, 100])
def test_pages_hold_every_entry_once_the_newest_first(trail_database: Engine, entries: list[Entry], limit: int) -> None:
    """Following `before` from page to page meets each entry of the tenant once and nobody else's."""
    found, before = [], None
    while page := list_entries(trail_database, TENANT, limit=limit, before=before):
        assert len(page) <= limit
        found += page
        before = page[-1].position
    assert [one.entry for one in found] == entries[::-1]
    assert [one.position for one in found] == list(range(11, -1, -1))


@pytest.mark.parametrize(
    ("filters", "times"),
    [
        (Filter(kind="write"), [3]),
        (Filter(outcome="committed"), [3]),
        (Filter(actor='Ü_%"\\'), [3]),
        (Filter(actor="long" * 100 + "\0\ud800"), [7]),
        (Filter(actor="long" * 100), []),
        (Filter(access="a9"), [9]),
        (Filter(purpose="x.health.care"), [3]),
        (Filter(since=4, until=6), [5, 4]),
        (Filter(resource="patient"), [5]),
        (Filter(resource="PATIENT"), []),
        (Filter(subject="a_b"), [5]),
        (Filter(subject="7"), [5]),
        (Filter(token="ab" * 16), [5]),
        (Filter(actor="nobody"), []),
    ],
)
def test_filters_find_what_they_name_and_nothing_else(
    trail_database: Engine, entries: list[Entry], filters: Filter, times: list[int]
) -> None:
    """Special characters are themselves, and a page is filled however far apart the matches are."""
    assert entries
    assert [one.entry.at for one in list_entries(trail_database, TENANT, limit=2, filters=filters)] == times


def test_a_page_has_a_size(trail_database: Engine) -> None:
    """Nobody reads the whole log in one page."""
    for limit in (0, -1, 1001):
        with pytest.raises(ValueError, match="limit"):
            list_entries(trail_database, TENANT, limit=limit)


def test_an_entry_is_found_wherever_it_is(own_database: Engine, trail_database: Engine, entries: list[Entry]) -> None:
    """In the log with its position; queued or staged without one; by its own tenant only."""
    writer = TrailWriter(trail_database, bytes(32))
    waiting, staged = an_entry(20), an_entry(21)
    writer.record(waiting)
    writer.close()
    with own_database.begin() as connection:
        stage(connection, [staged])
    logged = find(trail_database, entries[4].id)
    assert logged is not None
    assert (logged.entry, logged.position, len(logged.leaf_hash)) == (entries[4], 4, 32)
    for one in (waiting, staged):
        found = find(trail_database, one.id, core_engine=own_database)
        assert found is not None
        assert (found.entry, found.position) == (one, None)
        assert find(trail_database, one.id, core_engine=own_database, tenant="toko-b") is None
    assert find(trail_database, "0" * 32, core_engine=own_database) is None


def test_a_damaged_entry_is_not_shown_as_if_it_were_whole(trail_database: Engine, entries: list[Entry]) -> None:
    """What cannot be read is an error, not a gap."""
    with trail_database.begin() as connection:
        connection.execute(text("UPDATE amanah_entry SET body = 'x' WHERE tenant_id = 'klinik-a' AND position = 4"))
    with pytest.raises(TrailDamaged):
        list_entries(trail_database, TENANT)
    with pytest.raises(TrailDamaged):
        find(trail_database, entries[4].id)
