"""A log of before one checkpoint spoke for all: it is carried over, verifies, and goes on; and can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import MetaData, Table, select, text

from amanah import database, migrations
from amanah.audit.append import FIRST_CHAIN, next_chain
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id
from amanah.audit.log import Filter, list_entries
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.tree import Frontier, leaf_hash
from amanah.audit.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

DAY = 86_400_000_000
BEGIN = 1_790_000_000_000_000


def an_entry(number: int, tenant: str) -> Entry:
    """An entry as it was written then, one each day."""
    what = (What("patient", "read", ("name",), (), (str(number),), (str(number),), 1),)
    more: dict[str, Any] = {"actor": f"a{number % 3}", "actor_kind": "member", "purpose": "care", "what": what}
    return Entry(new_event_id(), BEGIN + number * DAY, tenant, f"x{number}", "access", v=1, **more)


def fill(connection: Connection, tenant: str, count: int) -> list[Entry]:
    """So many entries in the tables of then, with their head and checkpoint."""
    tables = {name: Table(name, MetaData(), autoload_with=connection) for name in ("amanah_entry", "amanah_head")}
    entries = [an_entry(number, tenant) for number in range(count)]
    frontier, chain = Frontier.empty(), FIRST_CHAIN
    for position, one in enumerate(entries):
        leaf = leaf_hash(one.encode())
        chain = next_chain(chain, leaf)
        frontier.append(leaf)
        connection.execute(
            tables["amanah_entry"].insert(),
            {
                "tenant_id": tenant,
                "position": position,
                "event_id": one.id,
                "at": one.at,
                "kind": one.kind,
                "outcome": one.outcome,
                "actor": one.actor,
                "access": one.access,
                "purpose": one.purpose,
                "body": one.encode().decode(),
                "leaf_hash": leaf,
                "chain": chain,
            },
        )
    head = {"size": count, "root": frontier.root(), "frontier": frontier.encode(), "chain": chain}
    connection.execute(tables["amanah_head"].insert(), {"tenant_id": tenant, **head})
    connection.execute(
        text("INSERT INTO amanah_checkpoint (tenant_id, size, at, note) VALUES (:t, 1, 1, 'x')"), {"t": tenant}
    )
    return entries


@pytest.fixture
def engines(database_url: str) -> Iterator[tuple[Engine, Engine]]:
    """A migrated core, and a trail whose tables are those of before."""
    migrations.upgrade(database_url)
    core, trail = database.own_engine(database_url), database.own_engine(database.trail_url(database_url))
    with trail.begin() as connection:
        command.downgrade(migrations.configuration(connection), "trail_0001")
    yield core, trail
    core.dispose()
    trail.dispose()


def test_a_log_of_before_is_carried_over_and_goes_on(engines: tuple[Engine, Engine]) -> None:
    """Every entry is there, found by what it says, in its month; what waited is not lost; new ones follow."""
    core, trail = engines
    waiting = an_entry(100, "klinik-a")
    with trail.begin() as connection:
        entries = fill(connection, "klinik-a", 70)
        fill(connection, "toko-b", 3)
        connection.execute(
            text("INSERT INTO amanah_queued (event_id, tenant_id, at, body) VALUES (:i, :t, :a, :b)"),
            {"i": waiting.id, "t": waiting.tenant, "a": waiting.at, "b": waiting.encode().decode()},
        )
        command.upgrade(migrations.configuration(connection), "trail@head")
    signer = SignerKey("before", b"\x01" * 32)
    report = verify(core, trail, signer.verifier)
    assert report.whole, report.findings
    assert (report.entries, report.pending) == (73, 1)
    with core.begin() as connection:
        stage(connection, [Entry(new_event_id(), BEGIN + 200 * DAY, "klinik-a", "y", "write", actor="a1")])
    sequencer = Sequencer(core, trail, signer)
    sequencer.run_once()
    sequencer.close()
    report = verify(core, trail, signer.verifier)
    assert report.whole, report.findings
    assert (report.entries, report.pending) == (75, 0)
    found = list_entries(trail, "klinik-a", limit=100, filters=Filter(actor="a1", resource="patient"))
    wanted = [one for one in [*entries, waiting] if one.actor == "a1"]
    assert sorted(one.entry.id for one in found) == sorted(one.id for one in wanted)
    (found_by_row,) = list_entries(trail, "klinik-a", limit=2, filters=Filter(row="patient/42"))
    assert found_by_row.entry == entries[42]


def test_it_can_be_taken_back(engines: tuple[Engine, Engine]) -> None:
    """The tables of before hold what they held, to the byte."""
    _, trail = engines
    with trail.begin() as connection:
        fill(connection, "klinik-a", 40)
        before = _held(connection)
        command.upgrade(migrations.configuration(connection), "trail@head")
        command.downgrade(migrations.configuration(connection), "trail_0001")
        assert _held(connection) == before


def _held(connection: Connection) -> list[list[tuple[Any, ...]]]:
    tables = [Table(name, MetaData(), autoload_with=connection) for name in ("amanah_entry", "amanah_head")]
    return [sorted(tuple(row) for row in connection.execute(select(table)).all()) for table in tables]
